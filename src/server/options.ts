import type { NotifyDefinition } from "../commands/notify.js";
import type { Door } from "../doors/door.js";
import type { CommandSet } from "../model/command.js";
import { resolveLimits, type Limits } from "../limits/limits.js";
import type { DoorServer } from "../doors/door.js";
import type { Logs, LogStream } from "../model/logs.js";
import type { ListenPlace } from "../transport/address.js";
import { refuseUnknownOption } from "../text/unknown-option.js";

export interface TlsFiles {
  /** The certificate: PEM text, or the path of a PEM file. */
  readonly cert: string;
  /** Its key: PEM text, or the path of a PEM file that only its owner can read. */
  readonly key: string;
}

export interface ClientCertificates {
  /**
   * Default `certificate`: the certificate alone says who is calling. `certificate+token`: a token of the same owner must
   * come with it, and says what the caller may. `token`: no certificate is asked for.
   */
  readonly mode?: "token" | "certificate" | "certificate+token";
  /**
   * PEM text, or the path of a PEM file, or several: authorities that vouch for the common names of certificates. Entries
   * `cn:NAME` of the tokens file count only with one. Default: none; entries with a pin need none.
   */
  readonly ca?: string | readonly string[];
}

export interface ServerOptions {
  /**
   * The commands, made by `defineCommand` and `defineScript`: an array, or an object whose keys do not count. Default:
   * none.
   */
  readonly commands?: CommandSet;
  /**
   * Several places to listen on, TCP and unix sockets, instead of `host`, `port` and `unix`. `[]`: the server listens
   * nowhere, and only `doors` and `client()` lead in. Default: one place.
   */
  readonly listen?: readonly ListenPlace[];
  /** The address to listen on. Default: 127.0.0.1. */
  readonly host?: string;
  /** The port; 0 picks a free one. Default: 8989. */
  readonly port?: number;
  /** The path of a unix socket to listen on, instead of `host` and `port`. Default: none. */
  readonly unix?: string;
  /**
   * The certificate and its key. true: a key and a self-signed certificate in the state folder, made when they are not
   * there. false: cleartext, which needs a loopback host or `allowCleartext`. Unix sockets never use TLS. Default: true
   * on TCP.
   */
  readonly tls?: boolean | TlsFiles;
  /** The folder for what the server keeps between starts (its own key and certificate). Default: XDG_STATE_HOME/iscep. */
  readonly stateFolder?: string;
  /**
   * The path of the tokens file. false: everybody everywhere may call; use it only when something else guards the port.
   * Default: everybody who reaches a loopback address or the unix socket may call.
   */
  readonly tokens?: string | false;
  /**
   * Asks clients for a certificate. This needs TLS in every place, and a tokens file that says by pin or name whose
   * certificate it is. Default: none is asked for.
   */
  readonly clientCertificates?: ClientCertificates;
  /**
   * false refuses clients that bind their proof of a token to the server's certificate (`tls-server-end-point`) and not to
   * the TLS connection itself. SECURITY.md says what the first does not protect from. Default: true.
   */
  readonly endPointBinding?: boolean;
  /** true allows `tls: false` beyond loopback: tokens and data are then visible to the network. Default: false. */
  readonly allowCleartext?: boolean;
  /**
   * The folder for access.log, error.log and commands.log, or `{ to: "stderr", format: "json" }` for their lines on a
   * stream of this process, or an implementation of your own. false: nothing. Default: no logs, but what commands throw
   * goes to standard error.
   */
  readonly logs?: string | LogStream | Logs | false;
  /**
   * Whether logs and records of runs tell the values of arguments, except secrets, of commands that do not say it
   * themselves. Default: false; types and lengths are logged.
   */
  readonly logArgs?: boolean;
  /**
   * The folder in which runs outlive the server: their output, how they ended, and which key began them. Runs that were
   * under way when the server was killed are `lost` when it starts again, and their processes are ended. Default: runs
   * are kept only in memory.
   */
  readonly runsFolder?: string;
  /**
   * Who is told when runs end: scripts, or addresses that get a signed request. Commands with a `notify` of their own
   * have only that one. Default: nobody.
   */
  readonly notify?: NotifyDefinition | readonly NotifyDefinition[];
  /** Short form of `limits.maxConnections`. Default: 10,000. */
  readonly maxConnections?: number;
  /** Short form of `limits.maxThreads`: worker threads for commands with `thread`. Default: 4. */
  readonly threads?: number;
  /** Any of the limits, each a whole number in the unit of its name. Default: `defaultLimits`. */
  readonly limits?: Partial<Limits>;
  /** true: limits by source address do not count loopback and unix sockets. Default: true. */
  readonly exemptLocalSources?: boolean;
  /** Further ways in, opened in this order by `listen()`. Default: none. */
  readonly doors?: readonly Door[];
}

export interface ListeningServer {
  /** The address for clients: `iscep://127.0.0.1:8989?pin=sha256:…`, `iscep+tcp://…` or `iscep+unix:///path`. */
  readonly url: string;
  /** The addresses of all places, in the order of `listen`. The first one is `url`. */
  readonly urls: readonly string[];
  /** The port of the first place, if it has one. */
  readonly port?: number;
  /** The pin of the certificate, with TLS. */
  readonly pin?: string;
  /** What the doors said when they were opened, in the order of `doors`. */
  readonly doorUrls: readonly string[];
}

const serverOptionNames = {
  commands: true,
  listen: true,
  host: true,
  port: true,
  unix: true,
  tls: true,
  stateFolder: true,
  tokens: true,
  clientCertificates: true,
  endPointBinding: true,
  allowCleartext: true,
  logs: true,
  logArgs: true,
  runsFolder: true,
  notify: true,
  maxConnections: true,
  threads: true,
  limits: true,
  exemptLocalSources: true,
  doors: true,
} satisfies Record<keyof ServerOptions, true>;
const clientCertificateNames = { mode: true, ca: true } satisfies Record<keyof ClientCertificates, true>;

/** @throws IscepError `usage` for an option that does not exist */
export function checkServerOptions(options: ServerOptions): void {
  const { clientCertificates, listen = [] } = options;
  refuseUnknownOption("new Server()", options, serverOptionNames);
  refuseUnknownOption("clientCertificates of new Server()", clientCertificates ?? {}, clientCertificateNames);
  for (const place of listen) {
    const names: Readonly<Record<string, true>> = "unix" in place ? { unix: true } : { host: true, port: true };
    refuseUnknownOption("a place of listen of new Server()", place, names);
  }
}

/** @throws IscepError `usage` for a limit that does not exist, or a value that it cannot have */
export function limitsOf({ limits, maxConnections, threads }: ServerOptions): Limits {
  return resolveLimits({
    ...limits,
    ...(maxConnections === undefined ? {} : { maxConnections }),
    ...(threads === undefined ? {} : { maxThreads: threads }),
  });
}

export function accessOf({ tokens }: Pick<ServerOptions, "tokens">): DoorServer["access"] {
  return tokens === undefined ? "machine" : tokens === false ? "everybody" : "tokens";
}

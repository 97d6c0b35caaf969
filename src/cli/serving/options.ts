/** The options of `iscep serve` that say how to serve, and how they combine with the files. */
import { resolve } from "node:path";
import type { Command } from "commander";
import { IscepError } from "../../errors.js";
import { limitTable } from "../../limits/limits.js";
import type { NatsConfiguration } from "../../configuration/nats.js";
import type { ListenPlace } from "../../transport/address.js";
import { defaultHost, defaultPort } from "../../transport/address.js";
import { durationMs, nonEmpty, wholeNumber } from "../arguments/option-values.js";
import type { ServeSettings } from "./sources.js";

/** The names are commander's. */
export interface SettingFlags {
  readonly host?: string;
  readonly port?: number;
  readonly unix?: string;
  readonly tokensPath?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  /** False with --no-tls. */
  readonly tls: boolean;
  /** False with --no-auth. */
  readonly auth: boolean;
  readonly allowCleartext?: boolean;
  /** True with --http, false with --no-http. */
  readonly http?: boolean;
  /** The address of a broker. */
  readonly nats?: string;
  /** The name of the service there. */
  readonly name?: string;
  readonly logs?: string;
  readonly maxConnections?: number;
  readonly threads?: number;
  /** The grace in milliseconds. */
  readonly grace?: number;
}

export function addSettingOptions(command: Command): Command {
  return command
    .option("--host <host>", "address to listen on (default: 127.0.0.1)", nonEmpty)
    .option("--port <number>", "port; 0 picks a free one (default: 8989)", wholeNumber(0, 65_535))
    .option("--unix <path>", "listen on a unix socket instead", nonEmpty)
    .option(
      "--tokens-path <file>",
      "the tokens file, like tokens.json; without it, only this machine may call",
      nonEmpty,
    )
    .option("--tls-cert <file>", "certificate", nonEmpty)
    .option("--tls-key <file>", "key of the certificate", nonEmpty)
    .option("--no-tls", "cleartext")
    .option("--no-auth", "everybody who can connect may call")
    .option("--allow-cleartext", "allow --no-tls on addresses that others can reach")
    .option("--http", "HTTP on the same places, as `http: true` in the file")
    .option("--nats <url>", "a broker over which callers come too: nats://HOST:4222", nonEmpty)
    .option("--name <name>", "the service there, of which this server is an instance", nonEmpty)
    .option("--logs <folder>", "folder for access.log, error.log and commands.log", nonEmpty)
    .option("--max-connections <number>", "connections at once", wholeNumber(1, limitTable.maxConnections.max))
    .option(
      "--threads <number>",
      "worker threads for commands that ask for one",
      wholeNumber(1, limitTable.maxThreads.max),
    )
    .option("--grace <duration>", "how long runs may go on after SIGTERM: 30s, 10m (default: 10s)", durationMs);
}

/** @throws IscepError `usage` */
export function checkFlags(flags: SettingFlags): void {
  const contradictions: readonly [boolean, string][] = [
    [
      flags.unix !== undefined && (flags.host !== undefined || flags.port !== undefined),
      "give either --unix, or --host and --port",
    ],
    [
      flags.unix !== undefined && flags.tlsCert !== undefined,
      "a unix socket carries no TLS; leave out --tls-cert and --tls-key",
    ],
    [(flags.tlsCert === undefined) !== (flags.tlsKey === undefined), "--tls-cert and --tls-key belong together"],
    [!flags.tls && flags.tlsCert !== undefined, "give either --no-tls, or --tls-cert and --tls-key"],
    [!flags.auth && flags.tokensPath !== undefined, "give either --no-auth or --tokens-path"],
  ];
  for (const [wrong, sentence] of contradictions) if (wrong) throw new IscepError("usage", sentence);
}

/** The command line wins over the file. */
export function withFlags(settings: ServeSettings, flags: SettingFlags): ServeSettings {
  const { listen, tls, http, nats, ...rest } = settings;
  const places = placesWith(flags, listen);
  const onlyUnix = places?.every((place) => "unix" in place) === true;
  const chosenTls = flags.tls
    ? flags.tlsCert !== undefined && flags.tlsKey !== undefined
      ? { cert: flags.tlsCert, key: flags.tlsKey }
      : tls
    : false;
  return defined({
    ...rest,
    ...defined({
      listen: places,
      tls: onlyUnix ? undefined : chosenTls,
      tokens: flags.auth ? flags.tokensPath : false,
      allowCleartext: flags.allowCleartext,
      http: flags.http === true && (http === undefined || http === false) ? true : http,
      nats: natsWith(flags, nats),
      logs: flags.logs,
      maxConnections: flags.maxConnections,
      threads: flags.threads,
      limits: flags.grace === undefined ? undefined : { ...rest.limits, closeGraceMs: flags.grace },
    }),
  });
}

/**
 * A place on the command line replaces all places of the file. If it is only a host or only a port, the file's single
 * place gives the other one.
 */
function placesWith(
  { host, port, unix }: SettingFlags,
  listen: readonly ListenPlace[] | undefined,
): readonly ListenPlace[] | undefined {
  if (unix !== undefined) return [{ unix: resolve(unix) }];
  if (host === undefined && port === undefined) return listen;
  const [only] = listen?.length === 1 ? listen : [];
  const place = only !== undefined && "port" in only ? only : undefined;
  return [{ host: host ?? place?.host ?? defaultHost, port: port ?? place?.port ?? defaultPort }];
}

/** Another broker has other users, so nothing that the file says of its broker counts there. @throws IscepError `usage` */
function natsWith(
  { nats: url, name }: SettingFlags,
  nats: NatsConfiguration | undefined,
): NatsConfiguration | undefined {
  if (name !== undefined && url === undefined && nats === undefined)
    throw new IscepError("usage", "--name is the name of a service on NATS; give the broker with --nats URL");
  const chosen = url === undefined ? nats : { url, ...(nats?.name === undefined ? {} : { name: nats.name }) };
  return chosen === undefined || name === undefined ? chosen : { ...chosen, name };
}

type Defined<Values> = { [Key in keyof Values]?: Exclude<Values[Key], undefined> };

/** Removes the keys whose value is undefined. */
function defined<Values extends object>(values: Values): Defined<Values> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Defined<Values>;
}

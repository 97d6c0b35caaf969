/** The options that all clients share: where to connect, which server to trust, and who calls. */
import { readFileSync, statSync } from "node:fs";
import { Option, type Command } from "commander";
import type { Client } from "../../client/client.js";
import type { ConnectOptions } from "../../client/protocol/options.js";
import { IscepError } from "../../errors.js";
import { defaultLimits, limitTable } from "../../limits/limits.js";
import { isLoopbackHost, type Address } from "../../transport/address.js";
import { knownServer, type KnownServer } from "./known-servers.js";
import { brokerCredentials, callerAddress, type ServicePlace } from "./service-place.js";
import { collect, durationMs, nonEmpty } from "../arguments/option-values.js";
import { withHint } from "../terminal/report.js";
import { warn } from "../terminal/streams.js";
import { surroundings } from "../terminal/surroundings.js";

/** The names are commander's. */
export interface ClientOptions {
  readonly url?: string;
  readonly server?: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly ca?: string;
  readonly pin?: readonly string[];
  readonly clientCert?: string;
  readonly clientKey?: string;
  readonly timeout?: number;
  readonly allowCleartext?: boolean;
  readonly protocol?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

export const defaultUrl = "iscep://127.0.0.1:8989";

function clientOptions(): Option[] {
  return [
    new Option("--url <address>", `address of the server (ISCEP_URL; default: ${defaultUrl})`).argParser(nonEmpty),
    new Option("--server <name>", "name that `iscep login` gave to a server (ISCEP_SERVER)").argParser(nonEmpty),
    new Option(
      "--token <token>",
      "your token; ISCEP_TOKEN or --token-file is better, because others can see the arguments of a process",
    ).argParser(nonEmpty),
    new Option("--token-file <file>", "file with the token, readable only by its owner (ISCEP_TOKEN_FILE)").argParser(
      nonEmpty,
    ),
    new Option(
      "--ca <file>",
      "certificate of the server, or of the authority that signed it (ISCEP_CA_FILE)",
    ).argParser(nonEmpty),
    new Option("--pin <pin>", "pin of the server's certificate: sha256:…; may be repeated").argParser(collect),
    new Option("--client-cert <file>", "certificate to show to a server that asks for one (ISCEP_CERT_FILE)").argParser(
      nonEmpty,
    ),
    new Option("--client-key <file>", "key of that certificate, open to its owner only (ISCEP_KEY_FILE)").argParser(
      nonEmpty,
    ),
    new Option("--timeout <duration>", "how long a call may take: 30s, 10m (ISCEP_TIMEOUT)").argParser(durationMs),
    new Option("--allow-cleartext", "allow cleartext (iscep+tcp://) to other machines"),
    new Option("--protocol <version>", "version of the protocol (default: what the server speaks)").choices(["1", "2"]),
    new Option("--json", "print one JSON value, and nothing else, on standard output"),
    new Option("--quiet", "no warnings, and no progress"),
  ];
}

export function addClientOptions(command: Command): Command {
  for (const option of clientOptions()) command.addOption(option);
  return command;
}

export interface Caller {
  readonly url: string;
  readonly address: Address | ServicePlace;
  readonly token: string | undefined;
  /** The path of a PEM file. */
  readonly ca: string | undefined;
}

/** Who calls which server: the options say it, else the environment. @throws IscepError `usage`, `configuration` */
export function callerOf(options: ClientOptions): Caller {
  const { address: url, ca, token } = serverOf(options);
  const address = callerAddress(url);
  return { url, address, token: tokenOf(options, token ?? address.token), ca: options.ca ?? ca };
}

/** An option wins over the environment. */
function serverOf(options: ClientOptions): KnownServer {
  if (options.url !== undefined && options.server !== undefined) {
    throw new IscepError("usage", "give either --url or --server");
  }
  if (options.url !== undefined) return { address: options.url };
  if (options.server !== undefined) return knownServer(options.server);
  const url = environment("ISCEP_URL");
  const name = environment("ISCEP_SERVER");
  if (url !== undefined && name !== undefined) {
    throw new IscepError(
      "usage",
      "ISCEP_URL and ISCEP_SERVER are both set; unset one of them, or give --url or --server",
    );
  }
  return name === undefined ? { address: url ?? defaultUrl } : knownServer(name);
}

/**
 * Connects as the options say, else the environment. `options` come from argv, where others can see them.
 * @throws IscepError as `connect` does, and `usage` or `configuration` for options and files that are wrong
 */
export async function openClient(options: ClientOptions, signal: AbortSignal): Promise<Client> {
  const client = await connectAs(options, signal);
  if (options.quiet !== true) {
    client.on("reconnecting", ({ message }) => void warn(`the connection was lost, and is made again: ${message}`));
    client.on("connected", () => void warn("the connection is there again"));
  }
  return client;
}

async function connectAs(options: ClientOptions, signal: AbortSignal): Promise<Client> {
  const { url, address, token, ca: namedCa } = callerOf(options);
  if (options.quiet !== true) await warnOfSecrets(options, address);
  const timeoutMs = timeoutOf(options);
  const ca = namedCa ?? environment("ISCEP_CA_FILE");
  // Certificates in the environment are for every server with TLS. Those in the arguments are for this one.
  const fromArguments = address.kind !== "tls" || options.clientCert !== undefined || options.clientKey !== undefined;
  const cert = fromArguments ? options.clientCert : environment("ISCEP_CERT_FILE");
  const key = fromArguments ? options.clientKey : environment("ISCEP_KEY_FILE");
  const connectOptions: ConnectOptions = {
    signal,
    ...(options.allowCleartext === undefined ? {} : { allowCleartext: options.allowCleartext }),
    ...(token === undefined ? {} : { token }),
    ...(options.protocol === undefined ? {} : { protocol: options.protocol === "1" ? 1 : 2 }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    limits: {
      // A server may be configured to send more than usual, and nobody can tell the command line to take it.
      maxPacketBytes: limitTable.maxPacketBytes.max,
      ...(timeoutMs === undefined ? {} : { connectTimeoutMs: Math.min(timeoutMs, defaultLimits.connectTimeoutMs) }),
    },
  };
  const { connect } = await import("../../client/client.js");
  const pin = options.pin === undefined ? {} : { pin: options.pin };
  if (address.kind === "nats") {
    return connect(url, { ...connectOptions, ...pin, nats: brokerCredentials({ ca: namedCa, cert, key }) });
  }
  const own = {
    ...(cert === undefined ? {} : { certificate: cert }),
    ...(key === undefined ? {} : { key }),
  };
  if (address.kind !== "tls") {
    return connect(url, { ...connectOptions, ...own, ...pin, ...(namedCa === undefined ? {} : { ca: namedCa }) });
  }
  if (ca !== undefined || options.pin !== undefined || address.pin !== undefined || !isLoopbackHost(address.host)) {
    return connect(url, { ...connectOptions, ...own, ...pin, ...(ca === undefined ? {} : { ca }) });
  }
  return connectToOwnServer(url, { ...connectOptions, ...own });
}

async function warnOfSecrets({ url, token }: ClientOptions, address: Caller["address"]): Promise<void> {
  if (token !== undefined) {
    await warn("the token in --token can be seen by other users of this machine; use ISCEP_TOKEN or --token-file");
  } else if (url !== undefined && (address.kind === "nats" ? address.hasPassword : address.token !== undefined)) {
    const secret = address.kind === "nats" ? "password" : "token";
    await warn(`the ${secret} in --url can be seen by other users of this machine; use ISCEP_URL`);
  }
}

/** On this machine, the client trusts the certificate that `iscep serve` made for the same user. */
async function connectToOwnServer(url: string, options: ConnectOptions): Promise<Client> {
  const [{ connect }, { ownServerPin }] = await Promise.all([
    import("../../client/client.js"),
    import("./own-server-pin.js"),
  ]);
  const own = ownServerPin();
  if (own === undefined) return connect(url, options);
  try {
    return await connect(url, { ...options, pin: own.pin });
  } catch (error) {
    if (error instanceof IscepError && error.code === "not_trusted") {
      throw withHint(
        error,
        `without --pin and --ca, a server on this machine is expected to have the certificate in ${own.certFile}; \`iscep serve\` prints its own address with the pin`,
      );
    }
    throw error;
  }
}

/** An option wins over the environment, and a separate token wins over the one in an address. */
export function tokenOf(options: ClientOptions, addressToken: string | undefined): string | undefined {
  if (options.token !== undefined && options.tokenFile !== undefined) {
    throw new IscepError("usage", "give either --token or --token-file");
  }
  if (options.token !== undefined) return options.token;
  if (options.tokenFile !== undefined) return readTokenFile(options.tokenFile);
  if ((options.url ?? options.server) !== undefined && addressToken !== undefined) return addressToken;
  const token = environment("ISCEP_TOKEN");
  if (token !== undefined) return token;
  const file = environment("ISCEP_TOKEN_FILE");
  return file === undefined ? addressToken : readTokenFile(file);
}

function readTokenFile(path: string): string {
  let text: string;
  try {
    const { mode } = statSync(path);
    // As with the keys of ssh, a file that others can read is refused. Windows has no such modes.
    if (process.platform !== "win32" && (mode & 0o077) !== 0) {
      throw new IscepError(
        "configuration",
        `token file ${path} can be read by others; make it yours alone: chmod 600 ${path}`,
      );
    }
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof IscepError) throw error;
    throw new IscepError("configuration", `token file ${path} cannot be read`, { cause: error });
  }
  const token = text.trim();
  if (token === "" || /\s/.test(token)) {
    throw new IscepError("configuration", `token file ${path} must hold one token and nothing else`);
  }
  return token;
}

/** undefined when nobody gave one. @throws IscepError `usage` */
export function timeoutOf(options: ClientOptions): number | undefined {
  return options.timeout ?? timeoutFromEnvironment();
}

function timeoutFromEnvironment(): number | undefined {
  const text = environment("ISCEP_TIMEOUT");
  if (text === undefined) return undefined;
  try {
    return durationMs(text);
  } catch (error) {
    throw new IscepError("usage", `ISCEP_TIMEOUT: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

/** An empty variable counts as not set. */
function environment(name: string): string | undefined {
  const value = surroundings().env[name];
  return value === "" ? undefined : value;
}

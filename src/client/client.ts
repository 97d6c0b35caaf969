/** The public client: typed calls, whatever version the server speaks. */
import type { CommandDescription, CommandSet } from "../commands/command.js";
import type { CallArguments, NameOf, ResultOf } from "../commands/command-types.js";
import { IscepError } from "../errors.js";
import { tlsFailure, trustOptions } from "../identity/trust.js";
import { resolveLimits } from "../limits.js";
import { parseAddress, type Address } from "../transport/address.js";
import { dial, type Trust } from "../transport/dial.js";
import { checkTimeout } from "./call-timeout.js";
import { negotiate } from "./negotiate.js";
import type { CallOptions, ConnectOptions, RunOptions } from "./options.js";
import type { RunHandle } from "./run-handle.js";
import type { Speaker } from "./speaker.js";
import { Version1Client } from "./version1-client.js";
import { Version1Speaker } from "./version1-speaker.js";
import { Version2Client } from "./version2-client.js";
import { Version2Session } from "./version2-session.js";
import { Version2Speaker } from "./version2-speaker.js";

export interface Client<Commands extends object = CommandSet> {
  /**
   * Calls a command and gives its value; a command that returns nothing gives null. A script gives a ScriptResult.
   * @throws IscepError `invalid_arguments`, `command_not_found`, `unauthorized`, `failed`, `busy`, `timeout`,
   *   `cancelled`, `lost` (it may have run or not), `connect_failed`, `protocol`, `too_large`, `closed`.
   */
  call<Name extends NameOf<Commands>>(
    name: Name,
    ...args: CallArguments<Commands, Name, CallOptions>
  ): Promise<ResultOf<Commands, Name>>;
  /** The commands that this token may run. From an original server the schemas are made of its type names. */
  list(options?: CallOptions): Promise<CommandDescription[]>;
  /** Starts a command and follows it: its output while it runs, its progress, its one outcome. Needs version 2. */
  run<Name extends NameOf<Commands>>(
    name: Name,
    ...args: CallArguments<Commands, Name, RunOptions>
  ): RunHandle<ResultOf<Commands, Name>>;
  /** Follows a run that was started before, by this client or another of the same owner, from an offset of its output. */
  attach(run: string, options?: CallOptions & { readonly offset?: number }): RunHandle;
  /** Asks a run to stop. */
  cancel(run: string, options?: CallOptions): Promise<void>;
  /** This owner's runs that are under way, or ended not long ago. */
  runs(options?: CallOptions): Promise<unknown>;
  /** Which version the server speaks. */
  readonly protocol: 1 | 2;
  /** Sends a value to the server and back. */
  echo<Value>(value: Value, options?: CallOptions): Promise<Value>;
  /** A round trip to the server and back, in milliseconds. */
  ping(options?: CallOptions): Promise<number>;
  /** Calls that wait are rejected with `closed`, one that is under way with `lost`. Safe to call twice. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Connects to a server, at `iscep://HOST:8989?pin=sha256:…` (TLS), `iscep+tcp://…` or `iscep+unix:///PATH`.
 * `connect<typeof commands>(…)` makes the calls typed.
 * @throws IscepError `usage`, `configuration`, `connect_failed`, `not_trusted`, `timeout`, `cancelled`.
 */
export async function connect<Commands extends object = CommandSet>(
  url: string,
  options: ConnectOptions = {},
): Promise<Client<Commands>> {
  const address = parseAddress(url);
  const limits = resolveLimits(options.limits);
  const dialOptions = {
    trust: trustOf(address, options),
    allowCleartext: options.allowCleartext ?? false,
    connectTimeoutMs: limits.connectTimeoutMs,
  };
  const timeoutMs = checkTimeout(options.timeoutMs ?? limits.callTimeoutMs);
  const token = options.token ?? address.token;
  const socket = await dial(address, { ...dialOptions, signal: options.signal });
  const negotiated = options.protocol === 2 ? await negotiate(socket, limits) : { version: 1 as const };
  if (negotiated.version === 1) {
    if (options.protocol === 2) {
      socket.destroy();
      throw new IscepError("protocol", "the server speaks version 1 only, and protocol: 2 was asked for");
    }
    const version1 = new Version1Client({
      limits,
      maxRequestBytes: address.kind === "tls" ? limits.maxVersion1TlsAnswerBytes : limits.maxVersion1PlainAnswerBytes,
      connect: (signal) => dial(address, { ...dialOptions, signal }),
    });
    version1.use(socket);
    return new ConnectedClient<Commands>(new Version1Speaker(version1, token, timeoutMs, limits));
  }
  const client: Version2Client = new Version2Client({
    limits,
    open: async (events) => {
      const next = await dial(address, dialOptions);
      const again = await negotiate(next, limits);
      if (again.version === 2)
        return new Version2Session({ socket: next, negotiated: again, token, limits, ...events });
      next.destroy();
      throw new IscepError("protocol", "the server spoke version 2 before, and now speaks version 1; connect again");
    },
  });
  client.use(new Version2Session({ socket, negotiated, token, limits, ...client.events }));
  return new ConnectedClient<Commands>(
    new Version2Speaker({ client, limits, timeoutMs, timeoutIsGiven: options.timeoutMs !== undefined }),
  );
}

function trustOf(address: Address, options: ConnectOptions): Trust | undefined {
  const { ca, pin } = options;
  if (address.kind === "tls") {
    const { host } = address;
    const expected = pin ?? address.pin;
    const trust = trustOptions({
      host,
      ...(ca === undefined ? {} : { ca }),
      ...(expected === undefined ? {} : { pin: expected }),
    });
    return { ...trust, explain: (error) => tlsFailure(error, host) };
  }
  if (ca !== undefined || pin !== undefined) {
    throw new IscepError(
      "usage",
      "a certificate or pin was given for a cleartext address; use one that begins with iscep://",
    );
  }
  return undefined;
}

class ConnectedClient<Commands extends object> implements Client<Commands> {
  readonly #speaker: Speaker;

  constructor(speaker: Speaker) {
    this.#speaker = speaker;
  }

  get protocol(): 1 | 2 {
    return this.#speaker.version;
  }

  call<Name extends NameOf<Commands>>(
    name: Name,
    ...args: CallArguments<Commands, Name, CallOptions>
  ): Promise<ResultOf<Commands, Name>> {
    const [given, options] = args;
    // What the other side answers has the type that its definition promises; the wire cannot prove it.
    return this.#speaker.call(name, given, options) as Promise<ResultOf<Commands, Name>>;
  }

  run<Name extends NameOf<Commands>>(
    name: Name,
    ...args: CallArguments<Commands, Name, RunOptions>
  ): RunHandle<ResultOf<Commands, Name>> {
    const [given, options] = args;
    return this.#speaker.run(name, given, options) as RunHandle<ResultOf<Commands, Name>>;
  }

  attach(run: string, options: CallOptions & { readonly offset?: number } = {}): RunHandle {
    return this.#speaker.attach(run, options.offset ?? 0, options);
  }

  cancel(run: string, options?: CallOptions): Promise<void> {
    return this.#speaker.cancel(run, options);
  }

  runs(options?: CallOptions): Promise<unknown> {
    return this.#speaker.runs(undefined, options);
  }

  list(options?: CallOptions): Promise<CommandDescription[]> {
    return this.#speaker.list(options);
  }

  echo<Value>(value: Value, options?: CallOptions): Promise<Value> {
    return this.#speaker.echo(value, options) as Promise<Value>;
  }

  async ping(options?: CallOptions): Promise<number> {
    const startedMs = performance.now();
    await this.#speaker.echo("ping", options);
    return performance.now() - startedMs;
  }

  close(): Promise<void> {
    return this.#speaker.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

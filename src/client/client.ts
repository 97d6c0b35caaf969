/** The public client: typed calls, whatever version the server speaks. */
import type { CommandDescription, CommandSet } from "../commands/command.js";
import type { CallArguments, NameOf, ResultOf } from "../commands/command-types.js";
import { descriptionsFromVersion1, readDescriptions } from "../commands/describe.js";
import { IscepError, isIscepError, toIscepError } from "../errors.js";
import { tlsFailure, trustOptions } from "../identity/trust.js";
import { resolveLimits, type Limits } from "../limits.js";
import { encodeRequest } from "../session/version1-client.js";
import { listCommandName } from "../session/version1-list.js";
import { parseAddress, type Address } from "../transport/address.js";
import { dial, type Trust } from "../transport/dial.js";
import { isJsonObject } from "../wire/json.js";
import { PacketType } from "../wire/packet.js";
import type { CallOptions, ConnectOptions } from "./options.js";
import { Version1Client, type RequestOptions } from "./version1-client.js";

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
  const version1 = new Version1Client({
    limits,
    maxRequestBytes: address.kind === "tls" ? limits.maxVersion1TlsAnswerBytes : limits.maxVersion1PlainAnswerBytes,
    connect: (signal) => dial(address, { ...dialOptions, signal }),
  });
  version1.use(await dial(address, { ...dialOptions, signal: options.signal }));
  return new ConnectedClient<Commands>(version1, address, options, limits);
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
  readonly #version1: Version1Client;
  readonly #token: string | undefined;
  readonly #timeoutMs: number;
  readonly #limits: Limits;

  constructor(version1: Version1Client, address: Address, options: ConnectOptions, limits: Limits) {
    this.#version1 = version1;
    this.#token = options.token ?? address.token;
    this.#timeoutMs = checkTimeout(options.timeoutMs ?? limits.callTimeoutMs);
    this.#limits = limits;
  }

  call<Name extends NameOf<Commands>>(
    name: Name,
    ...args: CallArguments<Commands, Name, CallOptions>
  ): Promise<ResultOf<Commands, Name>> {
    const [given, options] = args;
    // What the other side answers has the type that its definition promises; the wire cannot prove it.
    return this.#send(name, given, options) as Promise<ResultOf<Commands, Name>>;
  }

  async list(options?: CallOptions): Promise<CommandDescription[]> {
    const descriptions: CommandDescription[] = [];
    let after: string | undefined;
    do {
      let page: unknown;
      try {
        page = await this.#send(listCommandName, after === undefined ? {} : { after }, options);
      } catch (error) {
        // An original server knows no such command, and has another way to ask.
        if (!isIscepError(error) || error.code !== "command_not_found") throw error;
        return descriptionsFromVersion1(
          await this.#version1.request(PacketType.DISCOVER, this.#content({}, options), this.#requestOptions(options)),
        );
      }
      if (!isJsonObject(page)) throw new IscepError("protocol", "the server's list of commands is not an object");
      descriptions.push(...readDescriptions(page["commands"]));
      const next = page["next"];
      if (next !== undefined && Array.isArray(page["commands"]) && page["commands"].length === 0) {
        throw new IscepError("protocol", "the server's list of commands has an empty page, and does not end");
      }
      // A page that does not move on would be asked for again and again.
      if (next !== undefined && (typeof next !== "string" || (after !== undefined && next <= after))) {
        throw new IscepError("protocol", "the server's list of commands does not end");
      }
      after = next;
    } while (after !== undefined && descriptions.length <= this.#limits.maxJsonKeys);
    return descriptions;
  }

  async echo<Value>(value: Value, options?: CallOptions): Promise<Value> {
    const content = this.#content({ response: { echo: value } }, options);
    const response = await this.#version1.request(PacketType.ECHO, content, this.#requestOptions(options));
    if (!isJsonObject(response)) throw new IscepError("protocol", "the server did not send back what it was sent");
    return response["echo"] as Value;
  }

  async ping(options?: CallOptions): Promise<number> {
    const startedMs = performance.now();
    await this.echo("ping", options);
    return performance.now() - startedMs;
  }

  close(): Promise<void> {
    const content = this.#token === undefined ? {} : { auth_token: this.#token };
    return this.#version1.close(
      encodeRequest(PacketType.CLOSE_CONNECTION, content, this.#limits, this.#limits.maxPacketBytes),
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #send(command: string, args: unknown, options: CallOptions | undefined): Promise<unknown> {
    let requestOptions: RequestOptions;
    try {
      requestOptions = this.#requestOptions(options);
    } catch (error) {
      // A call rejects, and never throws: who only listens to the promise would miss it.
      return Promise.reject(toIscepError(error));
    }
    return this.#version1.request(PacketType.SEND_CMD, this.#content({ command, args }, options), requestOptions);
  }

  #content<Content extends object>(
    content: Content,
    options: CallOptions | undefined,
  ): Content & { auth_token?: string } {
    const token = options?.token === undefined ? this.#token : (options.token ?? undefined);
    return token === undefined ? content : { auth_token: token, ...content };
  }

  #requestOptions(options: CallOptions | undefined): RequestOptions {
    return {
      timeoutMs: options?.timeoutMs === undefined ? this.#timeoutMs : checkTimeout(options.timeoutMs),
      signal: options?.signal,
    };
  }
}

function checkTimeout(timeoutMs: number): number {
  if (!(timeoutMs > 0 && timeoutMs <= 2 ** 31 - 1)) {
    throw new IscepError("usage", `timeoutMs must be from 1 to ${2 ** 31 - 1} milliseconds, not ${String(timeoutMs)}`);
  }
  return timeoutMs;
}

/**
 * The server's side of a version 2 session: it takes bytes, gives events, and makes text of messages. It knows no
 * rights, runs, sockets or timers.
 */
import { errorTable, IscepError, toIscepError } from "../errors.js";
import { encodeJson, parseJson, type JsonLimits } from "../wire/json.js";
import { packetHashes, sha256, type PacketHash, type PacketHashName } from "../wire/packet-hash.js";
import { PacketReader, PacketType, type PacketView } from "../wire/packet.js";
import { checkHash, decodeData } from "../wire/version2.js";
import type { BindingName } from "./version2-choices.js";
import {
  decodeClientHello,
  encodeServerHello,
  type ClientHello,
  type ServerHello,
  type SessionLimits,
} from "./version2-hello.js";
import { readClientMessage, type ClientMessage } from "./version2-messages.js";

export interface Version2ServerLimits extends JsonLimits, SessionLimits {
  readonly maxUnauthenticatedPacketBytes: number;
}

export type Version2ServerEvent =
  | { readonly kind: "hello"; readonly content: Buffer; readonly hello: ClientHello }
  | { readonly kind: "message"; readonly message: ClientMessage }
  /** Bytes for the standard input of a call. No bytes mean its end. */
  | { readonly kind: "stdin"; readonly stream: number; readonly offset: number; readonly bytes: Buffer }
  /** The peer broke the rules. The session must end with this reason. */
  | { readonly kind: "violation"; readonly error: IscepError };

/** The name of the notification that ends the output of an answered call. */
export const outputGone = "output_gone";

/** Between packets, all sessions share this. */
export const noMessages: readonly unknown[] = [];

export class Version2ServerSession {
  readonly #limits: Version2ServerLimits;
  readonly #reader: PacketReader;
  #helloDone = false;
  #knowsOutputGone = false;
  /** What the first packet says, if somebody has read it already. */
  #knownHello: ClientHello | undefined;
  /** The hash of all packets behind both HELLO. */
  #hash = sha256;
  #messages: readonly unknown[] = noMessages;
  #next = 0;

  constructor(limits: Version2ServerLimits, knownHello?: ClientHello) {
    this.#limits = limits;
    this.#knownHello = knownHello;
    this.#reader = new PacketReader(limits.maxUnauthenticatedPacketBytes);
  }

  /** From here on the peer may send packets up to `maxPacketBytes`. */
  authenticated(): void {
    this.#reader.maxPacketBytes = this.#limits.maxPacketBytes;
  }

  /** undefined for a client that does not know this notification. */
  outputGoneText(call: number, error: IscepError): string | undefined {
    return this.#knowsOutputGone ? outputGoneText(call, error) : undefined;
  }

  /** The message that was handed out last stood alone in its packet, or was the last one there. */
  get isBetweenPackets(): boolean {
    return this.#messages === noMessages;
  }

  /** From here on the packets of the client must have this hash. */
  keyed(mac: PacketHash): void {
    this.#hash = mac;
  }

  get pendingBytes(): number {
    return this.#reader.pendingBytes;
  }

  /** True when something received may be left: messages of the last packet, or bytes of the next. */
  get hasMore(): boolean {
    return this.#next < this.#messages.length || this.#reader.pendingBytes > 0;
  }

  receive(chunk: Buffer): void {
    this.#reader.receive(chunk);
  }

  next(): Version2ServerEvent | undefined {
    try {
      while (this.#next === this.#messages.length) {
        const packet = this.#reader.next();
        if (packet === undefined) return undefined;
        if (packet === null) throw new IscepError("protocol", "a packet of size 0 has no meaning in version 2");
        if (!this.#helloDone) return this.#hello(packet);
        checkHash(packet, this.#hash);
        if (packet.type === PacketType.DATA) return stdin(packet);
        if (packet.type !== PacketType.MESSAGES) {
          throw new IscepError("protocol", `packet type ${packet.type} has no place in a session of version 2`);
        }
        this.#messages = messagesOf(packet, this.#limits);
        this.#next = 0;
      }
      const message: unknown = this.#messages[this.#next++];
      if (this.#next === this.#messages.length) {
        // An idle session keeps no bytes of earlier packets.
        this.#messages = noMessages;
        this.#next = 0;
      }
      return { kind: "message", message: readClientMessage(message) };
    } catch (error) {
      return { kind: "violation", error: toIscepError(error, "protocol") };
    }
  }

  #hello(packet: PacketView): Version2ServerEvent {
    if (packet.type !== PacketType.HELLO) throw new IscepError("protocol", "a session begins with HELLO");
    const hello = this.#knownHello ?? decodeClientHello(packet, this.#limits);
    // The HELLO is not kept: the peer chooses how long it is, and a session may be idle for long.
    this.#knownHello = undefined;
    if (!hello.versions.includes(2))
      throw new IscepError("protocol", "this server speaks version 2, and HELLO does not offer it");
    this.#helloDone = true;
    this.#knowsOutputGone = hello.notifications?.includes(outputGone) === true;
    return { kind: "hello", content: Buffer.from(packet.bytes.subarray(packet.start, packet.end)), hello };
  }

  /** From here on the packets of the client must have the hash that was chosen. */
  helloAnswer(
    nonce: string,
    agent: string,
    authentication: "token" | "none",
    { hash, binding }: { readonly hash?: PacketHashName | undefined; readonly binding?: BindingName | undefined } = {},
  ): Buffer {
    this.#hash = packetHashes[hash ?? "sha256"];
    const { maxPacketBytes, maxDataBytes, maxCallsInFlight, streamWindowBytes, connectionWindowBytes } = this.#limits;
    const { maxEarlyCancels, minPingIntervalMs } = this.#limits;
    const hello: ServerHello = {
      version: 2,
      nonce,
      agent,
      authentication,
      hash,
      binding,
      limits: {
        maxPacketBytes,
        maxDataBytes,
        maxCallsInFlight,
        streamWindowBytes,
        connectionWindowBytes,
        maxEarlyCancels,
        minPingIntervalMs,
      },
    };
    return encodeServerHello(hello);
  }
}

export function messagesOf(packet: PacketView, limits: JsonLimits): readonly unknown[] {
  const content = packet.bytes.subarray(packet.start, packet.end);
  const messages = parseJson(content, {
    // The depth does not count the array around the messages, and each message's own object and params.
    maxJsonDepth: limits.maxJsonDepth + 3,
    // A packet holds many messages. Each has a few keys of its own, and at least 8 bytes for each of them.
    maxJsonKeys: limits.maxJsonKeys + Math.ceil(content.length / 8),
    maxJsonItems: limits.maxJsonItems,
  });
  if (!Array.isArray(messages) || messages.length === 0) {
    throw new IscepError("protocol", "the content of MESSAGES is not an array of messages");
  }
  return messages;
}

function stdin(packet: PacketView): Version2ServerEvent {
  const { stream, channel, offset, bytes } = decodeData(packet);
  if (channel !== "stdin") throw new IscepError("protocol", "a client can only send data for standard input");
  return { kind: "stdin", stream, offset, bytes };
}

/** The answer to a request. @throws IscepError when JSON cannot hold the value. */
export function resultText(id: number, result: unknown, limits: JsonLimits): string {
  return `{"jsonrpc":"2.0","id":${id},"result":${encodeJson(result, limits) ?? "null"}}`;
}

/**
 * `data.code` is the stable word of the table, and several codes have no number of their own in JSON-RPC.
 * @param valueJson becomes `value` in the data
 */
export function errorText(
  id: number,
  { code, message }: IscepError,
  data: Readonly<Record<string, unknown>> = {},
  valueJson?: string,
): string {
  const value = valueJson === undefined ? "" : `,"value":${valueJson}`;
  const dataText = `${JSON.stringify({ code, ...data }).slice(0, -1)}${value}}`;
  const number = errorTable[code].jsonRpc;
  return `{"jsonrpc":"2.0","id":${id},"error":{"code":${number},"message":${JSON.stringify(message)},"data":${dataText}}}`;
}

export function notificationText(method: string, params: Readonly<Record<string, unknown>>): string {
  return `{"jsonrpc":"2.0","method":"${method}","params":${JSON.stringify(params)}}`;
}

/** @param call its answer was sent, so the error cannot be its answer */
export function outputGoneText(call: number, { message, details }: IscepError): string {
  return notificationText(outputGone, { call, message, ...details });
}

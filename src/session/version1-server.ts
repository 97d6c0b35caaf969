/**
 * The server's side of a version 1 conversation. It has three verbs: `receive` takes bytes, `next` gives the next
 * event, and `…Answer` makes bytes of an answer. It does not know who may do what, or how commands run.
 */
import { IscepError, isIscepError, type ErrorCode } from "../errors.js";
import { encodeContent, encodePacket, decodeContent, type Version1Content } from "../wire/version1.js";
import type { JsonLimits } from "../wire/json.js";
import { hashBytes, headerBytes, PacketReader, PacketType, type PacketView } from "../wire/packet.js";
import { decodeClientHello, type ClientHello } from "./version2-hello.js";

export interface Version1ServerLimits extends JsonLimits {
  readonly maxUnauthenticatedPacketBytes: number;
  readonly maxPacketBytes: number;
}

export type Version1Event =
  | {
      readonly kind: "packet";
      /** The type of version 1, 0 to 6. */
      readonly type: number;
      readonly token: string | undefined;
      readonly content: Version1Content;
    }
  /** The packet is unusable. With `fatal`, the stream has lost step, and nothing more can be read from it. */
  | { readonly kind: "malformed"; readonly error: IscepError; readonly fatal: boolean }
  /** The first packet offers version 2. `bytes` are all that has come. */
  | { readonly kind: "hello"; readonly hello: ClientHello; readonly bytes: Buffer }
  /** A request of HTTP begins. */
  | { readonly kind: "http"; readonly bytes: Buffer }
  /** A Size of 0: the peer said that it is gone. */
  | { readonly kind: "gone" };

export class Version1ServerSession {
  readonly #reader: PacketReader;
  readonly #limits: Version1ServerLimits;
  readonly #maxAnswerBytes: number;
  #isFirst = true;
  /** The first byte of all, if it may be one of HTTP. */
  #firstByte: number | undefined;
  readonly #mayBeHttp: boolean;

  /**
   * @param maxAnswerBytes the largest whole packet that the peer can read (16,384 over TLS for the original)
   * @param mayBeHttp true when a peer may speak HTTP instead
   */
  constructor(limits: Version1ServerLimits, maxAnswerBytes: number, mayBeHttp = false) {
    this.#limits = limits;
    this.#mayBeHttp = mayBeHttp;
    this.#maxAnswerBytes = maxAnswerBytes;
    this.#reader = new PacketReader(limits.maxUnauthenticatedPacketBytes);
  }

  /** From here on the peer may send packets up to `maxPacketBytes`. */
  authenticated(): void {
    this.#reader.maxPacketBytes = this.#limits.maxPacketBytes;
  }

  get pendingBytes(): number {
    return this.#reader.pendingBytes;
  }

  receive(chunk: Buffer): void {
    if (this.#mayBeHttp) this.#firstByte ??= chunk[0];
    this.#reader.receive(chunk);
  }

  next(): Version1Event | undefined {
    if (this.#isFirst && this.#firstByte !== undefined && isCapitalLetter(this.#firstByte)) {
      return { kind: "http", bytes: this.#reader.takeBytes() };
    }
    let packet;
    try {
      packet = this.#reader.next();
    } catch (error) {
      return { kind: "malformed", error: asProtocolError(error), fatal: true };
    }
    if (packet === undefined) return undefined;
    if (packet === null) return { kind: "gone" };
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    const hello = isFirst && packet.type === PacketType.HELLO ? offerOf(packet, this.#limits) : undefined;
    if (hello !== undefined) {
      const whole = packet.bytes.subarray(packet.start - headerBytes, packet.end + hashBytes);
      return { kind: "hello", hello, bytes: Buffer.concat([whole, this.#reader.takeBytes()]) };
    }
    if (packet.type > PacketType.ERROR) {
      // The original answers this even without a token. Version 2 begins with such a packet, and learns from the
      // answer.
      const error = new IscepError("protocol", `unknown packet type ${packet.type}`);
      return { kind: "malformed", error, fatal: false };
    }
    try {
      const content = decodeContent(packet, this.#limits);
      return { kind: "packet", type: packet.type, token: content.auth_token, content };
    } catch (error) {
      return { kind: "malformed", error: asProtocolError(error), fatal: false };
    }
  }

  /** Returns the content without the token. The original returns the token as well, but an answer needs no secret. */
  echoAnswer(content: Version1Content): Buffer {
    const { auth_token: _token, ...rest } = content;
    return this.#bounded(PacketType.ECHO, rest);
  }

  discoverAnswer(commands: unknown): Buffer {
    return this.#bounded(PacketType.DISCOVER, { response: commands });
  }

  /** For null and undefined, the answer has no `response`. @throws IscepError when JSON cannot hold the value */
  responseAnswer(value: unknown): Buffer {
    return this.#bounded(PacketType.CMD_RESPONSE, { response: value });
  }

  /** The same for a value as JSON, which must have at most `maxValueBytes`. */
  valueAnswer(json: string | undefined): Buffer {
    const isNothing = json === undefined || json === "null";
    return encodePacket(PacketType.CMD_RESPONSE, isNothing ? "{}" : `{"response":${json}}`);
  }

  get maxValueBytes(): number {
    return this.#maxAnswerBytes - aroundValueBytes;
  }

  tooLarge(valueBytes: number): IscepError {
    return new IscepError("too_large", tooLargeText(valueBytes + aroundValueBytes, this.#maxAnswerBytes));
  }

  /** Cuts a text that the peer could not read in one packet. */
  errorAnswer(code: ErrorCode, message: string): Buffer {
    const packet = errorAnswer(code, message);
    if (packet.length <= this.#maxAnswerBytes) return packet;
    // A character takes at most 6 bytes, as an escape. The rest of the room is for the packet around the text.
    return errorAnswer(code, `${message.slice(0, Math.floor(this.#maxAnswerBytes / 8))} … (cut)`);
  }

  #bounded(type: number, content: Version1Content): Buffer {
    const packet = encodePacket(type, encodeContent(content, this.#limits));
    if (packet.length <= this.#maxAnswerBytes) return packet;
    return errorAnswer("too_large", tooLargeText(packet.length, this.#maxAnswerBytes));
  }
}

const aroundValueBytes = encodePacket(PacketType.CMD_RESPONSE, '{"response":}').length;

function tooLargeText(bytes: number, most: number): string {
  return `response too large for version 1 (${bytes} bytes, and at most ${most} can be read on this connection)`;
}

/** The code stands in front of the text, for our own clients; version 1 has no field for it. */
export function errorAnswer(code: ErrorCode, message: string): Buffer {
  // This text is the original's, word for word, because its users compare it.
  const text = code === "command_not_found" ? "command not found" : `${code}: ${message}`;
  return encodePacket(PacketType.ERROR, `{"error":${JSON.stringify(text)}}`);
}

const plainUnauthorized = encodePacket(PacketType.UNAUTHORIZED, "{}");

/** @param reason for people, where it is not the token that was refused */
export function unauthorizedAnswer(reason?: string): Buffer {
  if (reason === undefined) return plainUnauthorized;
  return encodePacket(PacketType.UNAUTHORIZED, JSON.stringify({ error: `unauthorized: ${reason}` }));
}

/** Any other HELLO is an unknown packet, and the conversation goes on in version 1. */
function offerOf(packet: PacketView, limits: JsonLimits): ClientHello | undefined {
  try {
    const hello = decodeClientHello(packet, limits);
    return hello.versions.includes(2) ? hello : undefined;
  } catch {
    return undefined;
  }
}

function asProtocolError(error: unknown): IscepError {
  if (isIscepError(error)) return error;
  return new IscepError("internal", "the packet could not be read", { cause: error });
}

/** A request of HTTP begins with its method. A packet begins with the highest byte of its Size, which is at most 4. */
function isCapitalLetter(byte: number): boolean {
  return byte >= 0x41 && byte <= 0x5a;
}

/** The client's side of a version 1 conversation. Only one request is out at a time, and the next packet answers it. */
import { IscepError, isErrorCode } from "../errors.js";
import { decodeContent, encodeContent, encodePacket, type Version1Content } from "../wire/version1.js";
import type { JsonLimits } from "../wire/json.js";
import { PacketReader, PacketType } from "../wire/packet.js";

export interface Version1ClientLimits extends JsonLimits {
  readonly maxPacketBytes: number;
}

export type Version1RequestType =
  typeof PacketType.ECHO | typeof PacketType.DISCOVER | typeof PacketType.SEND_CMD | typeof PacketType.CLOSE_CONNECTION;

export type Version1Answer =
  /** A missing `response` is null. */
  { readonly kind: "response"; readonly value: unknown } | { readonly kind: "error"; readonly error: IscepError };

export class Version1ClientSession {
  readonly #reader: PacketReader;
  readonly #contentLimits: JsonLimits;
  #expected: number | undefined;

  constructor(limits: Version1ClientLimits) {
    // The content of an answer is an object with one key around the value, which may use all that is allowed.
    const { maxJsonDepth, maxJsonKeys } = limits;
    this.#contentLimits = { ...limits, maxJsonDepth: maxJsonDepth + 1, maxJsonKeys: maxJsonKeys + 1 };
    this.#reader = new PacketReader(limits.maxPacketBytes);
  }

  /** Call this once for each packet from `encodeRequest`, when the packet is written. */
  sent(type: Version1RequestType): void {
    this.#expected = type === PacketType.SEND_CMD ? PacketType.CMD_RESPONSE : type;
  }

  /** How many received bytes belong to no answer that was handed out. */
  get pendingBytes(): number {
    return this.#reader.pendingBytes;
  }

  receive(chunk: Buffer): void {
    this.#reader.receive(chunk);
  }

  /**
   * The answer to the request that is out, or undefined when more bytes are needed.
   * @throws IscepError `protocol` or `too_large` when the bytes cannot be an answer; the connection cannot be used any
   *   more
   */
  next(): Version1Answer | undefined {
    const packet = this.#reader.next();
    if (packet === undefined) return undefined;
    if (packet === null) throw new IscepError("protocol", "the server said that it is gone (a packet of size 0)");
    const content = decodeAnswer(() => decodeContent(packet, this.#contentLimits));
    if (packet.type === PacketType.UNAUTHORIZED) {
      const error = content.error === undefined ? new IscepError("unauthorized") : readError(content);
      return { kind: "error", error };
    }
    if (packet.type === PacketType.ERROR) return { kind: "error", error: readError(content) };
    if (packet.type !== this.#expected) {
      throw new IscepError(
        "protocol",
        `the server answered with packet type ${packet.type}, which is no answer to this request`,
      );
    }
    this.#expected = undefined;
    return { kind: "response", value: content.response ?? null };
  }
}

/** @throws IscepError `invalid_arguments` when JSON cannot hold a value, `too_large` over `maxRequestBytes`. */
export function encodeRequest(
  type: Version1RequestType,
  content: Version1Content,
  limits: JsonLimits,
  maxRequestBytes: number,
): Buffer {
  const packet = encodePacket(type, encodeContent(content, limits));
  if (packet.length > maxRequestBytes) {
    throw new IscepError(
      "too_large",
      `the request has ${packet.length} bytes, and a packet of version 1 can have at most ${maxRequestBytes} here`,
      { details: { limit: maxRequestBytes, size: packet.length } },
    );
  }
  return packet;
}

function decodeAnswer(decode: () => Version1Content): Version1Content {
  try {
    return decode();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new IscepError("protocol", `the server's answer cannot be used: ${reason}`, { cause: error });
  }
}

/** Our servers send `code: sentence`. The original sends "command not found", or nothing at all. */
export function readError(content: Version1Content): IscepError {
  const text = typeof content.error === "string" ? content.error : "";
  if (text === "command not found") return new IscepError("command_not_found");
  const separator = text.indexOf(": ");
  const code = text.slice(0, separator === -1 ? 0 : separator);
  if (isErrorCode(code)) return new IscepError(code, text.slice(separator + 2));
  if (text === "") {
    return new IscepError("failed", "the server answered with an error and gave no reason; its logs may have one");
  }
  return new IscepError("failed", text);
}

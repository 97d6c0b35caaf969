/**
 * The messages that one side of a version 2 session will send. Messages that are ready in the same turn of the event
 * loop leave in one packet. So many calls share one hash, one parse and one system call.
 */
import { sha256, type PacketHash } from "../wire/packet-hash.js";
import { PacketType } from "../wire/packet.js";
import { encodeTextPacket } from "../wire/version2.js";

/** Later packets of one turn grow up to this. Larger ones save nothing more. */
const largestFlushBytes = 16 * 1024;

export class Outbox {
  readonly #firstBytes: number;
  readonly #mostBytes: number;
  /** From this size on, the next packet is sent before the turn ends. */
  #flushBytes: number;
  /** What both sides agreed on by HELLO. */
  hash: PacketHash;
  #text = "";

  /**
   * @param flushBytes from this size on, messages are sent before the turn ends, so that the peer can begin to work. What
   *   follows in the same turn may be twice as much each time, because the peer has work by then, and a write costs as
   *   much as four calls.
   * @param maxPacketBytes what the peer accepts. A packet that grew stays far below.
   */
  constructor(
    { flushBytes, maxPacketBytes }: { readonly flushBytes: number; readonly maxPacketBytes: number },
    hash: PacketHash = sha256,
  ) {
    this.#firstBytes = flushBytes;
    this.#mostBytes = Math.max(flushBytes, Math.min(largestFlushBytes, maxPacketBytes / 8));
    this.#flushBytes = flushBytes;
    this.hash = hash;
  }

  get isEmpty(): boolean {
    return this.#text === "";
  }

  /**
   * False when a large message must leave apart from what waits: together they could be more than the peer takes. What
   * waits beside each other stays below three quarters of `maxPacketBytes`, also when each character takes three bytes,
   * where `flushBytes` is at most an eighth of it.
   */
  fits(message: string): boolean {
    return this.#text === "" || message.length <= this.#mostBytes;
  }

  /** Adds one message, as JSON text. True when it is time for `takePacket`. */
  add(message: string): boolean {
    this.#text = this.#text === "" ? message : `${this.#text},${message}`;
    return this.#text.length >= this.#flushBytes;
  }

  takePacket(): Buffer | undefined {
    // A packet that is not full is the last one of its turn.
    const isLast = this.#text.length < this.#flushBytes;
    this.#flushBytes = isLast ? this.#firstBytes : Math.min(2 * this.#flushBytes, this.#mostBytes);
    if (this.#text === "") return undefined;
    const packet = encodeTextPacket(PacketType.MESSAGES, `[${this.#text}]`, this.hash);
    this.#text = "";
    return packet;
  }
}

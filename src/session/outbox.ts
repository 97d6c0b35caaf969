/**
 * The messages that one side of a version 2 session will send. Messages that are ready in the same turn of the event
 * loop leave in one packet. So many calls share one hash, one parse and one system call.
 */
import { sha256, type PacketHash } from "../wire/packet-hash.js";
import { PacketType } from "../wire/packet.js";
import { encodeTextPacket } from "../wire/version2.js";

export class Outbox {
  readonly #flushBytes: number;
  /** What both sides agreed on by HELLO. */
  hash: PacketHash;
  #text = "";

  /** @param flushBytes from this size on, messages are sent before the turn ends, so that the peer can begin to work */
  constructor(flushBytes: number, hash: PacketHash = sha256) {
    this.#flushBytes = flushBytes;
    this.hash = hash;
  }

  get isEmpty(): boolean {
    return this.#text === "";
  }

  /** Adds one message, as JSON text. True when it is time for `takePacket`. */
  add(message: string): boolean {
    this.#text = this.#text === "" ? message : `${this.#text},${message}`;
    return this.#text.length >= this.#flushBytes;
  }

  takePacket(): Buffer | undefined {
    if (this.#text === "") return undefined;
    const packet = encodeTextPacket(PacketType.MESSAGES, `[${this.#text}]`, this.hash);
    this.#text = "";
    return packet;
  }
}

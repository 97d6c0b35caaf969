/**
 * The messages that one side of a version 2 session will send. Messages that are ready in the same turn of the event
 * loop leave in one packet. So many calls share one hash, one parse and one system call.
 */
import { PacketType } from "../wire/packet.js";
import { encodeTextPacket } from "../wire/version2.js";

export class Outbox {
  readonly #flushBytes: number;
  #text = "";

  /** @param flushBytes from this size on, messages are sent before the turn ends, so that the peer can begin to work */
  constructor(flushBytes: number) {
    this.#flushBytes = flushBytes;
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
    const packet = encodeTextPacket(PacketType.MESSAGES, `[${this.#text}]`);
    this.#text = "";
    return packet;
  }
}

/**
 * What one side of a version 2 session has to say. Messages that are ready in the same turn of the event loop leave in
 * one packet, so that hash, parse and system call are paid once for many calls.
 */
import { PacketType } from "../wire/packet.js";
import { encodeTextPacket } from "../wire/version2.js";

export class Outbox {
  readonly #flushBytes: number;
  #text = "";

  /** `flushBytes`: so much is worth a packet of its own before the turn ends; the peer can work on it meanwhile. */
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

import type { Limits } from "../limits/limits.js";

/** Bounds how much is read from a peer before it shows a good token, and from a peer that is no longer listened to. */
export class ReadAllowance {
  readonly #limits: Pick<Limits, "maxUnauthenticatedBytes" | "maxPacketBytes">;
  #strangerBytes = 0;
  #droppedBytes = 0;

  constructor(limits: Pick<Limits, "maxUnauthenticatedBytes" | "maxPacketBytes">) {
    this.#limits = limits;
  }

  /** Bytes that came before a good token. */
  countStranger(bytes: number): void {
    this.#strangerBytes += bytes;
  }

  /** True when more came before a good token than any peer needs to show one. */
  get isSpent(): boolean {
    return this.#strangerBytes > this.#limits.maxUnauthenticatedBytes;
  }

  /**
   * Bytes that came while the connection was closing. They are read and dropped, because a socket that is closed with
   * unread bytes is reset, and the peer would lose our last packet. Returns false when there are more bytes than the
   * packet that was under way can have.
   */
  mayDrop(bytes: number): boolean {
    this.#droppedBytes += bytes;
    return this.#droppedBytes <= this.#limits.maxPacketBytes;
  }
}

import type { Limits } from "../limits/limits.js";

/** How much is read from a peer that nothing is known of, and from one that is no longer listened to. */
export class ReadAllowance {
  readonly #limits: Pick<Limits, "maxUnauthenticatedBytes" | "maxPacketBytes">;
  #strangerBytes = 0;
  #droppedBytes = 0;

  constructor(limits: Pick<Limits, "maxUnauthenticatedBytes" | "maxPacketBytes">) {
    this.#limits = limits;
  }

  /** Came before a good token. */
  countStranger(bytes: number): void {
    this.#strangerBytes += bytes;
  }

  /** More came before a good token than anybody needs to show one. */
  get isSpent(): boolean {
    return this.#strangerBytes > this.#limits.maxUnauthenticatedBytes;
  }

  /**
   * Came when the connection was closing. It is read and dropped, as a socket that is closed with bytes unread is reset,
   * and the peer would lose our last packet. False once it is more than the packet that was under way can be.
   */
  mayDrop(bytes: number): boolean {
    this.#droppedBytes += bytes;
    return this.#droppedBytes <= this.#limits.maxPacketBytes;
  }
}

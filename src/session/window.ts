/** Flow control by credit, for a stream and for a whole connection (PROTOCOL.md, "Flow control"). */
import { IscepError } from "../errors.js";

/** The sender's side: how many bytes may still be sent. */
export class SendWindow {
  #credit: number;
  readonly #max: number;

  /** @param creditBytes the first credit, if it is less than the window */
  constructor(sizeBytes: number, creditBytes: number = sizeBytes) {
    this.#credit = creditBytes;
    // A peer that grants more than this has lost count, or wants us to forget the limits.
    this.#max = sizeBytes;
  }

  get available(): number {
    return this.#credit;
  }

  spend(bytes: number): void {
    this.#credit -= bytes;
  }

  /** @throws IscepError `protocol` when the peer grants more than was ever spent. */
  grant(bytes: number): void {
    if (!Number.isSafeInteger(bytes) || bytes <= 0 || this.#credit + bytes > this.#max) {
      throw new IscepError("protocol", "a window was granted beyond its size");
    }
    this.#credit += bytes;
  }
}

/** The receiver's side: how many bytes the peer may still send, and when to grant more. */
export class ReceiveWindow {
  readonly #size: number;
  #expected: number;
  #consumed = 0;

  /** @param usedBytes how much of the window is already in our buffers */
  constructor(sizeBytes: number, usedBytes: number = 0) {
    this.#size = sizeBytes;
    this.#expected = Math.max(0, sizeBytes - usedBytes);
  }

  /** The bytes that were granted and have not come yet. */
  get expectedBytes(): number {
    return this.#expected;
  }

  /** @throws IscepError `protocol` when the peer sent more than it was granted. */
  receive(bytes: number): void {
    this.#expected -= bytes;
    if (this.#expected < 0) throw new IscepError("protocol", "more data came than the window allows");
  }

  /**
   * Counts bytes that have left our buffers. Returns how much to grant now, or 0, because not each piece is worth a
   * message. With grants of an eighth the sender works while we do. With halves, both sides wait for each other half of
   * the time.
   */
  consume(bytes: number): number {
    this.#consumed += bytes;
    if (this.#consumed < this.#size / 8) return 0;
    const grant = this.#consumed;
    this.#consumed = 0;
    this.#expected += grant;
    return grant;
  }
}

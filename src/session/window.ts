/** Flow control by credit, for a stream and for a whole connection (PROTOCOL.md, "Flow control"). */
import { IscepError } from "../errors.js";

/** The sender's side: how many bytes may still be sent. */
export class SendWindow {
  #credit: number;
  readonly #max: number;

  /** `creditBytes`: where not all of it may be used yet. */
  constructor(sizeBytes: number, creditBytes: number = sizeBytes) {
    this.#credit = creditBytes;
    // A peer that grants more than this has lost count, or tries to make us forget the limits.
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

  /** `usedBytes`: of it, what is in our buffers already. */
  constructor(sizeBytes: number, usedBytes: number = 0) {
    this.#size = sizeBytes;
    this.#expected = Math.max(0, sizeBytes - usedBytes);
  }

  /** What was granted and has not come yet. */
  get expectedBytes(): number {
    return this.#expected;
  }

  /** @throws IscepError `protocol` when the peer sent more than it was granted. */
  receive(bytes: number): void {
    this.#expected -= bytes;
    if (this.#expected < 0) throw new IscepError("protocol", "more data came than the window allows");
  }

  /**
   * What was taken out of our buffers. Returns how much to grant now, or 0: not each piece is worth a message. Grants of
   * an eighth let the sender work on while we do: with halves both sides wait for each other half of the time.
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

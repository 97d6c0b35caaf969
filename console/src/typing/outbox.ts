/**
 * What was typed here and is not known to have arrived. Each piece has an offset, the count of all bytes before it that
 * were typed here, so that the server can leave out what it has already.
 */

export interface OutgoingPiece {
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** Nothing comes behind it. */
  readonly isLast: boolean;
}

export class Outbox {
  #bytes: Uint8Array = new Uint8Array(0);
  /** So many bytes has the server. */
  #offset = 0;
  #hasEnd = false;

  get waitingBytes(): number {
    return this.#bytes.length;
  }

  add(bytes: Uint8Array): void {
    const joined = new Uint8Array(this.#bytes.length + bytes.length);
    joined.set(this.#bytes);
    joined.set(bytes, this.#bytes.length);
    this.#bytes = joined;
  }

  addEnd(): void {
    this.#hasEnd = true;
  }

  clear(): void {
    this.#bytes = new Uint8Array(0);
    this.#hasEnd = false;
  }

  /** undefined: nothing waits. */
  next(maxBytes: number): OutgoingPiece | undefined {
    const bytes = this.#bytes.subarray(0, maxBytes);
    const isLast = this.#hasEnd && bytes.length === this.#bytes.length;
    return bytes.length === 0 && !isLast ? undefined : { offset: this.#offset, bytes, isLast };
  }

  /** The server has all bytes before this offset. */
  accepted(offset: number, piece: OutgoingPiece): void {
    const taken = Math.max(0, Math.min(offset - this.#offset, piece.bytes.length));
    this.#bytes = this.#bytes.slice(taken);
    this.#offset = offset;
    if (piece.isLast && this.#bytes.length === 0) this.#hasEnd = false;
  }

  /** The server counts from another place: it has forgotten who types here. What waits goes behind that. */
  countFrom(offset: number): void {
    this.#offset = offset;
  }
}

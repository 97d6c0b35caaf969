/**
 * Keeps the first bytes of an output in one buffer, because a chunk object for each byte would cost far more than the
 * limit.
 */
export class CappedOutput {
  readonly #maxBytes: number;
  #bytes = Buffer.alloc(0);
  #length = 0;
  #truncated = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get truncated(): boolean {
    return this.#truncated;
  }

  write(chunk: Buffer): void {
    const taken = Math.min(chunk.length, this.#maxBytes - this.#length);
    if (taken < chunk.length) this.#truncated = true;
    if (taken === 0) return;
    this.#reserve(this.#length + taken);
    this.#length += chunk.copy(this.#bytes, this.#length, 0, taken);
  }

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** The text. Bytes that are not UTF-8 become U+FFFD. A character that the limit cuts in two is left out. */
  text(): string {
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    return decoder.decode(this.bytes, { stream: this.#truncated });
  }

  #reserve(length: number): void {
    if (length <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.min(this.#maxBytes, Math.max(length, 2 * this.#bytes.length)));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

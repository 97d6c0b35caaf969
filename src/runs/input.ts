/**
 * Standard input of one run: what the caller sends, kept until the command reads it. Bounded by the window that the
 * caller's door grants: it grants again what was consumed, and nothing else.
 */

export class RunInput implements AsyncIterable<Uint8Array> {
  #chunks: Uint8Array[] = [];
  #receivedBytes = 0;
  #isComplete = false;
  #isDiscarded = false;
  #error: Error | undefined;
  #readable: (() => void) | undefined;
  #consumed: ((bytes: number) => void) | undefined;

  /** How much has come in all; whoever comes back for the run goes on sending from here. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** The caller has said that this is all. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** No more chunks will come, whether it was complete or not. */
  get isOver(): boolean {
    return this.#isComplete || this.#isDiscarded || this.#error !== undefined;
  }

  /** Keeps the bytes as they are: the caller must not change them afterwards. */
  write(bytes: Uint8Array): void {
    this.#receivedBytes += bytes.length;
    if (this.#isDiscarded) {
      this.#consumed?.(bytes.length);
      return;
    }
    if (this.isOver || bytes.length === 0) return;
    this.#chunks.push(bytes);
    this.#wake();
  }

  end(): void {
    this.#isComplete = true;
    this.#wake();
  }

  /** What was sent is not all that there should be: the reader must not take it for the end. */
  fail(error: Error): void {
    if (this.isOver) return;
    this.#error = error;
    this.#wake();
  }

  /** Nobody reads it any more: what still comes is dropped. */
  discard(): void {
    if (this.#isDiscarded) return;
    this.#isDiscarded = true;
    const bytes = this.#chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    this.#chunks = [];
    if (bytes > 0) this.#consumed?.(bytes);
    this.#wake();
  }

  /** One listener, of the door that has to grant more; undefined when its connection is gone. */
  onConsumed(listener: ((bytes: number) => void) | undefined): void {
    this.#consumed = listener;
  }

  /** The next chunk that has come; undefined when there is none now. @throws what it failed with */
  read(): Uint8Array | undefined {
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) this.#consumed?.(chunk.length);
    else if (this.#error !== undefined) throw this.#error;
    return chunk;
  }

  /** Calls once, when there is something to `read`, or nothing more will come. One reader at a time. */
  whenReadable(listener: () => void): void {
    if (this.#chunks.length > 0 || this.isOver) queueMicrotask(listener);
    else this.#readable = listener;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    try {
      for (;;) {
        const chunk = this.read();
        if (chunk !== undefined) yield chunk;
        else if (this.isOver) return;
        else await new Promise<void>((resolve) => this.whenReadable(resolve));
      }
    } finally {
      this.discard();
    }
  }

  #wake(): void {
    const readable = this.#readable;
    this.#readable = undefined;
    readable?.();
  }
}

/** Of a run whose caller sends nothing. */
export const noInput: AsyncIterable<Uint8Array> = Object.freeze({
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {},
});

/**
 * Standard input of one run: what the caller sends, kept until the command reads it. Bounded by the window that the
 * caller's door grants: it grants again what was consumed, and nothing else.
 */

/** Pieces smaller than this are put together: an object for each byte would cost a hundred times the window. */
const smallBytes = 1024;
const blockBytes = 4 * smallBytes;

export class RunInput implements AsyncIterable<Uint8Array> {
  #chunks: Uint8Array[] = [];
  /** Where small pieces are put together; what was read of it stays as it is. */
  #block: Buffer | undefined;
  #blockLength = 0;
  #receivedBytes = 0;
  #unreadBytes = 0;
  #isComplete = false;
  #isDiscarded = false;
  #error: Error | undefined;
  #readable: (() => void) | undefined;
  #consumed: ((bytes: number) => void) | undefined;
  #replaced: (() => void) | undefined;

  /** How much has come in all; whoever comes back for the run goes on sending from here. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** What of that waits for the command. */
  get unreadBytes(): number {
    return this.#unreadBytes;
  }

  /** The caller has said that this is all. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** No more chunks will come, whether it was complete or not. */
  get isOver(): boolean {
    return this.#isComplete || this.#isDiscarded || this.#error !== undefined;
  }

  /** Copies the bytes: the chunk that they came in may be larger than they are, and nobody knows when they will be read. */
  write(bytes: Uint8Array): void {
    this.#receivedBytes += bytes.length;
    if (bytes.length === 0) return;
    if (this.isOver) {
      this.#consumed?.(bytes.length);
      return;
    }
    this.#unreadBytes += bytes.length;
    if (bytes.length < smallBytes) this.#putTogether(bytes);
    else this.#chunks.push(Buffer.from(bytes));
    this.#wake();
  }

  #putTogether(bytes: Uint8Array): void {
    let block = this.#block;
    if (block === undefined || block.length - this.#blockLength < bytes.length) {
      block = this.#block = Buffer.allocUnsafeSlow(blockBytes);
      this.#blockLength = 0;
    }
    const last = this.#chunks.at(-1);
    const from = last?.buffer === block.buffer ? last.byteOffset : this.#blockLength;
    block.set(bytes, this.#blockLength);
    this.#blockLength += bytes.length;
    const chunk = block.subarray(from, this.#blockLength);
    if (last?.buffer === block.buffer) this.#chunks[this.#chunks.length - 1] = chunk;
    else this.#chunks.push(chunk);
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
    this.#chunks = [];
    if (this.#unreadBytes > 0) this.#tookOut(this.#unreadBytes);
    this.#wake();
  }

  /**
   * One listener, of the door that has to grant more; undefined when its connection is gone. `replaced` tells it that
   * another door has taken its place.
   */
  onConsumed(listener: ((bytes: number) => void) | undefined, replaced?: () => void): void {
    const before = this.#replaced;
    this.#consumed = listener;
    this.#replaced = replaced;
    before?.();
  }

  /** The next chunk that has come; undefined when there is none now. @throws what it failed with */
  read(): Uint8Array | undefined {
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) this.#tookOut(chunk.length);
    else if (this.#error !== undefined) throw this.#error;
    return chunk;
  }

  #tookOut(bytes: number): void {
    this.#unreadBytes -= bytes;
    this.#consumed?.(bytes);
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

/**
 * The standard input of one run. It keeps what the caller sends until the command reads it. The window that the
 * caller's door grants is the bound: the door grants again only what was consumed.
 */

/** Smaller pieces are put together, because an object for each byte would cost a hundred times the window. */
const smallBytes = 1024;
const blockBytes = 4 * smallBytes;

export class RunInput implements AsyncIterable<Uint8Array> {
  #chunks: Uint8Array[] = [];
  /** The buffer for small pieces. The part that was read stays as it is. */
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

  /** How many bytes came in all. A caller that comes back goes on from here. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** How many of these wait for the command. */
  get unreadBytes(): number {
    return this.#unreadBytes;
  }

  /** The caller said that this is all. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** No more chunks will come, whether the input was complete or not. */
  get isOver(): boolean {
    return this.#isComplete || this.#isDiscarded || this.#error !== undefined;
  }

  /**
   * Copies the bytes, because the chunk that they came in may be larger, and it is not known when they will be read.
   */
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

  /** The input is not complete, and the reader must not treat this as its end. */
  fail(error: Error): void {
    if (this.isOver) return;
    this.#error = error;
    this.#wake();
  }

  /** Nobody reads it any more. Data that still comes is dropped. */
  discard(): void {
    if (this.#isDiscarded) return;
    this.#isDiscarded = true;
    this.#chunks = [];
    if (this.#unreadBytes > 0) this.#tookOut(this.#unreadBytes);
    this.#wake();
  }

  /**
   * The one listener, of the door that must grant more; undefined when its connection is gone. `replaced` tells it that
   * another door has taken its place.
   */
  onConsumed(listener: ((bytes: number) => void) | undefined, replaced?: () => void): void {
    const before = this.#replaced;
    this.#consumed = listener;
    this.#replaced = replaced;
    before?.();
  }

  /** The next chunk that has come; undefined when there is none now. @throws the fault of the input */
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

  /** Calls once when there is something to `read`, or when nothing more will come. Only one reader may wait. */
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

/** The input of a run whose caller sends nothing. */
export const noInput: AsyncIterable<Uint8Array> = Object.freeze({
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {},
});

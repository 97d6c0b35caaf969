/**
 * Scripts that print at full speed would have the event loop read their pipes, and do nothing else. So only a bounded
 * number of bytes is read from all pipes together in one turn of it; then each pipe waits for its own turn.
 */
import type { Readable } from "node:stream";

/** Node reads no more than this at once. */
const chunkBytes = 64 * 1024;

export class PipeTurns {
  /** Pipes that were paused, in the order in which they are read on. */
  readonly #waiting = new Set<Readable>();
  readonly #maxBytes: number;
  /** What may still be read in this turn. */
  #leftBytes: number;
  #turnIsDue = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
    this.#leftBytes = maxBytes;
  }

  /** Counts bytes that were read. When they are enough for this turn, the pipe is paused until its next one. */
  count(pipe: Readable, bytes: number): void {
    this.#leftBytes -= bytes;
    // While others wait, this pipe waits behind them.
    if (this.#leftBytes <= 0 || this.#waiting.size > 0) {
      pipe.pause();
      this.#waiting.add(pipe);
    }
    this.#turnSoon();
  }

  /** A pipe that was paused for another reason goes on, when its turn comes. */
  resume(pipe: Readable): void {
    this.#waiting.add(pipe);
    this.#turnSoon();
  }

  /** True while the pipe waits for its turn. */
  has(pipe: Readable): boolean {
    return this.#waiting.has(pipe);
  }

  /** The pipe is not read any further. */
  delete(pipe: Readable): void {
    this.#waiting.delete(pipe);
  }

  #turnSoon(): void {
    if (this.#turnIsDue) return;
    this.#turnIsDue = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#turnIsDue = false;
    this.#leftBytes = this.#maxBytes;
    let expectedBytes = 0;
    for (const pipe of this.#waiting) {
      if (expectedBytes >= this.#maxBytes) break;
      expectedBytes += chunkBytes;
      this.#waiting.delete(pipe);
      pipe.resume();
    }
    if (this.#waiting.size > 0) this.#turnSoon();
  }
}

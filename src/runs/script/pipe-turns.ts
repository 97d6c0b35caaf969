/**
 * Scripts that print at full speed would have the event loop read their pipes, and do nothing else. So much is read in
 * one turn of it from all of them together; then each pipe waits until its turn comes.
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

  /** So much was read. When that was enough for this turn, the pipe is paused until its next one. */
  count(pipe: Readable, bytes: number): void {
    this.#leftBytes -= bytes;
    // Those that were resumed with this one are read in the same turn.
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

  /** It waits for its turn. */
  has(pipe: Readable): boolean {
    return this.#waiting.has(pipe);
  }

  /** It is not read on. */
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

/**
 * Whose bytes are worked off next, and for how long at a time. A packet may hold thousands of requests, and a connection
 * may send packets without end: each is given a slice, then the event loop turns, so that whoever asks for little is
 * served between the slices of those who ask for much.
 */

/** What has come over a connection and was not worked off yet. */
export interface Workload {
  /** It has not shown a good token: all such together have what one of the others has. */
  readonly isStranger: boolean;
  /** Works on until the clock (`performance.now()`) passes `untilMs`, or nothing is left that can be done now. True: there is more. */
  work(nowMs: number, untilMs: number): boolean;
}

export class FairWork {
  readonly #sliceMs: number;
  /** Those that had a slice and have more to do, in the order in which they are served. */
  readonly #known = new Set<Workload>();
  readonly #strangers = new Set<Workload>();
  /** In this turn of the event loop. */
  #strangersLeftMs: number;
  #turnIsDue = false;

  constructor(sliceMs: number) {
    this.#sliceMs = sliceMs;
    this.#strangersLeftMs = sliceMs;
  }

  /**
   * Something came, or what held it up is over: it is worked off at once, for a slice. False when there is more, or when
   * it has to wait for others first: its turn comes by itself, and until then nothing more shall be read from its peer.
   */
  offer(workload: Workload): boolean {
    if (this.#known.has(workload) || this.#strangers.has(workload)) return false;
    const nowMs = performance.now();
    const { isStranger } = workload;
    const leftMs = isStranger ? this.#strangersLeftMs : this.#sliceMs;
    const mustWait = isStranger && (leftMs <= 0 || this.#strangers.size > 0);
    const hasMore = mustWait || workload.work(nowMs, nowMs + leftMs);
    if (isStranger) {
      this.#strangersLeftMs -= performance.now() - nowMs;
      // The next turn has time for strangers again.
      this.#turnSoon();
    }
    if (hasMore) this.#wait(workload);
    return !hasMore;
  }

  #wait(workload: Workload): void {
    (workload.isStranger ? this.#strangers : this.#known).add(workload);
    this.#turnSoon();
  }

  #turnSoon(): void {
    if (this.#turnIsDue) return;
    this.#turnIsDue = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#turnIsDue = false;
    this.#strangersLeftMs = this.#sliceMs;
    this.#strangersLeftMs -= this.#serve(this.#strangers);
    this.#serve(this.#known);
  }

  /** For a slice in all. Returns how long it took. */
  #serve(queue: Set<Workload>): number {
    if (queue.size === 0) return 0;
    const startMs = performance.now();
    const endMs = startMs + this.#sliceMs;
    let nowMs = startMs;
    for (const workload of queue) {
      queue.delete(workload);
      // Behind all others, also those of this turn: a set is gone through in the order in which it is filled.
      if (workload.work(nowMs, endMs)) this.#wait(workload);
      nowMs = performance.now();
      if (nowMs >= endMs) break;
    }
    if (queue.size > 0) this.#turnSoon();
    return nowMs - startMs;
  }
}

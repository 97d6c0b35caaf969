/**
 * Decides whose bytes are handled next, and for how long at a time. A packet may hold thousands of requests, and a
 * connection may send packets without end. So each gets a slice, and then the event loop turns. Peers that ask for
 * little are served between the slices of peers that ask for much.
 */

/** The bytes of a connection that were not handled yet. */
export interface Workload {
  /** The connection has not shown a good token. All such connections together get what one other connection gets. */
  readonly isStranger: boolean;
  /**
   * Handles bytes until the clock (`performance.now()`) passes `untilMs`, or nothing is left that can be done now.
   * Returns true when there is more.
   */
  work(nowMs: number, untilMs: number): boolean;
  /** Its work has thrown, so nobody knows its state. It ends, and its runs are released. */
  cut(reason: string): void;
}

export class FairWork {
  readonly #sliceMs: number;
  readonly #failed: (error: unknown) => void;
  /** The work that had a slice and has more to do, in the order in which it is served. */
  readonly #known = new Set<Workload>();
  readonly #strangers = new Set<Workload>();
  /** The time used in this turn of the event loop. */
  #strangersLeftMs: number;
  #turnIsDue = false;

  /** @param failed is told of a fault in our own code, which ends only the connection that met it */
  constructor(sliceMs: number, failed: (error: unknown) => void) {
    this.#sliceMs = sliceMs;
    this.#failed = failed;
    this.#strangersLeftMs = sliceMs;
  }

  /**
   * Something came, or the reason to wait is over. It is handled at once, for a slice. Returns false when there is
   * more, or when others come first. Then its turn comes by itself, and until then nothing more should be read from its
   * peer.
   */
  offer(workload: Workload): boolean {
    if (this.#known.has(workload) || this.#strangers.has(workload)) return false;
    const nowMs = performance.now();
    const { isStranger } = workload;
    const leftMs = isStranger ? this.#strangersLeftMs : this.#sliceMs;
    const mustWait = isStranger && (leftMs <= 0 || this.#strangers.size > 0);
    const hasMore = mustWait || this.handle(workload, nowMs, nowMs + leftMs);
    if (isStranger) {
      this.#strangersLeftMs -= performance.now() - nowMs;
      // The next turn has time again for connections without a token.
      this.#turnSoon();
    }
    if (hasMore) this.wait(workload);
    return !hasMore;
  }

  /** Lets it work. A fault in our own code ends only this workload. */
  handle(workload: Workload, nowMs: number, untilMs: number): boolean {
    try {
      return workload.work(nowMs, untilMs);
    } catch (error) {
      try {
        this.#failed(error);
      } finally {
        workload.cut("a fault in the server");
      }
      return false;
    }
  }

  /** The turn of this work comes behind those that wait already. */
  wait(workload: Workload): void {
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

  /** Works for one slice in all. Returns how long it took. */
  #serve(queue: Set<Workload>): number {
    if (queue.size === 0) return 0;
    const startMs = performance.now();
    const endMs = startMs + this.#sliceMs;
    let nowMs = startMs;
    for (const workload of queue) {
      queue.delete(workload);
      // This work goes behind all others, even those of this turn, because a set keeps the order in which it was filled.
      if (this.handle(workload, nowMs, endMs)) this.wait(workload);
      nowMs = performance.now();
      if (nowMs >= endMs) break;
    }
    if (queue.size > 0) this.#turnSoon();
    return nowMs - startMs;
  }
}

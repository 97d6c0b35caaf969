/**
 * One timer for the deadlines of all calls of a client. One for each would cost more than the rest of a call's
 * bookkeeping.
 */

export class CallDeadlines {
  readonly #check: (nowMs: number) => number;
  #timer: NodeJS.Timeout | undefined;
  #look: NodeJS.Immediate | undefined;
  #dueMs = Number.POSITIVE_INFINITY;

  /** @param check ends the calls that are due, and returns when the next one is due; Infinity for never */
  constructor(check: (nowMs: number) => number) {
    this.#check = check;
  }

  /** The time by performance.now(). A call that is answered in time never touches the timer. */
  watch(dueMs: number): void {
    if (dueMs >= this.#dueMs) return;
    clearTimeout(this.#timer);
    this.#dueMs = dueMs;
    // The wait is bounded by Node's timers. Then the timer checks again.
    const delayMs = Math.min(2 ** 31 - 1, Math.max(1, Math.ceil(dueMs - performance.now())));
    this.#timer = setTimeout(() => {
      this.#dueMs = Number.POSITIVE_INFINITY;
      // When this process stood still, answers that have come meanwhile are read first.
      this.#look = setImmediate(() => this.watch(this.#check(performance.now())));
    }, delayMs);
    // While a call is out, its socket keeps the process alive.
    this.#timer.unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#look);
  }
}

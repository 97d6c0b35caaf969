import type { Clock } from "#iscep/logs/clock";

/** Time that stands still until it is told to go on; timers fire in their order, at their time. */
export class HandClock implements Clock {
  #nowMs: number;
  #timers: { atMs: number; callback: () => void }[] = [];

  constructor(nowMs: number) {
    this.#nowMs = nowMs;
  }

  now(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Files are real, so they get their turns between the timers. */
  async goTo(timeMs: number): Promise<void> {
    for (;;) {
      const [next] = this.#timers.filter(({ atMs }) => atMs <= timeMs).sort((a, b) => a.atMs - b.atMs);
      if (next === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.callback();
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#nowMs = timeMs;
  }

  /** As when the machine slept, or somebody set the clock: no timer has fired yet. */
  jumpTo(timeMs: number): void {
    this.#nowMs = timeMs;
  }
}

/** Far from midnight, where files are renamed, and near the times that the system writes for files that are made now. */
export function noonToday(): number {
  return new Date().setHours(12, 0, 0, 0);
}

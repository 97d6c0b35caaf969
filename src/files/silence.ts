/**
 * How long another process has given no sign. No clocks are compared, because they may differ, and the clock of this
 * machine may jump. Time in which this process itself stood still does not count: the other one may have stood still
 * with it, as when a machine is suspended or too busy.
 */
export class Silence {
  readonly #standstillMs: number;
  #sign: string | undefined;
  #sinceMs = 0;
  #lookedAtMs = 0;
  #hasSpoken = false;

  /** @param standstillMs looks that are farther apart show that this process stood still */
  constructor(standstillMs: number) {
    this.#standstillMs = standstillMs;
  }

  /**
   * Looks once, and returns for how long, in milliseconds, looks have found this same sign.
   * @param nowMs a clock that never jumps. Default: `performance.now()`.
   */
  look(sign: string, nowMs = performance.now()): number {
    if (this.#sign !== undefined && sign !== this.#sign) this.#hasSpoken = true;
    if (sign !== this.#sign || nowMs - this.#lookedAtMs > this.#standstillMs)
      [this.#sign, this.#sinceMs] = [sign, nowMs];
    this.#lookedAtMs = nowMs;
    return nowMs - this.#sinceMs;
  }

  /** Looks have found two different signs, so the other process lived between them. */
  get hasSpoken(): boolean {
    return this.#hasSpoken;
  }
}

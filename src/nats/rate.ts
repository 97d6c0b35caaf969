/** Allows so many events in a second, and as many at once after a quiet second. Asking costs next to nothing. */
export class Rate {
  readonly #perSecond: number;
  #left: number;
  #atMs = performance.now();

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
    this.#left = perSecond;
  }

  take(nowMs = performance.now()): boolean {
    this.#left = Math.min(this.#perSecond, this.#left + ((nowMs - this.#atMs) / 1_000) * this.#perSecond);
    this.#atMs = nowMs;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}

/**
 * Remembers the requests of a while, so that none counts twice. It is bounded, and forgets nothing before its time: a
 * request that there is no room for is refused, because a forgotten one could be sent again.
 */
export interface RequestMemoryLimits {
  /** How long a request is remembered. It must be longer than its proof counts. */
  readonly keepMs: number;
  /** How many requests of one caller are remembered. */
  readonly maxOfOne: number;
  readonly maxInAll: number;
}

interface Remembered<Kept> {
  readonly caller: string;
  readonly untilMs: number;
  readonly kept: Kept;
}

export class RequestMemory<Kept> {
  readonly #limits: RequestMemoryLimits;
  /** The oldest comes first, and all are kept equally long. */
  readonly #requests = new Map<string, Remembered<Kept>>();
  readonly #counts = new Map<string, number>();

  constructor(limits: RequestMemoryLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#requests.size;
  }

  /**
   * Returns what was kept for this request when it came before, or `full`. undefined: the request is new, and is
   * remembered from now on.
   * @param caller has no space in it
   */
  claim(caller: string, nonce: string, nowMs: number, keep: () => Kept): { readonly kept: Kept } | "full" | undefined {
    this.#forget(nowMs);
    const key = `${caller} ${nonce}`;
    const earlier = this.#requests.get(key);
    if (earlier !== undefined) return earlier;
    const count = this.#counts.get(caller) ?? 0;
    if (count >= this.#limits.maxOfOne || this.#requests.size >= this.#limits.maxInAll) return "full";
    this.#requests.set(key, { caller, untilMs: nowMs + this.#limits.keepMs, kept: keep() });
    this.#counts.set(caller, count + 1);
    return undefined;
  }

  /** The request may come again, because nothing was done for it. */
  release(caller: string, nonce: string): void {
    const key = `${caller} ${nonce}`;
    if (this.#requests.has(key)) this.#delete(key, caller);
  }

  #forget(nowMs: number): void {
    for (const [key, { caller, untilMs }] of this.#requests) {
      if (untilMs > nowMs) return;
      this.#delete(key, caller);
    }
  }

  #delete(key: string, caller: string): void {
    this.#requests.delete(key);
    const left = (this.#counts.get(caller) ?? 1) - 1;
    if (left === 0) this.#counts.delete(caller);
    else this.#counts.set(caller, left);
  }
}

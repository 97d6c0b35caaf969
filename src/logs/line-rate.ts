import type { Limits } from "../limits/limits.js";

interface Source {
  lineAtMs: number;
  suppressed: number;
  /** How many lines it may have at once. One more comes with each interval. */
  left: number;
}

/**
 * Decides whether malformed input of a source gets another line. Otherwise a peer that sends rubbish could fill the log
 * as fast as the network allows, and important lines would be lost among the others.
 */
export class LineRate {
  readonly #intervalMs: number;
  readonly #maxSources: number;
  /** The sources in the order of their last line, the oldest first. */
  readonly #sources = new Map<string, Source>();
  /** Further sources are counted together, when each remembered source already had a line in this interval. */
  readonly #others: Source = { lineAtMs: Number.NEGATIVE_INFINITY, suppressed: 0, left: 0 };
  readonly #burst: number;

  /** @param burst how many lines a source may have at once, if it had none for a while */
  constructor(limits: Pick<Limits, "malformedLogIntervalMs" | "maxLoggedSources">, burst = 1) {
    this.#burst = burst;
    this.#intervalMs = limits.malformedLogIntervalMs;
    this.#maxSources = limits.maxLoggedSources;
  }

  /**
   * The time comes from a monotonic clock. undefined: no line now. Otherwise write a line, and say how many were left
   * out since the last one.
   */
  take(source: string, nowMs: number): { readonly suppressed: number } | undefined {
    const known = this.#sources.get(source);
    if (known !== undefined) return this.#line(known, nowMs, source);
    if (this.#sources.size >= this.#maxSources && !this.#forgetOldest(nowMs)) return this.#line(this.#others, nowMs);
    this.#sources.set(source, { lineAtMs: nowMs, suppressed: 0, left: this.#burst - 1 });
    return { suppressed: 0 };
  }

  #line(entry: Source, nowMs: number, name?: string): { readonly suppressed: number } | undefined {
    const passed = this.#intervalMs === 0 ? this.#burst : Math.floor((nowMs - entry.lineAtMs) / this.#intervalMs);
    if (passed < 1 && entry.left < 1) {
      entry.suppressed += 1;
      return undefined;
    }
    const { suppressed } = entry;
    entry.left = Math.min(this.#burst, entry.left + Math.max(0, passed)) - 1;
    entry.lineAtMs = nowMs;
    entry.suppressed = 0;
    if (name !== undefined) {
      this.#sources.delete(name);
      this.#sources.set(name, entry);
    }
    return { suppressed };
  }

  /** The number of lines that the source left out is added to the next line of the others. */
  #forgetOldest(nowMs: number): boolean {
    for (const [name, entry] of this.#sources) {
      if (nowMs - entry.lineAtMs < this.#intervalMs) return false;
      this.#others.suppressed += entry.suppressed;
      this.#sources.delete(name);
      return true;
    }
    return false;
  }
}

/** What a line says about the events without a line. */
export function suppressed(line: { readonly suppressed: number }): string {
  return line.suppressed === 0 ? "" : ` (and ${line.suppressed} more since the last line)`;
}

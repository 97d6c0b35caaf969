/** Counts penalties of sources that send wrong tokens. It is pure: the clock is passed in. */
import type { Limits } from "../limits/limits.js";
import { sourceKey } from "./source.js";

export type PenaltyLimits = Pick<Limits, "penaltyMs" | "penaltyStartMs" | "maxPenaltyMs" | "maxPenalisedSources">;

interface Penalty {
  /** The time when the penalty has decayed to nothing. */
  untilMs: number;
  /**
   * True from the moment when it passed `penaltyStartMs` until it has decayed. Otherwise the source would be refused
   * and admitted in turns.
   */
  refused: boolean;
}

export class Penalties {
  readonly #limits: PenaltyLimits;
  /**
   * Sources by the time when their penalty ends, in steps of `penaltyMs`. So the smallest penalty is found without
   * looking at every source, when somebody with many addresses fails once from each.
   */
  readonly #byEnd = new Map<number, Map<string, Penalty>>();
  readonly #stepOf = new Map<string, number>();

  constructor(limits: PenaltyLimits) {
    this.#limits = limits;
  }

  /** The number of sources that are remembered. */
  get size(): number {
    return this.#stepOf.size;
  }

  /** A wrong token came from this address. */
  fail(source: string, nowMs: number): void {
    const { penaltyMs, penaltyStartMs, maxPenaltyMs, maxPenalisedSources } = this.#limits;
    if (penaltyMs === 0 || maxPenalisedSources === 0) return;
    const key = sourceKey(source);
    const before = this.#get(key, nowMs);
    this.#forget(key);
    if (this.#stepOf.size >= maxPenalisedSources) this.#evict(nowMs);
    const untilMs = Math.min(Math.max(before?.untilMs ?? nowMs, nowMs) + penaltyMs, nowMs + maxPenaltyMs);
    const refused = before?.refused === true || untilMs - nowMs > penaltyStartMs;
    const step = Math.floor(untilMs / penaltyMs);
    const bucket = this.#byEnd.get(step) ?? new Map<string, Penalty>();
    this.#byEnd.set(step, bucket.set(key, { untilMs, refused }));
    this.#stepOf.set(key, step);
  }

  isRefused(source: string, nowMs: number): boolean {
    if (this.#stepOf.size === 0) return false;
    return this.#get(sourceKey(source), nowMs)?.refused === true;
  }

  #get(key: string, nowMs: number): Penalty | undefined {
    const step = this.#stepOf.get(key);
    const penalty = step === undefined ? undefined : this.#byEnd.get(step)?.get(key);
    return penalty !== undefined && penalty.untilMs > nowMs ? penalty : undefined;
  }

  #forget(key: string): void {
    const step = this.#stepOf.get(key);
    if (step === undefined) return;
    this.#stepOf.delete(key);
    const bucket = this.#byEnd.get(step);
    bucket?.delete(key);
    if (bucket?.size === 0) this.#byEnd.delete(step);
  }

  /** Makes room: removes all penalties that have decayed, or, if there are none, the one that ends first. */
  #evict(nowMs: number): void {
    let lowest = Number.POSITIVE_INFINITY;
    for (const [step, bucket] of this.#byEnd) {
      if ((step + 1) * this.#limits.penaltyMs > nowMs) {
        lowest = Math.min(lowest, step);
        continue;
      }
      for (const key of bucket.keys()) this.#stepOf.delete(key);
      this.#byEnd.delete(step);
    }
    if (this.#stepOf.size < this.#limits.maxPenalisedSources) return;
    const [first] = this.#byEnd.get(lowest)?.keys() ?? [];
    if (first !== undefined) this.#forget(first);
  }
}

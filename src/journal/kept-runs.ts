import type { Identity } from "../model/identity.js";
import type { Limits } from "../limits/limits.js";
import type { Run } from "../runs/run/run.js";

type KeptRunsLimits = Pick<Limits, "maxRetainedRuns" | "maxKeptRunsBytes" | "runRetentionMs">;

interface Ended {
  /** When it began to be kept as an ended run, by a clock that never jumps. */
  readonly sinceMs: number;
  readonly bytes: number;
}

/**
 * Keeps runs in memory that can be found by id or key: those that go on, and for a while those that have ended. It is
 * bounded in number, time and bytes; the oldest ended runs are removed first.
 */
export class KeptRuns {
  readonly #limits: KeptRunsLimits;
  readonly #runs = new Map<string, Run>();
  /** The ended runs in the order in which they came. */
  readonly #ended = new Map<Run, Ended>();
  #endedBytes = 0;
  readonly #keys = new Map<string, Run>();
  readonly #keyOf = new Map<Run, string>();

  constructor(limits: KeptRunsLimits) {
    this.#limits = limits;
  }

  keep(run: Run): void {
    this.#runs.set(run.id, run);
    const idempotencyKey = run.retention?.idempotencyKey;
    if (idempotencyKey === undefined) return;
    const key = ownedKey(run.identity, idempotencyKey);
    this.#keys.set(key, run);
    this.#keyOf.set(run, key);
  }

  ended(run: Run): void {
    if (run.outcome?.status === "rejected") this.#releaseKey(run);
    const bytes = run.memoryBytes;
    this.#ended.set(run, { sinceMs: performance.now(), bytes });
    this.#endedBytes += bytes;
    this.#forget(performance.now());
  }

  byId(id: string): Run | undefined {
    this.#forget(performance.now());
    return this.#runs.get(id);
  }

  byKey(identity: Identity, idempotencyKey: string): Run | undefined {
    this.#forget(performance.now());
    return this.#keys.get(ownedKey(identity, idempotencyKey));
  }

  #forget(nowMs: number): void {
    const { maxRetainedRuns, maxKeptRunsBytes, runRetentionMs } = this.#limits;
    for (const [run, { sinceMs, bytes }] of this.#ended) {
      const isOld = nowMs - sinceMs > runRetentionMs;
      if (!isOld && this.#ended.size <= maxRetainedRuns && this.#endedBytes <= maxKeptRunsBytes) return;
      this.#ended.delete(run);
      this.#endedBytes -= bytes;
      this.#runs.delete(run.id);
      this.#releaseKey(run);
      // A client that reads no further still holds the run.
      run.leaveToFiles();
    }
  }

  /** A run that never began has no right to its key: the next call with it begins. */
  #releaseKey(run: Run): void {
    const key = this.#keyOf.get(run);
    if (key !== undefined && this.#keys.get(key) === run) this.#keys.delete(key);
    this.#keyOf.delete(run);
  }
}

/** A key means nothing to other owners. JSON keeps the two parts apart, whatever they contain. */
function ownedKey(identity: Identity, idempotencyKey: string): string {
  return JSON.stringify([identity.owner, idempotencyKey]);
}

import type { Identity } from "../model/identity.js";
import type { Limits } from "../limits/limits.js";
import type { Run } from "../runs/run/run.js";

/** Keeps runs in memory that can be found by id or key: those that go on, and for a while those that have ended. */
export class KeptRuns {
  readonly #limits: Pick<Limits, "maxRetainedRuns" | "runRetentionMs">;
  readonly #runs = new Map<string, Run>();
  /** The ended runs, in the order of their end. */
  readonly #ended = new Set<Run>();
  readonly #keys = new Map<string, Run>();
  readonly #keyOf = new Map<Run, string>();

  readonly #forgotten: (id: string) => void;

  constructor(limits: Pick<Limits, "maxRetainedRuns" | "runRetentionMs">, forgotten: (id: string) => void) {
    this.#limits = limits;
    this.#forgotten = forgotten;
  }

  keep(run: Run, idempotencyKey: string | undefined): void {
    this.#runs.set(run.id, run);
    if (idempotencyKey !== undefined) {
      const key = ownedKey(run.identity, idempotencyKey);
      this.#keys.set(key, run);
      this.#keyOf.set(run, key);
    }
  }

  ended(run: Run): void {
    this.#ended.add(run);
    this.#forget(Date.now());
  }

  byId(id: string): Run | undefined {
    this.#forget(Date.now());
    return this.#runs.get(id);
  }

  byKey(identity: Identity, idempotencyKey: string): Run | undefined {
    this.#forget(Date.now());
    return this.#keys.get(ownedKey(identity, idempotencyKey));
  }

  #forget(nowMs: number): void {
    for (const run of this.#ended) {
      const old = nowMs - (run.endedAtMs ?? nowMs) > this.#limits.runRetentionMs;
      if (!old && this.#ended.size <= this.#limits.maxRetainedRuns) return;
      this.#ended.delete(run);
      this.#runs.delete(run.id);
      const key = this.#keyOf.get(run);
      if (key !== undefined) this.#keys.delete(key);
      this.#keyOf.delete(run);
      this.#forgotten(run.id);
    }
  }
}

/** A key means nothing to other owners. JSON keeps the two parts apart, whatever they contain. */
function ownedKey(identity: Identity, idempotencyKey: string): string {
  return JSON.stringify([identity.owner, idempotencyKey]);
}

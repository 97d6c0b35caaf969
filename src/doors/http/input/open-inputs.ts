/** The runs whose standard input stays open for later requests. There are never more of them than runs that go on or wait. */
import type { RunHandle } from "../../../client/protocol/run-handle.js";
import type { CallerRecord } from "../../../model/caller-record.js";
import type { TypedInput } from "./typed-input.js";

export interface OpenInput {
  /** Who has started the run. */
  readonly caller: CallerRecord;
  readonly input: TypedInput;
  readonly handle: Pick<RunHandle, "outcome" | "resize" | "cancel">;
  /** How long the run goes on when nobody follows it or types. undefined: to its end. */
  readonly graceMs: number | undefined;
  /** Ends the typing into the run. If the run does not have all of its input, it ends too when its grace is over. */
  close(): Promise<void>;
}

interface Kept {
  readonly open: OpenInput;
  followers: number;
  timer: NodeJS.Timeout | undefined;
}

export class OpenInputs {
  readonly #inputs = new Map<string, Kept>();
  readonly #keys = new Map<string, Promise<unknown>>();

  of(run: string): OpenInput | undefined {
    return this.#inputs.get(run)?.open;
  }

  /** Keeps the input until the run has ended. */
  add(run: string, open: OpenInput): void {
    this.#inputs.set(run, { open, followers: 0, timer: undefined });
    this.follow(run)();
    void open.handle.outcome.then(() => {
      clearTimeout(this.#inputs.get(run)?.timer);
      this.#inputs.delete(run);
      open.input.close();
      return open.close();
    });
  }

  /** Somebody follows the run, or types. Returns a function to call when they have left. */
  follow(run: string): () => void {
    const kept = this.#inputs.get(run);
    if (kept === undefined || kept.open.graceMs === undefined) return () => {};
    kept.followers++;
    clearTimeout(kept.timer);
    let isThere = true;
    return () => {
      if (!isThere) return;
      isThere = false;
      if (--kept.followers > 0 || !this.#inputs.has(run)) return;
      kept.timer = setTimeout(() => kept.open.handle.cancel(), kept.open.graceMs).unref();
    };
  }

  /** Calls with one key start one after the other, because only one of them may be the first. */
  async inTurn<Value>(key: string, start: () => Promise<Value>): Promise<Value> {
    const before = this.#keys.get(key) ?? Promise.resolve();
    const turn = before.then(start, start);
    this.#keys.set(key, turn);
    try {
      return await turn;
    } finally {
      if (this.#keys.get(key) === turn) this.#keys.delete(key);
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#inputs.values()].map(({ open }) => open.close()));
  }
}

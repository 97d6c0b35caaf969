/** The runs whose standard input stays open for more. There are no more of them than runs that go on or wait. */
import type { RunHandle } from "../../client/protocol/run-handle.js";
import type { CallerRecord } from "../../model/caller-record.js";
import type { TypedInput } from "./typed-input.js";

export interface OpenInput {
  readonly command: string;
  /** Who has started the run. */
  readonly caller: CallerRecord;
  readonly input: TypedInput;
  readonly handle: Pick<RunHandle, "outcome" | "resize">;
  /** Ends what types into the run. Without all of its input, the run ends too when its grace is over. */
  close(): Promise<void>;
}

export class OpenInputs {
  readonly #inputs = new Map<string, OpenInput>();
  readonly #keys = new Map<string, Promise<unknown>>();

  of(run: string): OpenInput | undefined {
    return this.#inputs.get(run);
  }

  /** Keeps it until the run has ended. */
  add(run: string, open: OpenInput): void {
    this.#inputs.set(run, open);
    void open.handle.outcome.then(() => {
      this.#inputs.delete(run);
      open.input.close();
      return open.close();
    });
  }

  /** Two calls with one key must not both be the first. */
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
    await Promise.all([...this.#inputs.values()].map((open) => open.close()));
  }
}

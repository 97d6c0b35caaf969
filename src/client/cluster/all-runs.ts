/** The same call at every instance. */
import type { Outcome } from "../../model/outcome.js";
import type { AllRuns, InstanceOutcome, InstanceRun } from "../protocol/instances.js";

export class EveryRun implements AllRuns {
  readonly runs: Promise<readonly InstanceRun[]>;
  readonly outcomes: Promise<readonly InstanceOutcome[]>;
  readonly #each: Promise<readonly Promise<InstanceOutcome>[]>;
  #isCancelled = false;

  constructor(begin: () => Promise<readonly InstanceRun[]>) {
    this.runs = this.#begun(begin);
    this.#each = this.runs.then((runs) => runs.map(outcomeAt));
    this.outcomes = this.#each.then((each) => Promise.all(each));
    // A caller who uses one of these promises need not look at the others.
    for (const promise of [this.runs, this.#each, this.outcomes]) promise.catch(() => {});
  }

  async #begun(begin: () => Promise<readonly InstanceRun[]>): Promise<readonly InstanceRun[]> {
    const runs = await begin();
    if (this.#isCancelled) for (const { run } of runs) run.cancel();
    return runs;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<InstanceOutcome, void, void> {
    const waiting = new Map((await this.#each).map((outcome, index) => [index, outcome] as const));
    while (waiting.size > 0) {
      const indexed = [...waiting].map(async ([index, outcome]) => [index, await outcome] as const);
      const [index, outcome] = await Promise.race(indexed);
      waiting.delete(index);
      yield outcome;
    }
  }

  cancel(): void {
    this.#isCancelled = true;
    this.runs.then(
      (runs) => {
        for (const { run } of runs) run.cancel();
      },
      () => {},
    );
  }
}

async function outcomeAt({ instance, run }: InstanceRun): Promise<InstanceOutcome> {
  const outcome = await run.outcome;
  const id = await run.id.catch(() => undefined);
  return { instance, run: id, outcome, value: valueIn(outcome) };
}

function valueIn(outcome: Outcome): unknown {
  return "value" in outcome ? outcome.value : undefined;
}

/**
 * Long work in steps, between which the event loop turns now and then. Who holds a lock must touch it meanwhile
 * (file-lock.ts), and the timer for that fires only then.
 */
import { setImmediate as turn } from "node:timers/promises";

/** Work that can be left for a moment wherever it yields. */
export type Steps<Result = void> = Generator<undefined, Result, undefined>;

/** So many turns cost nothing, and a lock is touched much less often. */
const sliceMs = 50;

/** @throws what the work throws */
export async function inTurns<Result>(steps: Steps<Result>): Promise<Result> {
  for (let sinceMs = performance.now(); ;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (performance.now() - sinceMs < sliceMs) continue;
    await turn();
    sinceMs = performance.now();
  }
}

/** Does the same in one turn. @throws what the work throws */
export function atOnce<Result>(steps: Steps<Result>): Result {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

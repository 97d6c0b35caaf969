import { IscepError } from "../../errors.js";
import type { Run } from "./run.js";

/**
 * Call this when no caller has come back for its run within the grace. A detached run goes on without a caller, but not
 * with only a part of its standard input, because it would take the part for the whole.
 */
export function abandon(run: Run): void {
  const isCut = run.input?.isOver === false;
  if (run.holders.isDetached && !isCut) return;
  const what = isCut
    ? "the caller left before all of the standard input had come"
    : "the caller left, or read no further";
  run.abort(new IscepError("cancelled", `${what}, and it did not come back`));
}

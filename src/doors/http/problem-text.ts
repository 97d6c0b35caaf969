/** The JSON of problem details (RFC 9457), from the one table of errors. */
import type { IscepError } from "../../errors.js";
import type { Outcome } from "../../model/outcome.js";
import { outcomeView, partsOf } from "./outcome-view.js";

export interface ProblemFacts {
  readonly status: number;
  readonly run?: string | undefined;
  readonly outcome?: Outcome | undefined;
}

export function problemText({ code, message, details }: IscepError, { status, run, outcome }: ProblemFacts): string {
  const { title, action } = partsOf(code);
  return JSON.stringify({
    type: `/docs#error-${code}`,
    title,
    status,
    detail: message,
    code,
    ...(action === undefined ? {} : { action }),
    // The first offset of output that is still kept.
    ...(typeof details["start"] === "number" ? { start: details["start"] } : {}),
    ...(run === undefined ? {} : { run }),
    ...(outcome === undefined ? {} : { outcome: outcomeView(outcome) }),
  });
}

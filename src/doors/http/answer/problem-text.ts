/** The JSON of problem details (RFC 9457), from the one table of errors. */
import type { IscepError } from "../../../errors.js";
import type { Outcome } from "../../../model/outcome.js";
import { httpFaults, isHttpFaultStatus } from "./http-faults.js";
import { outcomeView, partsOf, sentenceParts } from "./outcome-view.js";

export interface ProblemFacts {
  readonly status: number;
  /** The fault is one of HTTP, so the sentence of its code says nothing of it. Default: false. */
  readonly isOfHttp?: boolean;
  readonly run?: string | undefined;
  readonly outcome?: Outcome | undefined;
  /** How many bytes the standard input of the run has taken, of the writer or in all. */
  readonly offset?: number | undefined;
}

export function problemText({ code, message, details }: IscepError, facts: ProblemFacts): string {
  const { status, isOfHttp = false, run, outcome, offset } = facts;
  const fault = isOfHttp && isHttpFaultStatus(status) ? httpFaults[status] : undefined;
  const { title, action } = fault === undefined ? partsOf(code, outcome) : sentenceParts(fault);
  return JSON.stringify({
    type: fault === undefined ? `/docs#error-${code}` : `/docs#status-${status}`,
    title,
    status,
    detail: message,
    code,
    ...(action === undefined ? {} : { action }),
    // The first offset of output that is still kept.
    ...(typeof details["start"] === "number" ? { start: details["start"] } : {}),
    ...(run === undefined ? {} : { run }),
    ...(offset === undefined ? {} : { offset }),
    ...(outcome === undefined ? {} : { outcome: outcomeView(outcome) }),
  });
}

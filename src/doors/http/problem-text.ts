/** The JSON of problem details (RFC 9457), from the one table of errors. */
import { errorTable, type IscepError } from "../../errors.js";
import type { Outcome } from "../../model/outcome.js";
import { outcomeView } from "./outcome-view.js";

export interface ProblemFacts {
  readonly status: number;
  readonly run?: string | undefined;
  readonly outcome?: Outcome | undefined;
}

export function problemText({ code, message }: IscepError, { status, run, outcome }: ProblemFacts): string {
  const [title, action] = partsOf(errorTable[code].sentence);
  return JSON.stringify({
    type: `/docs#error-${code}`,
    title,
    status,
    detail: message,
    code,
    ...(action === undefined ? {} : { action }),
    ...(run === undefined ? {} : { run }),
    ...(outcome === undefined ? {} : { outcome: outcomeView(outcome) }),
  });
}

/** The sentences of the table say what happened, and behind a semicolon what to do. */
function partsOf(sentence: string): [title: string, action: string | undefined] {
  const end = sentence.indexOf("; ");
  if (end === -1) return [sentence, undefined];
  const action = sentence.slice(end + 2);
  return [`${sentence.slice(0, end)}.`, action.charAt(0).toUpperCase() + action.slice(1)];
}

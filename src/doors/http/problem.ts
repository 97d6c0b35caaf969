/** Answers that tell an error: problem details (RFC 9457), from the one table of errors. */
import { errorTable, IscepError, toIscepError, type ErrorCode } from "../../errors.js";
import type { Outcome } from "../../model/outcome.js";
import { outcomeView } from "./outcome-view.js";

export interface ProblemExtras {
  /** The run that the error is about, or that had it as its outcome. */
  readonly run?: string | undefined;
  readonly outcome?: Outcome;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An error that exists only over HTTP, such as a method that a path does not have. Its status is not that of its code. */
export function httpFault(status: number, code: ErrorCode, message: string): IscepError {
  return new IscepError(code, message, { details: { httpStatus: status } });
}

export function problem(thrown: unknown, extras: ProblemExtras = {}): Response {
  const error = toIscepError(thrown);
  const { code, message } = error;
  const { httpStatus, run: itsRun } = error.details;
  const status = typeof httpStatus === "number" ? httpStatus : errorTable[code].http;
  const run = extras.run ?? (typeof itsRun === "string" ? itsRun : undefined);
  const [title, action] = partsOf(errorTable[code].sentence);
  const body = {
    type: `/docs#error-${code}`,
    title,
    status,
    detail: message,
    code,
    ...(action === undefined ? {} : { action }),
    ...(run === undefined ? {} : { run }),
    ...(extras.outcome === undefined ? {} : { outcome: outcomeView(extras.outcome) }),
  };
  return new Response(JSON.stringify(body), {
    status,
    headers: { "content-type": "application/problem+json", ...headersOf(status), ...extras.headers },
  });
}

/** The sentences of the table say what happened, and behind a semicolon what to do. */
function partsOf(sentence: string): [title: string, action: string | undefined] {
  const end = sentence.indexOf("; ");
  if (end === -1) return [sentence, undefined];
  const action = sentence.slice(end + 2);
  return [`${sentence.slice(0, end)}.`, action.charAt(0).toUpperCase() + action.slice(1)];
}

function headersOf(status: number): Record<string, string> {
  if (status === 401) return { "www-authenticate": 'Bearer realm="iscep"' };
  if (status === 503) return { "retry-after": "1" };
  return {};
}

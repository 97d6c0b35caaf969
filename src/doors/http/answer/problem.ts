/** Answers that tell an error: problem details (RFC 9457). */
import { errorTable, IscepError, toIscepError, type ErrorCode } from "../../../errors.js";
import type { Outcome } from "../../../model/outcome.js";
import type { HttpFaultStatus } from "./http-faults.js";
import type { WrittenAnswer } from "./json-response.js";
import { problemText } from "./problem-text.js";

export interface ProblemExtras {
  /** The run that the error is about, or that had it as its outcome. */
  readonly run?: string | undefined;
  readonly outcome?: Outcome;
  /** How many bytes the standard input of the run has taken, of the writer or in all. */
  readonly offset?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An error that exists only over HTTP, such as a method that a path does not have. Its status is not that of its code. */
export function httpFault(status: HttpFaultStatus, code: ErrorCode, message: string): IscepError {
  const error = new IscepError(code, message);
  faultStatuses.set(error, status);
  return error;
}

/** The status is not kept in the details of the error, because a command decides what is in these. */
const faultStatuses = new WeakMap<IscepError, number>();

export function problem(thrown: unknown, extras?: ProblemExtras): Response {
  const { status, headers, body } = writtenProblem(thrown, extras);
  return new Response(body, { status, headers });
}

export function writtenProblem(thrown: unknown, extras: ProblemExtras = {}): WrittenAnswer {
  const error = toIscepError(thrown);
  const { run: itsRun } = error.details;
  const faultStatus = faultStatuses.get(error);
  const status = faultStatus ?? errorTable[error.code].http;
  const run = extras.run ?? (typeof itsRun === "string" ? itsRun : undefined);
  return {
    status,
    headers: { "content-type": "application/problem+json", ...headersOf(status), ...extras.headers },
    body: problemText(error, { ...extras, status, isOfHttp: faultStatus !== undefined, run }),
  };
}

function headersOf(status: number): Record<string, string> {
  if (status === 401) return { "www-authenticate": 'Bearer realm="iscep"' };
  if (status === 503) return { "retry-after": "1" };
  return {};
}

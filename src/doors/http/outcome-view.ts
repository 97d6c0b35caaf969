/** How a run ended, as JSON: in `GET /runs/ID`, in the event `end`, and in problem details. */
import { errorTable, type ErrorCode, type IscepError } from "../../errors.js";
import { outputChangesOf, type Outcome } from "../../model/outcome.js";

export interface OutcomeView {
  readonly status: Outcome["status"];
  readonly value?: unknown;
  /** Why there is no value, although the command gave one. */
  readonly valueError?: ErrorView;
  readonly error?: ErrorView;
  readonly exitCode?: number;
  readonly signal?: string;
  readonly truncated?: true;
  readonly masked?: true;
}

interface ErrorView {
  readonly code: string;
  readonly message: string;
  /** What to do about it. */
  readonly action?: string;
}

export function outcomeView(outcome: Outcome): OutcomeView {
  return {
    status: outcome.status,
    ...("value" in outcome && outcome.value !== undefined ? { value: outcome.value } : {}),
    ...("valueError" in outcome && outcome.valueError !== undefined
      ? { valueError: errorView(outcome.valueError) }
      : {}),
    ...("error" in outcome ? { error: errorView(outcome.error) } : {}),
    ...("exitCode" in outcome && outcome.exitCode !== undefined ? { exitCode: outcome.exitCode } : {}),
    ...("signal" in outcome ? { signal: outcome.signal } : {}),
    ...outputChangesOf(outcome),
  };
}

function errorView({ code, message }: IscepError): ErrorView {
  const { action } = partsOf(code);
  return { code, message, ...(action === undefined ? {} : { action }) };
}

/** The sentences of the table say what happened, and behind a semicolon what to do. */
export function partsOf(code: ErrorCode): { readonly title: string; readonly action: string | undefined } {
  const { sentence } = errorTable[code];
  const end = sentence.indexOf("; ");
  if (end === -1) return { title: sentence, action: undefined };
  const action = sentence.slice(end + 2);
  return { title: `${sentence.slice(0, end)}.`, action: action.charAt(0).toUpperCase() + action.slice(1) };
}

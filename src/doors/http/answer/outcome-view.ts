/** How a run ended, as JSON: in `GET /runs/ID`, in the event `end`, and in problem details. */
import { errorTable, type ErrorCode, type IscepError } from "../../../errors.js";
import { outputChangesOf, type Outcome } from "../../../model/outcome.js";

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
    ...("error" in outcome ? { error: errorView(outcome.error, outcome) } : {}),
    ...("exitCode" in outcome && outcome.exitCode !== undefined ? { exitCode: outcome.exitCode } : {}),
    ...("signal" in outcome ? { signal: outcome.signal } : {}),
    ...outputChangesOf(outcome),
  };
}

function errorView({ code, message }: IscepError, outcome?: Outcome): ErrorView {
  const { action } = partsOf(code, outcome);
  return { code, message, ...(action === undefined ? {} : { action }) };
}

export interface SentenceParts {
  readonly title: string;
  readonly action: string | undefined;
}

export function partsOf(code: ErrorCode, outcome?: Outcome): SentenceParts {
  const parts = sentenceParts(errorTable[code].sentence);
  // What a script says of its exit code is in its output, and no log of the server has it.
  if (outcome?.status === "failed" && outcome.exitCode !== undefined) return { ...parts, action: undefined };
  return { ...parts, action: actions[code] ?? parts.action };
}

/** A sentence of a table says what happened and, behind a semicolon, what to do. */
export function sentenceParts(sentence: string): SentenceParts {
  const end = sentence.indexOf("; ");
  if (end === -1) return { title: sentence, action: undefined };
  const action = sentence.slice(end + 2);
  return { title: `${sentence.slice(0, end)}.`, action: action.charAt(0).toUpperCase() + action.slice(1) };
}

/** Replacements for sentences of the table that name a verb of the command line. */
const actions: Partial<Record<ErrorCode, string>> = {
  command_not_found: "GET /commands lists the commands that this token may run.",
  run_not_found: "GET /runs lists the runs that this token may see.",
};

/** Writes and reads how a run ended, as lines of its file: first what is known of it, and then its value. */
import { errorTable, IscepError, isErrorCode } from "../errors.js";
import { isJsonObject } from "../wire/json.js";
import type { JsonText } from "../wire/json-text.js";
import {
  isOutcomeStatus,
  outcomeTable,
  outputChangesOf,
  type OutcomeKind,
  type OutcomeStatus,
  type OutputChanges,
  type RunOutcome,
} from "../model/outcome.js";
import { factsOf, keptArgumentsIn, type KeptArguments, type RunRecord } from "../model/run-record.js";

export interface StoredEnd extends Pick<
  RunRecord,
  "code" | "exitCode" | "signal" | "outputBytes" | keyof OutputChanges | keyof KeptArguments
> {
  readonly endedAtMs: number;
  readonly status: OutcomeStatus;
  readonly message?: string;
  /** Where the value is: in the next line, or nowhere, because there was none, or because it could not be kept. */
  readonly value: "next" | "none" | "gone";
}

export function endLines(
  outcome: RunOutcome,
  endedAtMs: number,
  outputBytes: number,
  { maxStoredValueBytes }: { readonly maxStoredValueBytes: number },
  kept?: Partial<KeptArguments>,
): { readonly end: StoredEnd; readonly text: string } {
  const value = "value" in outcome ? outcome.value : undefined;
  const isGone = "valueError" in outcome || (value !== undefined && value.bytes > maxStoredValueBytes);
  const end: StoredEnd = {
    endedAtMs,
    status: outcome.status,
    ...factsOf(outcome),
    ...("error" in outcome ? { message: outcome.error.message } : {}),
    outputBytes,
    ...kept,
    value: isGone ? "gone" : value === undefined ? "none" : "next",
  };
  return { end, text: `${JSON.stringify(end)}\n${end.value === "next" ? `${value?.text}\n` : ""}` };
}

/** undefined for a line that is incomplete, or was not written by us. */
export function readEnd(line: unknown): StoredEnd | undefined {
  if (!isJsonObject(line)) return undefined;
  const { endedAtMs, status, code, exitCode, signal, message, outputBytes, value } = line;
  if (typeof endedAtMs !== "number" || typeof outputBytes !== "number" || !isOutcomeStatus(status)) return undefined;
  return {
    endedAtMs,
    status,
    ...(typeof code === "string" ? { code } : {}),
    ...(typeof exitCode === "number" ? { exitCode } : {}),
    ...(typeof signal === "string" ? { signal } : {}),
    ...(typeof message === "string" ? { message } : {}),
    ...outputChangesOf(line),
    outputBytes,
    ...keptArgumentsIn(line),
    value: value === "next" || value === "none" ? value : "gone",
  };
}

export type KnownEnd = Pick<StoredEnd, "status" | "code" | "exitCode" | "signal" | "message" | keyof OutputChanges>;

/** @param value undefined when there was none, or when it is not kept (`isGone`) */
export function outcomeOf(end: KnownEnd, value: JsonText | undefined, isGone: boolean): RunOutcome {
  const { status, exitCode, signal = "SIGKILL" } = end;
  const exit = exitCode === undefined ? {} : { exitCode };
  const changes = outputChangesOf(end);
  if (status === "completed")
    return { status, value, ...exit, ...changes, ...(isGone ? { valueError: new IscepError("value_gone") } : {}) };
  const kind: OutcomeKind = outcomeTable[status];
  const code = end.code !== undefined && isErrorCode(end.code) ? end.code : (kind.code ?? "failed");
  const error = new IscepError(code, end.message ?? errorTable[code].sentence);
  const kept = { ...(value === undefined ? {} : { value }), ...changes };
  if (status === "failed") return { status, error, ...exit, ...kept };
  return status === "killed" ? { status, error, signal, ...kept } : { status, error };
}

export function lostError(): IscepError {
  return new IscepError("lost", "the server ended while the command was under way; nobody knows how far it came");
}

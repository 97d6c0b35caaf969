/** Reads the answer of a call: as the outcome of its run, or as the value that its caller gets. */
import type { IscepError } from "../../errors.js";
import { outputChangesOf, type Outcome } from "../../model/outcome.js";
import { isJsonObject } from "../../wire/json.js";

/** The value of a command that completed. null when it returned nothing. */
export function valueOfResult(result: unknown): unknown {
  return isJsonObject(result) ? (result["value"] ?? null) : null;
}

/** Makes an outcome of the answer of a command that completed. */
export function outcomeOfResult(result: unknown): Outcome {
  const fields = isJsonObject(result) ? result : {};
  const exit = typeof fields["exitCode"] === "number" ? { exitCode: fields["exitCode"] } : {};
  return { status: "completed", value: valueOfResult(result), ...exit, ...outputChangesOf(fields) };
}

/** Makes an outcome of an error answer. */
export function outcomeOfError(error: IscepError, data: Readonly<Record<string, unknown>>): Outcome {
  const { status, exitCode, signal, value } = data;
  const result = {
    ...(value === undefined ? {} : { value }),
    ...outputChangesOf(data),
  };
  const exit = typeof exitCode === "number" ? { exitCode } : {};
  switch (status) {
    case "completed":
      return { status, value: undefined, ...exit, ...outputChangesOf(data), valueError: error };
    case "failed":
      return { status, error, ...exit, ...result };
    case "killed":
      return { status, error, signal: typeof signal === "string" ? signal : "SIGKILL", ...result };
    case "timeout":
    case "cancelled":
    case "lost":
    case "rejected":
      return { status, error };
  }
  // The client's own errors have no status. A call that may not have been refused may have run.
  if (error.code === "timeout" || error.code === "cancelled") return { status: error.code, error };
  if (error.code === "lost" || error.code === "protocol") return { status: "lost", error };
  return { status: "rejected", error };
}

/** The value that `call` gives: for a script, its result with any exit code. @throws the outcome's IscepError */
export function valueOfOutcome(outcome: Outcome): unknown {
  if (outcome.status === "completed") {
    if (outcome.valueError !== undefined) throw outcome.valueError;
    return outcome.value;
  }
  if ("value" in outcome && outcome.value !== undefined) return outcome.value;
  throw outcome.error;
}

import type { IscepError } from "../../errors.js";
import { outputChangesOf, type Outcome } from "../../model/outcome.js";
import type { OutputChunk } from "./run-output.js";

/** A run, as its caller or a watcher holds it. */
export interface RunHandle<Value = unknown> extends AsyncDisposable {
  /** Rejects when the call was rejected before it became a run. */
  readonly id: Promise<string>;
  /**
   * Standard output and error while they come, to be iterated once. A slow reader holds the command back; where nobody has
   * begun to read, the run goes on, and who begins later gets the rest from the server, as far as that still keeps it
   * (`output_gone`).
   */
  readonly output: AsyncIterable<OutputChunk>;
  /** Never rejects: whatever happens is an outcome. */
  readonly outcome: Promise<Outcome>;
  /** The value, or throws the outcome's IscepError. */
  readonly value: Promise<Value>;
  onProgress(listener: (fraction: number, message: string | undefined) => void): void;
  /** The call waits for its turn, at this position of the queue, from 1; 0 when its turn has come. Seldom more than twice a second. */
  onQueued(listener: (position: number) => void): void;
  /** Asks the command to stop. The outcome tells whether it did. */
  cancel(): void;
  /** For `await using`: cancels the run, unless it was detached or only attached to, and waits for its outcome. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** The outcome that an error answer tells of. */
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
  // The client's own errors carry no status: what is not known to have been refused may have run.
  if (error.code === "timeout" || error.code === "cancelled") return { status: error.code, error };
  if (error.code === "lost" || error.code === "protocol") return { status: "lost", error };
  return { status: "rejected", error };
}

/** What the caller of a script gets whatever its exit code, as from `call`. @throws the outcome's IscepError */
export function valueOfOutcome(outcome: Outcome): unknown {
  if (outcome.status === "completed") {
    if (outcome.valueError !== undefined) throw outcome.valueError;
    return outcome.value;
  }
  if ("value" in outcome && outcome.value !== undefined) return outcome.value;
  throw outcome.error;
}

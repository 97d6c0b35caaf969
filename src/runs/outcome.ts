import type { IscepError } from "../errors.js";

/**
 * How a run ended: exactly one of these. What cannot be known is `lost`, never success.
 * `rejected` never started; `error.code` says why. `truncated`: a script printed more than it may, and the rest of its
 * output was dropped.
 */
export type Outcome =
  | {
      readonly status: "completed";
      readonly value: unknown;
      readonly exitCode?: number;
      readonly truncated?: true;
    }
  /** A function threw (`error`), or a script ended with an exit code other than 0 (`exitCode` and its result as `value`). */
  | {
      readonly status: "failed";
      readonly error: IscepError;
      readonly exitCode?: number;
      readonly value?: unknown;
      readonly truncated?: true;
    }
  | {
      readonly status: "killed";
      readonly error: IscepError;
      readonly signal: string;
      readonly value?: unknown;
      readonly truncated?: true;
    }
  | { readonly status: "timeout"; readonly error: IscepError }
  | { readonly status: "cancelled"; readonly error: IscepError }
  | { readonly status: "rejected"; readonly error: IscepError }
  | { readonly status: "lost"; readonly error: IscepError };

export type OutcomeStatus = Outcome["status"];

/** What a script's run gives back as its value, whatever its exit code. */
export interface ScriptResult {
  /** null when a signal ended the process */
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** UTF-8; bytes that are not UTF-8 become U+FFFD in version 1, which can carry text only */
  readonly stdout: string;
  readonly stderr: string;
  /** true when something was left out: beyond `maxRunOutputBytes` of each output, or of all that it may print */
  readonly truncated: boolean;
  readonly durationMs: number;
}

import { errorTable, type ErrorCode, type IscepError } from "../errors.js";
import type { JsonText } from "../wire/json-text.js";

/** What changed in a script's output on its way, so that it is not what the script printed. */
export interface OutputChanges {
  /** The script printed more than it may, and the rest was dropped. */
  readonly truncated?: true;
  /** A secret argument in it became `***`. */
  readonly masked?: true;
}

/** Reads these from any record that may have them: a message, or a line of a file. */
export function outputChangesOf(record: object): OutputChanges {
  return {
    ...("truncated" in record && record.truncated === true ? { truncated: true } : {}),
    ...("masked" in record && record.masked === true ? { masked: true } : {}),
  };
}

/**
 * How a run ended: exactly one of these. If nobody can know, it is `lost`, and never success. A `rejected` run never
 * started; `error.code` says why.
 */
export type Outcome<Value = unknown> =
  | ({
      readonly status: "completed";
      readonly value: Value;
      readonly exitCode?: number;
      /** Why `value` is undefined, although the command gave one: it is no longer kept. */
      readonly valueError?: IscepError;
    } & OutputChanges)
  /** A function threw (`error`), or a script ended with no exit code of success (`exitCode` and its result as `value`). */
  | ({
      readonly status: "failed";
      readonly error: IscepError;
      readonly exitCode?: number;
      readonly value?: Value;
    } & OutputChanges)
  | ({
      readonly status: "killed";
      readonly error: IscepError;
      readonly signal: string;
      readonly value?: Value;
    } & OutputChanges)
  | { readonly status: "timeout"; readonly error: IscepError }
  | { readonly status: "cancelled"; readonly error: IscepError }
  | { readonly status: "rejected"; readonly error: IscepError }
  | { readonly status: "lost"; readonly error: IscepError };

/**
 * An outcome in the server. Whether its value can be sent is decided before the run ends, and never again: whether JSON
 * can hold it (src/runs/run/settle.ts), and whether the door of its caller can carry it (src/runs/run/value-room.ts).
 */
export type RunOutcome = Outcome<JsonText | undefined>;

export type OutcomeStatus = Outcome["status"];

export interface OutcomeKind {
  /** The usual code of its error. undefined when there is no error, or when the code depends on the reason. */
  readonly code: ErrorCode | undefined;
  readonly sentence: string;
  /** What its answer has in addition to the error. */
  readonly beside: string;
}

/** What each status means. JSON-RPC numbers and exit codes follow from the error's code, by the table of errors. */
export const outcomeTable = {
  completed: {
    code: undefined,
    sentence: "It ran to its end, and the answer is a result.",
    beside: "`value` (absent if there is none), `exitCode`? of a script",
  },
  failed: {
    code: "failed",
    sentence:
      "It ran and failed: a function threw an error (with the code that it chose), or a script ended with an exit code that is none of its success codes (`0`, unless its command says otherwise).",
    beside: "`exitCode`? and `value`? of a script",
  },
  killed: {
    code: "killed",
    sentence: "Its process or thread was ended by a signal or by the system, and not by iscep.",
    beside: "`signal`: name; `value`? of a script",
  },
  timeout: { code: "timeout", sentence: "It was stopped by its timeout.", beside: "" },
  cancelled: {
    code: "cancelled",
    sentence:
      "It was stopped by a cancel, because its caller went away, by a newer call that took its place, or because the server closed.",
    beside: "",
  },
  rejected: {
    code: undefined,
    sentence: "It never started, or there is nothing to attach to or cancel; the code says why.",
    beside: "",
  },
  lost: {
    code: "lost",
    sentence: "Nobody knows whether or how it ended. Never treat it as success or as a rejection.",
    beside: "",
  },
} as const satisfies Record<OutcomeStatus, OutcomeKind>;

export function isOutcomeStatus(text: unknown): text is OutcomeStatus {
  return typeof text === "string" && Object.hasOwn(outcomeTable, text);
}

/** The numbers of a status whose error has the usual code. undefined when it has none. */
export function outcomeNumbers(status: OutcomeStatus): {
  readonly jsonRpc: number | undefined;
  readonly exitCode: number | undefined;
} {
  const { code }: OutcomeKind = outcomeTable[status];
  if (code !== undefined) return errorTable[code];
  return { jsonRpc: undefined, exitCode: status === "completed" ? 0 : undefined };
}

/** The value of a script's run, whatever its exit code. */
export interface ScriptResult {
  /** null when a signal ended the process. */
  readonly exitCode: number | null;
  /** The name of the signal that ended the process, such as `SIGTERM`; null when it exited by itself. */
  readonly signal: string | null;
  /** The output as text. Bytes that are not UTF-8 become U+FFFD, because version 1 can carry only text. */
  readonly stdout: string;
  /** Standard error, as `stdout`. */
  readonly stderr: string;
  /** true when output was left out: more than `maxRunOutputBytes` of one channel, or more than the script may print. */
  readonly truncated: boolean;
  /** How long the process ran, in milliseconds. */
  readonly durationMs: number;
}

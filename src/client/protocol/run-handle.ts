import type { Outcome } from "../../model/outcome.js";
import type { OutputChunk } from "./run-output.js";

/** The size of a terminal, in characters, each 1 to 65,535. */
export interface TerminalSize {
  /** The number of lines. */
  readonly rows: number;
  /** The number of characters in each line. */
  readonly columns: number;
}

export function isTerminalSize({ rows, columns }: TerminalSize): boolean {
  return [rows, columns].every((size) => Number.isInteger(size) && size >= 1 && size <= 65_535);
}

/** A run in the hands of its caller or of a follower. */
export interface RunHandle<Value = unknown> extends AsyncDisposable {
  /** The run's id. Rejects when the call was rejected before it became a run. */
  readonly id: Promise<string>;
  /**
   * Standard output and error as they come. Iterate it once. A slow reader holds the command back. While nobody has
   * begun to read, the run goes on, and a later reader gets the rest from the server, as far as it is still kept
   * (`output_gone`).
   */
  readonly output: AsyncIterable<OutputChunk>;
  /** The outcome. It never rejects, because every end is an outcome. */
  readonly outcome: Promise<Outcome>;
  /** The value, or throws the outcome's IscepError. */
  readonly value: Promise<Value>;
  /** Calls the listener with how far the command is, from 0 to 1, and with the text that it gave for the step. */
  onProgress(listener: (fraction: number, message: string | undefined) => void): void;
  /**
   * Calls the listener with the position in the queue, from 1; 0 when the wait is over. It is called at most about
   * twice a second.
   */
  onQueued(listener: (position: number) => void): void;
  /**
   * Tells the size of this caller's window to a script that runs on a terminal, if this caller sends its standard
   * input. A server that does not know of terminals is told nothing. A size that no terminal has is not told either.
   */
  resize(size: TerminalSize): void;
  /** Asks the command to stop. The outcome says whether it did. */
  cancel(): void;
  /** For `await using`: cancels the run, unless it is detached or was only attached to, and waits for its outcome. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** A run whose caller may still give it to another server. */
export interface WithdrawableRun extends RunHandle {
  /**
   * Asks the server to refuse the call after all, with `busy`, if it still waits for its turn. Resolves to false when it
   * does not: then nothing changes. undefined: it may be asked again, because it still waits,
   * or its server could not be asked or did not answer.
   */
  withdraw(): Promise<boolean | undefined>;
}

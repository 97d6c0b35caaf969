/** Writes the ends of runs to their files. An end that the disk does not take is kept and tried again, because callers have been told of it.
 */
import type { Limits } from "../limits/limits.js";
import { appendEnd } from "./run-file.js";

export interface RunEndsOptions {
  readonly limits: Pick<Limits, "maxUnwrittenOutputBytes">;
  readonly path: (run: string) => string;
  /** Called when the file of the run has become longer by so many bytes. */
  readonly wrote: (run: string, bytes: number) => void;
  readonly onProblem: (message: string, error: unknown) => void;
}

export class RunEnds {
  readonly #options: RunEndsOptions;
  readonly #waiting = new Map<string, string>();
  #waitingLength = 0;

  constructor(options: RunEndsOptions) {
    this.#options = options;
  }

  write(run: string, text: string): void {
    const { path, wrote, onProblem, limits } = this.#options;
    this.forget(run);
    try {
      wrote(run, appendEnd(path(run), text));
    } catch (error) {
      onProblem(`the end of run ${run} cannot be written to ${path(run)}; it is tried again`, error);
      // When too much waits, only the first line is kept, which says how the run ended. The value is then gone after a
      // restart.
      const isTooMuch = this.#waitingLength + text.length > limits.maxUnwrittenOutputBytes;
      const kept = isTooMuch ? text.slice(0, text.indexOf("\n", 1) + 1) : text;
      this.#waiting.set(run, kept);
      this.#waitingLength += kept.length;
    }
  }

  /** Where a part of the text could not be cut off, a newline first ends its line. */
  writeAgain(): void {
    for (const [run, text] of new Map(this.#waiting)) {
      // What was written makes the store larger, and it may have removed this run to make room.
      if (this.#waiting.has(run)) this.write(run, text.startsWith("\n") ? text : `\n${text}`);
    }
  }

  /** Call this when the run is removed. */
  forget(run: string): void {
    this.#waitingLength -= this.#waiting.get(run)?.length ?? 0;
    this.#waiting.delete(run);
  }
}

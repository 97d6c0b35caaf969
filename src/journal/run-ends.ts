/**
 * Writes the ends of runs to their files. What the disk does not take is kept, and written when it takes it again,
 * because callers have been told these ends.
 */
import type { Limits } from "../limits/limits.js";
import { appendEnd } from "./run-file.js";

export interface RunEndsOptions {
  readonly limits: Pick<Limits, "maxUnwrittenOutputBytes">;
  readonly path: (run: string) => string;
  /** The file of the run has so many bytes more. */
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
      // A value for which there is no room is then gone after a restart. The first line says how the run ended.
      const isTooMuch = this.#waitingLength + text.length > limits.maxUnwrittenOutputBytes;
      const kept = isTooMuch ? text.slice(0, text.trimStart().indexOf("\n") + 2) : text;
      this.#waiting.set(run, kept);
      this.#waitingLength += kept.length;
    }
  }

  /** The disk may have left an incomplete line, which is ended first. */
  writeAgain(): void {
    for (const [run, text] of new Map(this.#waiting)) this.write(run, text.startsWith("\n") ? text : `\n${text}`);
  }

  /** The run is removed, or its end is being written. */
  forget(run: string): void {
    this.#waitingLength -= this.#waiting.get(run)?.length ?? 0;
    this.#waiting.delete(run);
  }
}

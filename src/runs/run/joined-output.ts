/** The output of a run that joined the work of another run. It is a copy, with its own offsets and its own readers. */
import { toIscepError, type IscepError } from "../../errors.js";
import type { RunOutcome } from "../../model/outcome.js";
import type { OutputPiece, OutputWatcher, RunOutput } from "../streams/output.js";
import type { Run } from "./run.js";

/** What was read, and up to where. The first output keeps the rest, and its writer waits for our slow reader. */
interface Source extends OutputWatcher {
  readonly output: RunOutput;
  position: number;
}

export class JoinedOutput {
  readonly run: Run;
  readonly #gone: (error: IscepError) => void;
  /** The first output is read to its end, and then the next. */
  readonly #sources: Source[] = [];
  #isFull = false;
  #outcome: RunOutcome | undefined;

  /** @param gone called when output that the run has not got yet cannot be read any more */
  constructor(run: Run, gone: (error: IscepError) => void) {
    this.run = run;
    this.#gone = gone;
  }

  /** Begins with the part of `first` that is still kept. `rest` is what the work writes to, if `first` is closed. */
  begin(first: RunOutput, rest: RunOutput | undefined): void {
    this.#watch(first, first.start);
    if (rest !== undefined) this.continueWith(rest);
    this.run.whenEnded(() => this.#leave());
    this.#pump();
  }

  /** The first output is closed, and from now on the work writes here. */
  continueWith(rest: RunOutput): void {
    this.#watch(rest, 0);
  }

  /** The run ends with this outcome when it has all of the output. */
  end(outcome: RunOutcome): void {
    this.#outcome = outcome;
    this.#pump();
  }

  #watch(output: RunOutput, position: number): void {
    const source: Source = { output, position, isReader: false, outputReady: () => this.#pump() };
    output.watch(source);
    this.#sources.push(source);
  }

  #pump(): void {
    while (!this.#isFull) {
      const source = this.#source();
      const piece = source === undefined ? undefined : this.#next(source);
      if (source === undefined || piece === undefined) break;
      source.position += piece.bytes.length;
      const room = this.run.output.write(piece.channel, piece.bytes);
      source.output.positionChanged();
      if (room !== undefined) this.#waitFor(room);
    }
    const source = this.#source();
    // When the work is over, the last part may have to be read from files.
    if (this.#outcome !== undefined && (source === undefined || source.position === source.output.end))
      this.run.end(this.#outcome);
  }

  #source(): Source | undefined {
    const [source, next] = this.#sources;
    if (source === undefined || next === undefined || source.position < source.output.end) return source;
    source.output.unwatch(source);
    this.#sources.shift();
    return next;
  }

  #next({ output, position }: Source): OutputPiece | undefined {
    try {
      return output.read(position, Number.POSITIVE_INFINITY);
    } catch (error) {
      this.#gone(toIscepError(error));
      return undefined;
    }
  }

  #waitFor(room: Promise<void>): void {
    this.#isFull = true;
    void room.then(() => {
      this.#isFull = false;
      this.#pump();
    });
  }

  #leave(): void {
    for (const source of this.#sources.splice(0)) source.output.unwatch(source);
  }
}

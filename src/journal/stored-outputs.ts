/** Opens the output of runs in files: what earlier processes have left, and what another server still writes. */
import { isShortage } from "../files/shortage.js";
import { OutputFiles, type OutputFilesOptions } from "../runs/streams/output-files.js";
import { bytesOf, laterSegments, measureSegment, type Segment } from "../runs/streams/output-segments.js";
import type { StoredRun } from "./stored-run.js";

export class StoredOutputs {
  readonly #options: Omit<OutputFilesOptions, "runId">;
  /** By run: the segments that other processes wrote, until somebody asks for the output. */
  readonly #found = new Map<string, readonly Segment[]>();

  constructor(options: Omit<OutputFilesOptions, "runId">) {
    this.#options = options;
  }

  /** The run is new, and nothing of it is written yet. */
  begin(runId: string): OutputFiles {
    return new OutputFiles({ ...this.#options, runId });
  }

  found(run: string, segments: readonly Segment[]): void {
    if (segments.length > 0) this.#found.set(run, segments);
  }

  /**
   * Looks for what the run's own server has written since, and returns how many bytes that is.
   * @throws what the system says when descriptors or memory ran out: then nothing is known
   */
  look(stored: StoredRun): number {
    const { run } = stored.start;
    const known = stored.files?.segments ?? this.#found.get(run) ?? [];
    const knownBytes = bytesOf(known);
    try {
      const found = laterSegments(this.#options.folder, run, known);
      stored.files = undefined;
      this.#found.set(run, found);
      return bytesOf(found) - knownBytes;
    } catch (error) {
      this.#cannotRead(run, error);
      return 0;
    }
  }

  /** @throws as `look` */
  of(stored: StoredRun): OutputFiles {
    if (stored.files !== undefined) return stored.files;
    const { run } = stored.start;
    const found = [...(this.#found.get(run) ?? [])];
    const last = found.at(-1);
    try {
      if (last !== undefined) measureSegment(last);
    } catch (error) {
      this.#cannotRead(run, error);
    }
    this.#found.delete(run);
    return (stored.files = new OutputFiles({ ...this.#options, runId: run }, found));
  }

  #cannotRead(run: string, error: unknown): void {
    if (isShortage(error)) throw error;
    this.#options.onProblem(`the output of run ${run} cannot be read`, error);
  }
}

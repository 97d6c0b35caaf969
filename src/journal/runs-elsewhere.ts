/**
 * The runs of other servers of the same folder, which go on there or were left there. What their own server writes is
 * found by looks. A run whose server is gone is lost.
 */
import { IscepError } from "../errors.js";
import type { Limits } from "../limits/limits.js";
import type { RunOutcome } from "../model/outcome.js";
import type { RunRecord } from "../model/run-record.js";
import { runElsewhere } from "../runs/run/past-run.js";
import { RunOutput } from "../runs/streams/output.js";
import type { Run } from "../runs/run/run.js";
import type { FoundRuns } from "./found-runs.js";
import type { RunEnds } from "./run-ends.js";
import { readOutcome, readRunFile } from "./run-file.js";
import type { StoredOutputs } from "./stored-outputs.js";
import type { StoredRuns } from "./stored-runs.js";
import { recordOf, type StoredRun } from "./stored-run.js";
import { endLines, lostError, outcomeOf, type StoredEnd } from "./stored-outcome.js";

export interface RunsElsewhereOptions {
  readonly limits: Limits;
  readonly files: FoundRuns;
  readonly outputs: StoredOutputs;
  readonly ends: RunEnds;
  readonly runs: StoredRuns;
}

export class RunsElsewhere {
  readonly #options: RunsElsewhereOptions;

  constructor(options: RunsElsewhereOptions) {
    this.#options = options;
  }

  /** Runs of other servers that have no end, as far as this server knows. */
  unfinished(): StoredRun[] {
    return [...this.#options.runs.elsewhere];
  }

  /**
   * What its own server has written meanwhile counts, even if the run was reported as lost before.
   * @param isOver that server does not write any more. Default: false.
   * @throws what the system says when descriptors or memory ran out: then nothing is known
   */
  look(stored: StoredRun, isOver = false): StoredRun {
    const { start, end, isOwn } = stored;
    if (isOwn || (end !== undefined && end.status !== "lost")) return stored;
    const grown = this.#options.files.grown(start.run, stored.fileBytes);
    if (grown === undefined) {
      if (end === undefined && !this.#options.files.has(start.run)) this.#vanished(stored);
      return stored;
    }
    const news = grown.end?.status === end?.status ? undefined : grown.end;
    if (news !== undefined && !isOver && this.isBehind(stored, news)) return stored;
    if (news !== undefined) this.#endElsewhere(stored, news);
    // Nothing counts as seen before. In a shortage, the end is found again at the next look.
    this.#options.runs.bytes += grown.fileBytes - stored.fileBytes;
    stored.fileBytes = grown.fileBytes;
    return stored;
  }

  /**
   * True when the disk does not have all output yet. Output goes there after the end of its run, and a reader here must
   * not miss the last part.
   */
  isBehind(stored: StoredRun, { endedAtMs, outputBytes }: StoredEnd): boolean {
    // A disk that failed never gets it.
    if (Date.now() - endedAtMs > this.#options.limits.serverLeaseMs) return false;
    this.#options.runs.bytes += this.#options.outputs.look(stored);
    const files = this.#options.outputs.of(stored);
    if (files.end >= outputBytes) return false;
    if (stored.followed !== undefined) stored.output?.found(files.end, files);
    return true;
  }

  #endElsewhere(stored: StoredRun, end: StoredEnd): void {
    this.#options.runs.bytes += this.#options.outputs.look(stored);
    const { followed, output } = stored;
    // What may fail in a shortage comes before anything is changed.
    const outcome = followed && readOutcome(this.#options.files.path(stored.start.run), end, this.#options.limits);
    const files = followed && this.#options.outputs.of(stored);
    stored.end = end;
    if (end.status === "rejected") this.#options.runs.releaseKey(stored);
    this.#options.runs.elsewhere.delete(stored);
    this.#options.runs.unwritten.delete(stored.start.run);
    stored.followed = undefined;
    if (files === undefined) stored.output = undefined;
    else output?.found(end.outputBytes, files);
    if (outcome !== undefined) followed?.end(outcome);
  }

  /** Its server has removed it before this one saw how it ended. */
  #vanished(stored: StoredRun): void {
    const error = new IscepError("lost", "the run has ended in another server, which keeps nothing of it any more");
    const outcome: RunOutcome = { status: "lost", error };
    const { followed } = stored;
    stored.followed = undefined;
    stored.end = endLines(outcome, Date.now(), 0, this.#options.limits).end;
    this.#options.runs.remove(stored);
    followed?.end(outcome);
  }

  /** Ends a run whose end nobody saw, or only the log (`seen`). The end is in memory until it is written. */
  lose(stored: StoredRun, seen: RunRecord | undefined): void {
    this.#options.runs.bytes += this.#options.outputs.look(stored);
    const { end } = this.#options.outputs.of(stored);
    const outcome: RunOutcome =
      seen === undefined || seen.status === "running"
        ? { status: "lost", error: lostError() }
        : outcomeOf({ ...seen, status: seen.status }, undefined, true);
    const { limits } = this.#options;
    this.#endElsewhere(stored, endLines(outcome, seen?.endedAtMs ?? Date.now(), seen?.outputBytes ?? end, limits).end);
    this.#options.runs.unwritten.add(stored.start.run);
  }

  /** True when the end of the run is only in memory, or nobody was told of it yet. The run is not removed before. */
  isUnwritten(id: string): boolean {
    return this.#options.runs.unwritten.has(id);
  }

  /** Call this when the end of a lost run is written and told, or never can be. From now on the run may be removed. */
  told(id: string): void {
    this.#options.runs.unwritten.delete(id);
  }

  /**
   * Returns undefined when another server was first: then what that one wrote counts.
   * @throws IscepError `run_not_found` when another server has removed it; and what the system says
   */
  writeLost(stored: StoredRun): RunRecord | undefined {
    const { start, end } = readRunFile(this.#options.files.path(stored.start.run));
    // To write the end would make a file without a start.
    if (start === undefined) throw new IscepError("run_not_found", "another server has removed the run");
    if (end !== undefined) {
      stored.end = end;
      if (end.status === "rejected") this.#options.runs.releaseKey(stored);
      return undefined;
    }
    // Its own server may have been killed while it wrote. A newline ends that line first.
    this.#options.ends.write(stored.start.run, `\n${JSON.stringify(stored.end)}\n`);
    return recordOf(stored);
  }

  /** A run that ends when its own server has written so. @throws as `look` */
  follow(stored: StoredRun): Run {
    this.#options.runs.bytes += this.#options.outputs.look(stored);
    const files = this.#options.outputs.of(stored);
    stored.output = new RunOutput(this.#options.limits);
    stored.output.found(files.end, files);
    return runElsewhere(stored.start, stored.output);
  }
}

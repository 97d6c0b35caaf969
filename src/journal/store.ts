/**
 * The runs folder keeps what can be asked for after a restart of the server. Names of files are made from the server's
 * own run ids, never from text of a caller. It is bounded in bytes, number and age; the oldest ended runs are removed
 * first.
 */
import { chmodSync, mkdirSync, rmSync, statSync } from "node:fs";
import { atOnce, inTurns, type Steps } from "../files/in-turns.js";
import { busyInShortage } from "../files/shortage.js";
import type { Identity } from "../model/identity.js";
import type { Limits } from "../limits/limits.js";
import type { RunOutcome } from "../model/outcome.js";
import { bytesOf } from "../runs/streams/output-segments.js";
import { RunOutput } from "../runs/streams/output.js";
import { endedRun, runElsewhere } from "../runs/run/past-run.js";
import type { Run } from "../runs/run/run.js";
import type { RunRecord } from "../model/run-record.js";
import { FoundRuns, type FoundRun } from "./found-runs.js";
import { RunEnds } from "./run-ends.js";
import { readOutcome, readRunFile, writeStart } from "./run-file.js";
import { StoredOutputs } from "./stored-outputs.js";
import { keyHash, recordOf, startOf, type StoredRun } from "./stored-run.js";
import { endLines, lostError, outcomeOf, type StoredEnd } from "./stored-outcome.js";

export interface RunStoreOptions {
  readonly folder: string;
  readonly limits: Limits;
  readonly onProblem: (message: string, error: unknown) => void;
}

const sweepIntervalMs = 3_600_000;
const dayMs = 86_400_000;

export class RunStore {
  readonly #options: RunStoreOptions;
  readonly #files: FoundRuns;
  readonly #ends: RunEnds;
  readonly #outputs: StoredOutputs;
  /** The runs in the order of their ids, which is the order of their start. */
  readonly #runs = new Map<string, StoredRun>();
  readonly #keys = new Map<string, string>();
  #sweep: NodeJS.Timeout | undefined;
  #bytes = 0;

  private constructor(options: RunStoreOptions) {
    this.#options = options;
    const { folder } = options;
    this.#files = new FoundRuns(folder);
    this.#outputs = new StoredOutputs({ ...options, grew: (bytes) => this.#grew(bytes) });
    this.#ends = new RunEnds({
      ...options,
      path: (run) => this.#files.path(run),
      wrote: (run, bytes) => {
        const stored = this.#runs.get(run);
        if (stored !== undefined) stored.fileBytes += bytes;
        this.#grew(bytes);
      },
    });
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    if ((statSync(folder).mode & 0o077) !== 0) chmodSync(folder, 0o700);
  }

  /** @throws the system's error when the folder cannot be made or read */
  static async open(options: RunStoreOptions): Promise<RunStore> {
    const store = new RunStore(options);
    await inTurns(store.#read());
    store.#sweep = setInterval(() => store.#clean(), sweepIntervalMs).unref();
    return store;
  }

  *#read(): Steps {
    yield* this.#files.all((run, segments) => {
      this.#bytes += bytesOf(segments);
      this.#outputs.found(run.start.run, segments);
      this.#take(run);
    });
    yield* this.#cleaning();
  }

  #take(run: FoundRun): StoredRun {
    const stored: StoredRun = { ...run, isOwn: false, files: undefined, output: undefined, followed: undefined };
    // Its end is found at the next look.
    if (run.end !== undefined && this.#isBehind(stored, run.end))
      Object.assign(stored, { end: undefined, fileBytes: 0 });
    this.#add(stored);
    this.#bytes += stored.fileBytes;
    if (stored.end === undefined) this.#elsewhere.add(stored);
    return stored;
  }
  /** Runs of other servers without an end. */
  readonly #elsewhere = new Set<StoredRun>();

  #add(stored: StoredRun): void {
    const { run, key } = stored.start;
    this.#runs.set(run, stored);
    if (key !== undefined && stored.end?.status !== "rejected") this.#keys.set(key, run);
  }

  /** A run that never began has no right to its key: the next call with it begins. */
  #releaseKey({ start: { run, key } }: StoredRun): void {
    if (key !== undefined && this.#keys.get(key) === run) this.#keys.delete(key);
  }

  /** Call this before the run begins. From here on it is known, whatever happens to this process. */
  begin(run: Run): void {
    const start = startOf(run);
    let fileBytes: number;
    try {
      fileBytes = writeStart(this.#files.path(run.id), start);
    } catch (error) {
      this.#options.onProblem(
        `run ${run.id} cannot be written to ${this.#options.folder}; it is in memory only`,
        error,
      );
      return;
    }
    const files = this.#outputs.begin(run.id);
    run.output.keepIn(files);
    this.#add({ start, end: undefined, fileBytes, files, output: run.output, isOwn: true, followed: undefined });
    this.#grew(fileBytes);
  }

  #grew(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > this.#options.limits.maxRunsFolderBytes || this.#runs.size > this.#options.limits.maxStoredRuns)
      this.#clean();
  }

  end(run: Run, outcome: RunOutcome): void {
    const stored = this.#runs.get(run.id);
    if (stored === undefined || stored.end !== undefined) return;
    const { limits } = this.#options;
    // A slow check of arguments ends after the start of the run was written, so the end has the arguments then.
    const kept = stored.start.arguments === undefined ? run.keptArguments : undefined;
    const lines = endLines(outcome, run.endedAtMs ?? Date.now(), run.outputBytes, limits, kept);
    stored.end = lines.end;
    if (outcome.status === "rejected") this.#releaseKey(stored);
    this.#ends.write(run.id, lines.text);
  }

  /** Tries again what the disk did not take. */
  writeAgain(): void {
    this.#ends.writeAgain();
  }

  /** Runs of other servers that have no end, as far as this server knows. */
  unfinished(): StoredRun[] {
    return [...this.#elsewhere];
  }

  /**
   * What its own server has written meanwhile counts, even if the run was reported as lost before.
   * @param isOver that server writes no more. Default: false.
   * @throws what the system says when descriptors or memory ran out: then nothing is known
   */
  look(stored: StoredRun, isOver = false): StoredRun {
    const { start, end, isOwn } = stored;
    if (isOwn || (end !== undefined && end.status !== "lost")) return stored;
    const grown = this.#files.grown(start.run, stored.fileBytes);
    if (grown === undefined) return stored;
    const news = grown.end?.status === end?.status ? undefined : grown.end;
    if (news !== undefined && !isOver && this.#isBehind(stored, news)) return stored;
    if (news !== undefined) this.#endElsewhere(stored, news);
    // Nothing counts as seen before. In a shortage, the end is found again at the next look.
    this.#bytes += grown.fileBytes - stored.fileBytes;
    stored.fileBytes = grown.fileBytes;
    return stored;
  }

  /**
   * True when the disk does not have all output yet. Output goes there after the end of its run, and a reader here must
   * not miss the last part.
   */
  #isBehind(stored: StoredRun, { endedAtMs, outputBytes }: StoredEnd): boolean {
    // A disk that failed never gets it.
    if (Date.now() - endedAtMs > this.#options.limits.serverLeaseMs) return false;
    this.#bytes += this.#outputs.look(stored);
    const files = this.#outputs.of(stored);
    if (files.end >= outputBytes) return false;
    if (stored.followed !== undefined) stored.output?.found(files.end, files);
    return true;
  }

  #endElsewhere(stored: StoredRun, end: StoredEnd): void {
    this.#bytes += this.#outputs.look(stored);
    const { followed, output } = stored;
    // What may fail in a shortage comes before anything is changed.
    const outcome = followed && readOutcome(this.#files.path(stored.start.run), end, this.#options.limits);
    const files = followed && this.#outputs.of(stored);
    stored.end = end;
    if (end.status === "rejected") this.#releaseKey(stored);
    this.#elsewhere.delete(stored);
    this.#unwritten.delete(stored.start.run);
    stored.followed = undefined;
    if (files === undefined) stored.output = undefined;
    else output?.found(end.outputBytes, files);
    if (outcome !== undefined) followed?.end(outcome);
  }

  /** Ends a run whose end nobody saw, or only the log (`seen`). The end is in memory until it is written. */
  lose(stored: StoredRun, seen: RunRecord | undefined): void {
    this.#bytes += this.#outputs.look(stored);
    const { end } = this.#outputs.of(stored);
    const outcome: RunOutcome =
      seen === undefined || seen.status === "running"
        ? { status: "lost", error: lostError() }
        : outcomeOf({ ...seen, status: seen.status }, undefined, true);
    const { limits } = this.#options;
    this.#endElsewhere(stored, endLines(outcome, seen?.endedAtMs ?? Date.now(), seen?.outputBytes ?? end, limits).end);
    this.#unwritten.add(stored.start.run);
  }

  /** True when the end of the run is only in memory. */
  isUnwritten(id: string): boolean {
    return this.#unwritten.has(id);
  }
  readonly #unwritten = new Set<string>();

  /** Returns undefined when another server was first: then what that one wrote counts. */
  writeLost(stored: StoredRun): RunRecord | undefined {
    const { end } = readRunFile(this.#files.path(stored.start.run));
    this.#unwritten.delete(stored.start.run);
    if (end !== undefined) {
      stored.end = end;
      return undefined;
    }
    // Its own server may have been killed while it wrote. A newline ends that line first.
    this.#ends.write(stored.start.run, `\n${JSON.stringify(stored.end)}\n`);
    return recordOf(stored);
  }

  record(id: string): RunRecord | undefined {
    const stored = this.get(id);
    return stored === undefined ? undefined : recordOf(stored);
  }

  /** @throws IscepError `busy` when it cannot be read now. A passing fault must not count as if nothing were there. */
  get(id: string): StoredRun | undefined {
    return busyInShortage(() => this.#get(id));
  }

  #get(id: string): StoredRun | undefined {
    const known = this.#runs.get(id);
    if (known !== undefined) return this.look(known);
    const begunElsewhere = this.#files.one(id);
    if (begunElsewhere === undefined) return undefined;
    const stored = this.#take(begunElsewhere);
    this.#bytes += this.#outputs.look(stored);
    return stored;
  }

  /** How many runs there are, and the bytes of their files. */
  get size(): { readonly runs: number; readonly bytes: number } {
    return { runs: this.#runs.size, bytes: this.#bytes };
  }

  /** The records for the list of runs. */
  records(): RunRecord[] {
    return [...this.#runs.values()].map(recordOf);
  }

  byKey(identity: Identity, key: string): StoredRun | undefined {
    const id = this.#keys.get(keyHash(identity, key));
    return id === undefined ? undefined : this.get(id);
  }

  /**
   * Makes a run that has ended, or one that goes on in its own server and ends when that server has written so.
   * @throws IscepError as `get`
   */
  restore(stored: StoredRun): Run {
    return busyInShortage(() => this.#restore(stored));
  }

  #restore(stored: StoredRun): Run {
    const { start, end } = stored;
    if (end === undefined) return (stored.followed ??= this.#follow(stored));
    const files = this.#outputs.of(stored);
    stored.output ??= RunOutput.ended(this.#options.limits, end.outputBytes, files);
    const outcome = readOutcome(this.#files.path(start.run), end, this.#options.limits);
    return endedRun(start, outcome, end.endedAtMs, stored.output);
  }

  #follow(stored: StoredRun): Run {
    this.#bytes += this.#outputs.look(stored);
    const files = this.#outputs.of(stored);
    stored.output = new RunOutput(this.#options.limits);
    stored.output.found(files.end, files);
    return runElsewhere(stored.start, stored.output);
  }

  #clean(): void {
    atOnce(this.#cleaning());
  }

  *#cleaning(): Steps {
    // Dropping files below changes the number of bytes, and calls this again.
    if (this.#isCleaning) return;
    this.#isCleaning = true;
    try {
      for (const run of this.#files.sweep()) this.#take(run);
      yield* this.#makeRoom();
    } catch (error) {
      this.#options.onProblem(`${this.#options.folder} cannot be looked through for runs that are too old`, error);
    } finally {
      this.#isCleaning = false;
    }
  }
  #isCleaning = false;

  *#makeRoom(): Steps {
    const { maxRunsFolderBytes, maxStoredRuns, storedRunDays } = this.#options.limits;
    const oldestMs = Date.now() - storedRunDays * dayMs;
    for (const stored of this.#runs.values()) {
      const isOver = this.#bytes > maxRunsFolderBytes || this.#runs.size > maxStoredRuns;
      if (!isOver && stored.start.startedAtMs >= oldestMs) return;
      if (stored.end === undefined || stored.output?.isWatched === true) continue;
      if (!isOver && stored.end.endedAtMs >= oldestMs) continue;
      if (stored.files?.isWriting !== true) this.#remove(stored);
      yield;
    }
    // The runs that go on may be too much by themselves. Then each keeps its newest output.
    for (const { files } of this.#runs.values()) {
      while (this.#bytes > maxRunsFolderBytes && files?.dropOldest() === true);
    }
  }

  #remove(stored: StoredRun): void {
    const { run } = stored.start;
    this.#runs.delete(run);
    this.#elsewhere.delete(stored);
    this.#ends.forget(run);
    this.#releaseKey(stored);
    try {
      this.#outputs.of(stored).remove();
      rmSync(this.#files.path(run), { force: true });
    } catch (error) {
      this.#options.onProblem(`run ${run} cannot be removed from ${this.#options.folder}`, error);
    }
    this.#bytes -= stored.fileBytes;
  }

  /** Resolves when all output is written. */
  async close(): Promise<void> {
    clearInterval(this.#sweep);
    this.#ends.writeAgain();
    await Promise.all([...this.#runs.values()].map(async ({ files }) => files?.settled()));
  }
}

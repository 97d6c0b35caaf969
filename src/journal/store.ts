/**
 * The runs folder keeps what can be asked for after a restart of the server. Names of files are made from the server's
 * own run ids, and from hashes of keys, never from text of a caller.
 */
import { chmodSync, mkdirSync, rmSync, statSync } from "node:fs";
import { inTurns, type Steps } from "../files/in-turns.js";
import { busyInShortage } from "../files/shortage.js";
import type { Identity } from "../model/identity.js";
import type { Limits } from "../limits/limits.js";
import type { RunOutcome } from "../model/outcome.js";
import { bytesOf } from "../runs/streams/output-segments.js";
import { RunOutput } from "../runs/streams/output.js";
import { endedRun } from "../runs/run/past-run.js";
import type { Run } from "../runs/run/run.js";
import type { RunRecord } from "../model/run-record.js";
import { FoundRuns, type FoundRun } from "./found-runs.js";
import { RunEnds } from "./run-ends.js";
import { readOutcome, writeStart } from "./run-file.js";
import { RunsElsewhere } from "./runs-elsewhere.js";
import { StoredOutputs } from "./stored-outputs.js";
import { StoredRuns } from "./stored-runs.js";
import { keyHash, recordOf, startOf, type StoredRun } from "./stored-run.js";
import { endLines } from "./stored-outcome.js";

export interface RunStoreOptions {
  readonly folder: string;
  readonly limits: Limits;
  readonly onProblem: (message: string, error: unknown) => void;
}

export class RunStore {
  readonly #options: RunStoreOptions;
  readonly #files: FoundRuns;
  readonly #ends: RunEnds;
  readonly #outputs: StoredOutputs;
  readonly #runs: StoredRuns;
  readonly elsewhere: RunsElsewhere;

  private constructor(options: RunStoreOptions) {
    this.#options = options;
    const { folder } = options;
    this.#files = new FoundRuns(folder);
    this.#runs = new StoredRuns({
      ...options,
      addBegun: () => {
        for (const run of this.#files.sweep()) this.#take(run);
      },
      removeFiles: (stored) => this.#removeFiles(stored),
    });
    this.#outputs = new StoredOutputs({ ...options, grew: (bytes) => this.#runs.grew(bytes) });
    this.#ends = new RunEnds({
      ...options,
      path: (run) => this.#files.path(run),
      wrote: (run, bytes) => {
        const stored = this.#runs.get(run);
        if (stored !== undefined) stored.fileBytes += bytes;
        this.#runs.grew(bytes);
      },
    });
    this.elsewhere = new RunsElsewhere({
      limits: options.limits,
      files: this.#files,
      outputs: this.#outputs,
      ends: this.#ends,
      runs: this.#runs,
    });
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    if ((statSync(folder).mode & 0o077) !== 0) chmodSync(folder, 0o700);
  }

  /** @throws the system's error when the folder cannot be made or read */
  static async open(options: RunStoreOptions): Promise<RunStore> {
    const store = new RunStore(options);
    await inTurns(store.#read());
    store.#runs.begin();
    return store;
  }

  *#read(): Steps {
    yield* this.#files.all((run, segments) => {
      this.#runs.bytes += bytesOf(segments);
      this.#outputs.found(run.start.run, segments);
      this.#take(run);
    });
    yield* this.#runs.cleaning();
  }

  #take(run: FoundRun): StoredRun {
    const stored: StoredRun = { ...run, isOwn: false, files: undefined, output: undefined, followed: undefined };
    // Its end is found at the next look.
    if (run.end !== undefined && this.elsewhere.isBehind(stored, run.end))
      Object.assign(stored, { end: undefined, fileBytes: 0 });
    this.#runs.add(stored);
    this.#runs.bytes += stored.fileBytes;
    if (stored.end === undefined) this.#runs.elsewhere.add(stored);
    return stored;
  }

  /**
   * Call this before the run begins. From here on it is known, whatever happens to this process. Returns false when a
   * run of another server has its key: then nothing is kept, and the run must not begin.
   * @param processes the id that its processes have, if that is another one
   */
  begin(run: Run, processes?: string): boolean {
    const start = startOf(run, processes);
    const path = this.#files.path(run.id);
    let fileBytes: number;
    let isOurs = true;
    try {
      fileBytes = writeStart(path, start);
      isOurs = start.key === undefined || this.#claimKey(start.key, run.id);
      if (!isOurs) rmSync(path, { force: true });
    } catch (error) {
      this.#options.onProblem(
        `run ${run.id} cannot be written to ${this.#options.folder}; it is in memory only`,
        error,
      );
      return isOurs;
    }
    if (!isOurs) return false;
    const files = this.#outputs.begin(run.id);
    run.output.keepIn(files);
    this.#runs.add({ start, end: undefined, fileBytes, files, output: run.output, isOwn: true, followed: undefined });
    this.#runs.grew(fileBytes);
    return true;
  }

  #claimKey(keyHash: string, id: string): boolean {
    try {
      return this.#runs.claimKey(keyHash, id, (other) => this.#hasKey(other, keyHash) !== undefined);
    } catch (error) {
      const { folder, onProblem } = this.#options;
      onProblem(`other servers of ${folder} cannot be told of the key of run ${id}`, error);
      return true;
    }
  }

  /** The run, if it is there and has a right to the key. A run that never began has none. */
  #hasKey(id: string, keyHash: string): StoredRun | undefined {
    const stored = this.get(id);
    return stored?.start.key === keyHash && stored.end?.status !== "rejected" ? stored : undefined;
  }

  end(run: Run, outcome: RunOutcome): void {
    const stored = this.#runs.get(run.id);
    if (stored === undefined || stored.end !== undefined) return;
    const { limits } = this.#options;
    // A slow check of arguments ends after the start of the run was written, so the end has the arguments then.
    const kept = stored.start.arguments === undefined ? run.keptArguments : undefined;
    const lines = endLines(outcome, run.endedAtMs ?? Date.now(), run.outputBytes, limits, kept);
    stored.end = lines.end;
    if (outcome.status === "rejected") this.#runs.releaseKey(stored);
    this.#ends.write(run.id, lines.text);
  }

  /** Tries again what the disk did not take. */
  writeAgain(): void {
    this.#ends.writeAgain();
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
    if (known !== undefined) {
      this.elsewhere.look(known);
      // Another server may have removed it.
      return this.#runs.get(id);
    }
    const begunElsewhere = this.#files.one(id);
    if (begunElsewhere === undefined) return undefined;
    const stored = this.#take(begunElsewhere);
    this.#runs.bytes += this.#outputs.look(stored);
    return stored;
  }

  /** How many runs there are, and the bytes of their files. */
  get size(): { readonly runs: number; readonly bytes: number } {
    return { runs: this.#runs.count, bytes: this.#runs.bytes };
  }

  /** The records for the list of runs. */
  records(): RunRecord[] {
    return this.#runs.all().map(recordOf);
  }

  /** Also a run that another server of the folder has begun since. @throws IscepError as `get` */
  byKey(identity: Identity, key: string): StoredRun | undefined {
    const hash = keyHash(identity, key);
    const id = busyInShortage(() => this.#runs.runOfKey(hash));
    return id === undefined ? undefined : this.#hasKey(id, hash);
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
    if (end === undefined) return (stored.followed ??= this.elsewhere.follow(stored));
    const files = this.#outputs.of(stored);
    stored.output ??= RunOutput.ended(this.#options.limits, end.outputBytes, files);
    const outcome = readOutcome(this.#files.path(start.run), end, this.#options.limits);
    return endedRun(start, outcome, end.endedAtMs, stored.output);
  }

  /** @throws what the system says */
  #removeFiles(stored: StoredRun): void {
    const { run } = stored.start;
    this.#ends.forget(run);
    this.#outputs.of(stored).remove();
    rmSync(this.#files.path(run), { force: true });
  }

  /** Resolves when all output is written. */
  async close(): Promise<void> {
    this.#ends.writeAgain();
    await this.#runs.close();
  }
}

/**
 * The runs of the runs folder that this server knows, and the room that they take there. It is bounded in bytes, number
 * and age; the oldest ended runs are removed first.
 */
import { atOnce, type Steps } from "../files/in-turns.js";
import { isShortage } from "../files/shortage.js";
import type { Limits } from "../limits/limits.js";
import { KeyLinks } from "./key-links.js";
import type { StoredRun } from "./stored-run.js";

export interface StoredRunsOptions {
  readonly folder: string;
  readonly limits: Limits;
  readonly onProblem: (message: string, error: unknown) => void;
  /** Adds the runs whose files have got their first line since. */
  readonly addBegun: () => void;
  /** @throws what the system says */
  readonly removeFiles: (stored: StoredRun) => void;
}

const sweepIntervalMs = 3_600_000;
const dayMs = 86_400_000;

export class StoredRuns {
  readonly #options: StoredRunsOptions;
  /** In the order of their ids, which is the order of their start. */
  readonly #byId = new Map<string, StoredRun>();
  readonly #keys = new Map<string, string>();
  readonly #links: KeyLinks;
  /** Runs of other servers that have no end, as far as this server knows. */
  readonly elsewhere = new Set<StoredRun>();
  /**
   * Lost runs whose ends are only in memory. They are not removed before they are taken out here, when somebody was
   * told.
   */
  readonly unwritten = new Set<string>();
  #sweep: NodeJS.Timeout | undefined;
  #isCleaning = false;
  /** How much all runs have in the folder. */
  bytes = 0;

  constructor(options: StoredRunsOptions) {
    this.#options = options;
    this.#links = new KeyLinks(options.folder);
  }

  get(id: string): StoredRun | undefined {
    return this.#byId.get(id);
  }

  all(): StoredRun[] {
    return [...this.#byId.values()];
  }

  get count(): number {
    return this.#byId.size;
  }

  add(stored: StoredRun): void {
    const { run, key } = stored.start;
    this.#byId.set(run, stored);
    if (key !== undefined && stored.end?.status !== "rejected") this.#keys.set(key, run);
  }

  /** @throws the system's error in a shortage: then nobody can say which run has the key */
  runOfKey(keyHash: string): string | undefined {
    const known = this.#keys.get(keyHash);
    if (known !== undefined) return known;
    try {
      return this.#links.runOf(keyHash);
    } catch (error) {
      if (isShortage(error)) throw error;
      // In a folder that fails, runs go on in memory.
      this.#options.onProblem(`keys cannot be read in ${this.#options.folder}`, error);
      return undefined;
    }
  }

  /** Returns false when a run of another server has the key. @throws as `KeyLinks.claim` */
  claimKey(keyHash: string, run: string, isHeldBy: (run: string) => boolean): boolean {
    return this.#links.claim(keyHash, run, isHeldBy);
  }

  /** A run that never began has no right to its key: the next call with it begins. */
  releaseKey({ start: { run, key } }: StoredRun): void {
    if (key === undefined) return;
    if (this.#keys.get(key) === run) this.#keys.delete(key);
    try {
      this.#links.release(key, run);
    } catch (error) {
      this.#options.onProblem(`the key of run ${run} cannot be released in ${this.#options.folder}`, error);
    }
  }

  grew(bytes: number): void {
    this.bytes += bytes;
    const { maxRunsFolderBytes, maxStoredRuns } = this.#options.limits;
    if (this.bytes > maxRunsFolderBytes || this.#byId.size > maxStoredRuns) atOnce(this.cleaning());
  }

  /** Looks at intervals for runs that are too old. */
  begin(): void {
    this.#sweep = setInterval(() => atOnce(this.cleaning()), sweepIntervalMs).unref();
  }

  *cleaning(): Steps {
    // Dropping files below changes the number of bytes, and calls this again.
    if (this.#isCleaning) return;
    this.#isCleaning = true;
    try {
      this.#options.addBegun();
      yield* this.#makeRoom();
    } catch (error) {
      const { folder, onProblem } = this.#options;
      onProblem(`${folder} cannot be looked through for runs that are too old`, error);
    } finally {
      this.#isCleaning = false;
    }
  }

  *#makeRoom(): Steps {
    const { maxRunsFolderBytes, maxStoredRuns, storedRunDays } = this.#options.limits;
    const oldestMs = Date.now() - storedRunDays * dayMs;
    for (const [id, stored] of this.#byId) {
      const isOver = this.bytes > maxRunsFolderBytes || this.#byId.size > maxStoredRuns;
      if (!isOver && stored.start.startedAtMs >= oldestMs) return;
      if (stored.end === undefined || this.unwritten.has(id) || stored.output?.isWatched === true) continue;
      if (!isOver && stored.end.endedAtMs >= oldestMs) continue;
      if (stored.files?.isWriting !== true) this.remove(stored);
      yield;
    }
    // The runs that go on may be too much by themselves. Then each keeps its newest output.
    for (const { files } of this.#byId.values()) {
      while (this.bytes > maxRunsFolderBytes && files?.dropOldest() === true);
    }
  }

  remove(stored: StoredRun): void {
    const { run } = stored.start;
    this.#byId.delete(run);
    this.elsewhere.delete(stored);
    this.releaseKey(stored);
    try {
      this.#options.removeFiles(stored);
    } catch (error) {
      this.#options.onProblem(`run ${run} cannot be removed from ${this.#options.folder}`, error);
    }
    this.bytes -= stored.fileBytes;
  }

  /** Resolves when all output is written. */
  async close(): Promise<void> {
    clearInterval(this.#sweep);
    await Promise.all(this.all().map(async ({ files }) => files?.settled()));
  }
}

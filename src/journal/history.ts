/**
 * The list of runs, those that go on and those that have ended, in the order of their start. It is bounded: the oldest
 * are removed first.
 */
import type { RunRecord, RunsPage } from "../model/run-record.js";
import { recordOfRun } from "../runs/run/record.js";
import type { Run } from "../runs/run/run.js";

interface Entry {
  readonly id: string;
  /** Under way. */
  run: Run | undefined;
  record: RunRecord | undefined;
}

export class RunHistory {
  readonly #maxEntries: number;
  /** Ids of version 7 sort by time. */
  readonly #entries: Entry[] = [];
  readonly #byId = new Map<string, Entry>();

  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries;
  }

  add(run: Run): void {
    if (!this.#byId.has(run.id)) this.#insert({ id: run.id, run, record: undefined });
  }

  /** Adds a run of an earlier process. */
  addRecord(record: RunRecord): void {
    if (!this.#byId.has(record.run)) this.#insert({ id: record.run, run: undefined, record });
  }

  ended(run: Run): void {
    const entry = this.#byId.get(run.id);
    if (entry === undefined) return;
    entry.record = recordOfRun(run);
    entry.run = undefined;
  }

  get(id: string): RunRecord | undefined {
    const entry = this.#byId.get(id);
    return entry === undefined ? undefined : recordOf(entry);
  }

  /** A page of the runs for which `take` returns something, newest first. */
  page(after: string | undefined, limit: number, take: (record: RunRecord) => RunRecord | undefined): RunsPage {
    const runs: RunRecord[] = [];
    for (let index = this.#place(after) - 1; index >= 0; index--) {
      const entry = this.#entries[index];
      const known = entry === undefined ? undefined : recordOf(entry);
      const record = known === undefined ? undefined : take(known);
      if (record === undefined) continue;
      const last = runs.at(-1);
      if (runs.length === limit && last !== undefined) return { runs, next: last.run };
      runs.push(record);
    }
    return { runs };
  }

  #insert(entry: Entry): void {
    this.#byId.set(entry.id, entry);
    const { id } = entry;
    const last = this.#entries.at(-1);
    if (last === undefined || last.id < id) this.#entries.push(entry);
    else this.#entries.splice(this.#place(id), 0, entry);
    // Many are removed at once, because each removal moves all the others.
    if (this.#entries.length > this.#maxEntries * 1.1 + 1) this.#dropOldest(this.#entries.length - this.#maxEntries);
  }

  #dropOldest(count: number): void {
    const stay: Entry[] = [];
    let left = count;
    for (const entry of this.#entries) {
      if (left > 0 && entry.run === undefined) {
        left--;
        this.#byId.delete(entry.id);
      } else stay.push(entry);
    }
    this.#entries.splice(0, this.#entries.length, ...stay);
  }

  /** How many entries come before this id. Without an id: all. */
  #place(id: string | undefined): number {
    if (id === undefined) return this.#entries.length;
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const entry = this.#entries[middle];
      if (entry !== undefined && entry.id < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function recordOf({ run, record }: Entry): RunRecord | undefined {
  return record ?? (run === undefined ? undefined : recordOfRun(run));
}

/** Finds what earlier processes have left in the runs folder, and what other servers are writing there. */
import { readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Steps } from "../files/in-turns.js";
import { foundSegments, segmentName, type Segment, type SegmentFile } from "../runs/streams/output-segments.js";
import { fileOfRun, readRunFile, runOfFile, type RunStart } from "./run-file.js";
import type { StoredEnd } from "./stored-outcome.js";

export interface FoundRun {
  readonly start: RunStart;
  readonly end: StoredEnd | undefined;
  readonly fileBytes: number;
}

// A file gets its first line within a moment after it is made, not a minute.
const maxUnbegunMs = 60_000;

export class FoundRuns {
  readonly #folder: string;
  /** Files without a complete first line: their server was killed before the command began, or is just writing it. */
  readonly #unbegun = new Set<string>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  path(run: string): string {
    return join(this.#folder, fileOfRun(run));
  }

  has(run: string): boolean {
    return statSync(this.path(run), { throwIfNoEntry: false }) !== undefined;
  }

  /** Gives the runs in the order of their ids. @throws the system's error */
  *all(found: (run: FoundRun, segments: Segment[]) => void): Steps {
    const segments = new Map<string, SegmentFile[]>();
    const ids: string[] = [];
    for (const name of readdirSync(this.#folder)) {
      const id = runOfFile(name);
      if (id !== undefined) ids.push(id);
      const segment = segmentName(name);
      if (segment === undefined) continue;
      const list = segments.get(segment.run) ?? [];
      list.push({ offset: segment.offset, fileBytes: sizeOf(join(this.#folder, name)) });
      segments.set(segment.run, list);
      yield;
    }
    for (const id of ids.sort()) {
      const run = this.#read(id);
      if (run !== undefined) found(run, foundSegments(this.#folder, id, segments.get(id) ?? []));
      yield;
    }
  }

  #read(id: string): FoundRun | undefined {
    const path = this.path(id);
    const { start, end } = readRunFile(path);
    if (start === undefined) this.#unbegun.add(id);
    return start === undefined ? undefined : { start, end, fileBytes: sizeOf(path) };
  }

  /**
   * A run that another server has begun since. Whatever the text is, only a file with the name of a run is looked for.
   */
  one(id: string): FoundRun | undefined {
    if (runOfFile(fileOfRun(id)) === undefined || sizeOf(this.path(id)) === 0) return undefined;
    return this.#read(id);
  }

  /** Reads what was added behind the known bytes; undefined when nothing was added. */
  grown(
    id: string,
    knownBytes: number,
  ): { readonly end: StoredEnd | undefined; readonly fileBytes: number } | undefined {
    const fileBytes = sizeOf(this.path(id));
    return fileBytes <= knownBytes ? undefined : { end: readRunFile(this.path(id)).end, fileBytes };
  }

  /** Removes files of runs whose commands never began. Gives those that have their first line now. */
  *sweep(): Generator<FoundRun, void, undefined> {
    for (const id of this.#unbegun) {
      const stats = statSync(this.path(id), { throwIfNoEntry: false });
      if (stats !== undefined && Date.now() - stats.mtimeMs < maxUnbegunMs) continue;
      const run = stats === undefined ? undefined : this.#read(id);
      if (run !== undefined) yield run;
      else rmSync(this.path(id), { force: true });
      // After a fault in between, it is looked for again.
      this.#unbegun.delete(id);
    }
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/**
 * The output of one run in files, in addition to memory. It is appended as fast as the disk allows, and read back for
 * later readers. When the disk takes no more, the run goes on: the files keep what they have, and later output is only
 * in memory. Files are removed by the retention only, never because of a fault.
 */
import { rmSync } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { IscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import type { BlockPart, OutputPiece } from "./output-block.js";
import { frameOf } from "./output-frames.js";
import { OutputReader } from "./output-reader.js";
import { addPlace, bytesOf, newSegment, type Segment } from "./output-segments.js";

export interface OutputFilesOptions {
  readonly folder: string;
  readonly runId: string;
  readonly limits: Pick<Limits, "maxStoredOutputBytes" | "outputSegmentBytes" | "maxUnwrittenOutputBytes">;
  /** The files take so many bytes more of the disk, or fewer; 0 when files that were needed may be removed now. */
  readonly grew: (bytes: number) => void;
  readonly onProblem: (message: string, error: unknown) => void;
}

/** Gives the bytes, and is told what happens. */
export interface OutputSource {
  /** The part from an offset to the end of its block; undefined when there is nothing more. */
  part(offset: number): BlockPart | undefined;
  /** The first offset that a watcher still needs; Infinity without watchers. */
  readonly neededFrom: number;
  /** The first offset that is in memory. */
  readonly inMemoryFrom: number;
  /** Called when more is on the disk, when more can be read from it, or when it has failed. */
  filesChanged(): void;
}

// One system call writes at most this much.
const maxWriteBytes = 1024 * 1024;

export class OutputFiles {
  readonly #options: OutputFilesOptions;
  readonly #segments: Segment[];
  readonly #reader = new OutputReader(() => this.#source?.filesChanged());
  #source: OutputSource | undefined;
  #file: FileHandle | undefined;
  #end: number;
  #isStopped = false;
  #closing = false;
  #writing: Promise<void> | undefined;

  /** @param found segments of an earlier process, which are only read */
  constructor(options: OutputFilesOptions, found: Segment[] = []) {
    this.#options = options;
    this.#segments = found;
    this.#end = found.at(-1)?.end ?? 0;
  }

  /** The offset of the first byte that can be read from the files. */
  get start(): number {
    return this.#segments[0]?.offset ?? this.#end;
  }

  /** The offset up to which the files hold the output. */
  get end(): number {
    return this.#end;
  }

  /** Nothing more is written: the disk took no more, or the files were removed. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  get isWriting(): boolean {
    return this.#writing !== undefined;
  }

  get maxUnwrittenBytes(): number {
    return this.#options.limits.maxUnwrittenOutputBytes;
  }

  get maxBytes(): number {
    return this.#options.limits.maxStoredOutputBytes;
  }

  /** Call this once, before the first write and the first read. */
  connect(source: OutputSource): void {
    this.#source = source;
  }

  /** Tells that there is more in the source. */
  wrote(): void {
    if (this.#writing !== undefined || this.#isStopped) return;
    // Output of one turn of the event loop is written together.
    this.#writing = new Promise<void>((resolve) => setImmediate(resolve))
      .then(() => this.#writeAll())
      .catch((error: unknown) => this.#stop(error))
      .then(() => {
        this.#writing = undefined;
        // Writes what came since the last look.
        if (this.#isBehind && !this.#isStopped) this.wrote();
        // What is being written is not removed.
        else this.#options.grew(0);
        this.#source?.filesChanged();
      });
  }

  get #isBehind(): boolean {
    return (this.#closing && this.#file !== undefined) || this.#source?.part(this.#end) !== undefined;
  }

  /** No more will come. */
  close(): void {
    this.#closing = true;
    this.wrote();
  }

  /** Resolves when everything is written, or the disk takes no more. */
  async settled(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  async #writeAll(): Promise<void> {
    for (;;) {
      const buffers: Buffer[] = [];
      const first = this.#end;
      let end = first;
      let bytes = 0;
      while (bytes < maxWriteBytes) {
        const part = this.#source?.part(end);
        if (part === undefined) break;
        for (const buffer of frameOf(part)) {
          buffers.push(buffer);
          bytes += buffer.length;
        }
        end += part.bytes.length;
      }
      if (bytes === 0) break;
      const segment = await this.#segmentFor(first);
      await writeWhole(this.#file, buffers, bytes);
      segment.fileBytes += bytes;
      segment.end = end;
      addPlace(segment, { offset: end, fileOffset: segment.fileBytes });
      this.#end = end;
      this.#options.grew(bytes);
      this.#dropOldest();
      this.#source?.filesChanged();
    }
    if (this.#closing) await this.#closeFile();
  }

  async #segmentFor(offset: number): Promise<Segment> {
    const last = this.#segments.at(-1);
    if (last !== undefined && this.#file !== undefined && last.fileBytes < this.#options.limits.outputSegmentBytes)
      return last;
    await this.#closeFile();
    const segment = newSegment(this.#options.folder, this.#options.runId, offset);
    this.#file = await open(segment.path, "wx", 0o600);
    this.#segments.push(segment);
    return segment;
  }

  async #closeFile(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  get segments(): readonly Segment[] {
    return this.#segments;
  }

  get fileBytes(): number {
    return bytesOf(this.#segments);
  }

  /** The segment that is being written stays. So does what a watcher still needs, unless that grows without end. */
  #dropOldest(): void {
    let bytes = this.fileBytes;
    while (bytes > this.maxBytes && this.#segments.length > 1) {
      const [oldest] = this.#segments;
      // A writer that always waits when it must never gets here.
      if (oldest === undefined || !this.dropOldest(bytes > 2 * this.maxBytes)) return;
      bytes -= oldest.fileBytes;
    }
  }

  /** Returns false when everything that is left is being written or still needed by a watcher. */
  dropOldest(isNeededToo = false): boolean {
    const [oldest] = this.#segments;
    if (oldest === undefined || this.#segments.length < 2) return false;
    if (!isNeededToo && (this.#source?.neededFrom ?? Number.POSITIVE_INFINITY) < oldest.end) return false;
    this.#segments.shift();
    rmSync(oldest.path, { force: true });
    this.#options.grew(-oldest.fileBytes);
    return true;
  }

  /** Removes the files of a run that is forgotten. */
  remove(): void {
    this.#isStopped = true;
    for (const segment of this.#segments.splice(0)) {
      rmSync(segment.path, { force: true });
      this.#options.grew(-segment.fileBytes);
    }
    this.#reader.clear();
  }

  /**
   * Reads from an offset in the files. undefined when it must be read from the disk first; then `filesChanged` tells
   * when that is done.
   * @throws IscepError `output_gone` when this file cannot be read now. The details say where to read on.
   */
  read(offset: number, maxBytes: number): OutputPiece | undefined {
    const segment = this.#segments.findLast((one) => one.offset <= offset);
    if (segment === undefined) return undefined;
    try {
      return this.#reader.read(segment, offset, maxBytes);
    } catch (error) {
      this.#options.onProblem(`the output of run ${this.#options.runId} cannot be read in ${segment.path}`, error);
      throw outputGone(Math.min(segment.end, this.#source?.inMemoryFrom ?? segment.end), error);
    }
  }

  /** Nobody reads it now, so nothing of it is kept for a reader. */
  unwatched(): void {
    this.#reader.clear();
    this.#options.grew(0);
  }

  #stop(fault: unknown): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    const { runId, folder } = this.#options;
    this.#options.onProblem(
      `the output of run ${runId} cannot be written in ${folder}; from here on it is only in memory`,
      fault,
    );
    void this.#closeFile().catch(() => undefined); // the disk's failure was already reported
  }
}

/** @param fault why output that is still kept cannot be read */
export function outputGone(start: number, fault?: unknown): IscepError {
  const what = fault === undefined ? `is no longer kept (${start} bytes)` : "cannot be read now";
  return new IscepError("output_gone", `the output before offset ${start} ${what}; read on from there`, {
    details: { start },
    ...(fault === undefined ? {} : { cause: fault }),
  });
}

/** Writes all of it, because each write of the system may take only a part. */
async function writeWhole(file: FileHandle | undefined, buffers: readonly Buffer[], bytes: number): Promise<void> {
  if (file === undefined) return;
  const { bytesWritten } = await file.writev(buffers);
  if (bytesWritten === bytes) return;
  const rest = Buffer.concat(buffers).subarray(bytesWritten);
  await file.appendFile(rest);
}

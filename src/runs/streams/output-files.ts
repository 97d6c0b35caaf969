/**
 * The output of one run in files, beside what is kept in memory: appended as the disk takes it, read back for those who
 * come later. A disk that fails takes nothing from the run: its output is then in memory only.
 */
import { rmSync } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import type { Limits } from "../../limits/limits.js";
import type { BlockPart, OutputPiece } from "./output-block.js";
import { frameOf } from "./output-frames.js";
import { OutputReader } from "./output-reader.js";
import { addPlace, bytesOf, newSegment, type Segment } from "./output-segments.js";

export interface OutputFilesOptions {
  readonly folder: string;
  readonly runId: string;
  readonly limits: Pick<Limits, "maxStoredOutputBytes" | "outputSegmentBytes" | "maxUnwrittenOutputBytes">;
  /** They take so many bytes more of the disk, or less. */
  readonly grew: (bytes: number) => void;
  readonly onProblem: (message: string, error: unknown) => void;
}

/** Where the bytes come from, and who is told. */
export interface OutputSource {
  /** From an offset on, to the end of the block that holds it; undefined when there is nothing more. */
  part(offset: number): BlockPart | undefined;
  /** What a watcher has yet to read; Infinity without any. */
  readonly neededFrom: number;
  /** More is on the disk, or can be read from it, or it has failed. */
  filesChanged(): void;
}

// One call of the system writes so much at most.
const maxWriteBytes = 1024 * 1024;

export class OutputFiles {
  readonly #options: OutputFilesOptions;
  readonly #segments: Segment[];
  readonly #reader = new OutputReader(() => this.#source?.filesChanged());
  #source: OutputSource | undefined;
  #file: FileHandle | undefined;
  #end: number;
  #failed = false;
  #closing = false;
  #writing: Promise<void> | undefined;

  /** @param found of an earlier process, to be read only */
  constructor(options: OutputFilesOptions, found: Segment[] = []) {
    this.#options = options;
    this.#segments = found;
    this.#end = found.at(-1)?.end ?? 0;
  }

  /** The offset of the first byte that can be read from them. */
  get start(): number {
    return this.#segments[0]?.offset ?? this.#end;
  }

  /** Up to where they hold the output. */
  get end(): number {
    return this.#end;
  }

  /** They are of no use: what they held is not kept. */
  get failed(): boolean {
    return this.#failed;
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

  /** To be called once, before the first write and the first read. */
  connect(source: OutputSource): void {
    this.#source = source;
  }

  /** There is more in the source. */
  wrote(): void {
    if (this.#writing !== undefined || this.#failed) return;
    // What comes in one turn of the event loop is written together.
    this.#writing = new Promise<void>((resolve) => setImmediate(resolve))
      .then(() => this.#writeAll())
      .catch((error: unknown) => this.#fail("cannot be written", error))
      .then(() => {
        this.#writing = undefined;
        // What came since it looked for more.
        if (this.#isBehind) this.wrote();
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

  /** All that came is with the system, or the disk has failed. */
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

  /** The one that is written stays, and what somebody has yet to read, unless that grows without end. */
  #dropOldest(): void {
    let bytes = this.fileBytes;
    while (bytes > this.maxBytes && this.#segments.length > 1) {
      const [oldest] = this.#segments;
      // A writer that waits when it is asked to never comes so far.
      if (oldest === undefined || !this.dropOldest(bytes > 2 * this.maxBytes)) return;
      bytes -= oldest.fileBytes;
    }
  }

  /** False when there is nothing to drop but what is being written, or what somebody has yet to read. */
  dropOldest(isNeededToo = false): boolean {
    const [oldest] = this.#segments;
    if (oldest === undefined || this.#segments.length < 2) return false;
    if (!isNeededToo && (this.#source?.neededFrom ?? Number.POSITIVE_INFINITY) < oldest.end) return false;
    this.#segments.shift();
    rmSync(oldest.path, { force: true });
    this.#options.grew(-oldest.fileBytes);
    return true;
  }

  /** Of a run that is forgotten. */
  remove(): void {
    this.#failed = true;
    for (const segment of this.#segments.splice(0)) {
      rmSync(segment.path, { force: true });
      this.#options.grew(-segment.fileBytes);
    }
    this.#reader.clear();
  }

  /** From an offset that they hold; undefined when it has to be read first, and `filesChanged` tells when it was. */
  read(offset: number, maxBytes: number): OutputPiece | undefined {
    const segment = this.#segments.findLast((one) => one.offset <= offset);
    const piece = segment === undefined ? undefined : this.#reader.read(segment, offset, maxBytes);
    if (this.#reader.failure !== undefined) this.#fail("cannot be read", this.#reader.failure);
    return this.#failed ? undefined : piece;
  }

  unwatched(): void {
    this.#reader.clear();
  }

  #fail(what: string, error: unknown): void {
    if (this.#failed) return;
    this.#options.onProblem(
      `the output of run ${this.#options.runId} ${what} in ${this.#options.folder}; what is in memory is kept`,
      error,
    );
    void this.#closeFile().catch(() => undefined); // the disk has failed already, and that was told
    this.remove();
  }
}

/** Of the system's own writes, each may take a part only. */
async function writeWhole(file: FileHandle | undefined, buffers: readonly Buffer[], bytes: number): Promise<void> {
  if (file === undefined) return;
  const { bytesWritten } = await file.writev(buffers);
  if (bytesWritten === bytes) return;
  const rest = Buffer.concat(buffers).subarray(bytesWritten);
  await file.appendFile(rest);
}

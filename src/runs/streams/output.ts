/**
 * The output of one run: bytes with offsets, in the order in which they came, with standard output and error apart. The
 * last part is in memory. The part before is in files, if the run has any. When there is too much, what all watchers
 * have read is dropped. What a watcher still needs is never dropped.
 */
import { IscepError } from "../../errors.js";
import {
  maxBlockBytes,
  OutputBlock,
  type BlockOwner,
  type BlockPart,
  type LentPiece,
  type OutputChannel,
  type OutputPiece,
} from "./output-block.js";
import { outputGone, type OutputFiles, type OutputSource } from "./output-files.js";
import { blockAt } from "./output-reader.js";

export type { OutputChannel, OutputPiece } from "./output-block.js";

/** A follower. It is told that there is more to read, or that no more will come. */
export interface OutputWatcher {
  /** The offset up to which it has read. */
  readonly position: number;
  /** False for a watcher that is no client, and so takes no place of one. */
  readonly isReader?: boolean;
  outputReady(): void;
}

export interface OutputLimits {
  /** How much is kept in memory for later readers. */
  readonly maxRetainedOutputBytes: number;
  /** The writer must wait while a watcher that has once read everything is this far behind. */
  readonly streamWindowBytes: number;
}

interface Watching {
  readonly watcher: OutputWatcher;
  /**
   * True when the watcher has once read everything, or took over from one that had. Until then it reads older output,
   * and the writer need not wait for it.
   */
  live: boolean;
}

// The first block of a run is small, because many runs print little.
const firstBlockBytes = 1024;

// To copy less than this costs no more than another block.
const worthABlockBytes = 16 * 1024;

/**
 * The memory of so many dropped blocks is kept for the next ones of the same run. New memory for each block would start
 * a full garbage collection every 25 MB. Another run never gets it, so that no fault can show it to another caller.
 */
const maxSpareBlocks = 4;

export class RunOutput implements OutputSource, BlockOwner {
  readonly #limits: OutputLimits;
  #stored: OutputFiles | undefined;
  #blocks: OutputBlock[] = [];
  #last: OutputBlock | undefined;
  #spare: Buffer[] | undefined;
  #start = 0;
  #end = 0;
  #closed = false;
  #isInFilesAlone = false;
  // This is a list, because it has one entry most times, and every piece goes through it.
  #watching: Watching[] = [];
  #waitingWriters: (() => void)[] = [];

  constructor(limits: OutputLimits) {
    this.#limits = limits;
  }

  /** Call this before anything is written, or when nothing more will be written. */
  keepIn(files: OutputFiles): void {
    this.#stored = files;
    files.connect(this);
  }

  /** The output of a run of an earlier process, or of one that was dropped from memory. All of it is in files. */
  static ended(limits: OutputLimits, end: number, files?: OutputFiles): RunOutput {
    const output = new RunOutput(limits);
    output.found(end, files);
    output.#closed = true;
    return output;
  }

  /** Another process writes this output. This is what that process has put into files so far. */
  found(end: number, files: OutputFiles | undefined): void {
    if (files !== undefined) this.keepIn(files);
    this.#start = end;
    this.#end = end;
    for (const { watcher } of this.#watching) watcher.outputReady();
  }

  /** The files that will get what comes. */
  get #files(): OutputFiles | undefined {
    return this.#stored?.isStopped === false ? this.#stored : undefined;
  }

  /** The offset of the first byte that is still kept. */
  get start(): number {
    const files = this.#stored;
    return files === undefined || files.start === files.end ? this.#start : Math.min(this.#start, files.start);
  }

  get inMemoryFrom(): number {
    return this.#start;
  }

  /** How many bytes were written in all. */
  get end(): number {
    return this.#end;
  }

  get isWatched(): boolean {
    return this.#watching.length > 0;
  }

  /** How many clients read it. Each piece goes through all of them. */
  get readers(): number {
    return this.#watching.reduce((count, { watcher }) => count + (watcher.isReader === false ? 0 : 1), 0);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** The memory that it takes. */
  get memoryBytes(): number {
    return this.#blocks.reduce((sum, block) => sum + block.size, (this.#spare?.length ?? 0) * maxBlockBytes);
  }

  /**
   * Copies the bytes. Returns a promise when the writer must wait for a slow reader, and undefined when it may go on.
   * @param isGiven the bytes will not be changed, so they need no copy. Default: false.
   */
  write(channel: OutputChannel, data: string | Uint8Array, isGiven = false): Promise<void> | undefined {
    if (this.#closed || data.length === 0) return undefined;
    if (typeof data === "string") this.#appendText(channel, data);
    else if (!isGiven || !this.#adopt(channel, data)) this.#append(channel, data);
    this.#stored?.wrote();
    for (const { watcher } of this.#watching) watcher.outputReady();
    if (!this.#isAhead()) return undefined;
    return new Promise((resolve) => this.#waitingWriters.push(resolve));
  }

  /**
   * A large piece becomes a block without a copy, if no other bytes share its buffer. The rest of the block before
   * stays free. It is smaller than the piece, so blocks never take more than twice the bytes of the output.
   */
  #adopt(channel: OutputChannel, { buffer, byteOffset, length }: Uint8Array): boolean {
    if (length < worthABlockBytes || length > maxBlockBytes || length !== buffer.byteLength) return false;
    if (this.#last !== undefined && this.#last.room(channel) >= length) return false;
    this.#forget();
    this.#last = OutputBlock.full(this.#end, channel, Buffer.from(buffer, byteOffset, length), length);
    this.#blocks.push(this.#last);
    this.#end += length;
    return true;
  }

  #append(channel: OutputChannel, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const block = this.#blockFor(channel, bytes.length - at);
      const length = Math.min(bytes.length - at, block.room(channel));
      block.append(channel, at === 0 && length === bytes.length ? bytes : bytes.subarray(at, at + length));
      at += length;
      this.#end += length;
    }
  }

  #appendText(channel: OutputChannel, text: string): void {
    const most = 3 * text.length; // the bytes of UTF-8 for each UTF-16 unit
    const block = this.#last;
    if (block !== undefined && block.room(channel) >= most) this.#end += block.appendText(channel, text);
    else this.#append(channel, Buffer.from(text));
  }

  #blockFor(channel: OutputChannel, wanted: number): OutputBlock {
    if (this.#last !== undefined && this.#last.room(channel) > 0) return this.#last;
    const size = Math.max(wanted, this.#last === undefined ? firstBlockBytes : 4 * this.#last.size);
    this.#forget();
    const block = OutputBlock.empty(this.#end, channel, this.#memoryFor(Math.min(size, maxBlockBytes)));
    this.#blocks.push(block);
    this.#last = block;
    return block;
  }

  #memoryFor(size: number): Buffer {
    return (size === maxBlockBytes ? this.#spare?.pop() : undefined) ?? Buffer.allocUnsafeSlow(size);
  }

  reuse(memory: Buffer): void {
    if (this.#closed || memory.length < maxBlockBytes) return;
    this.#spare ??= [];
    if (this.#spare.length < maxSpareBlocks) this.#spare.push(memory);
  }

  /** Drops what is beyond the limit, but never what a watcher still needs. */
  #forget(): void {
    let needed = this.#isInFilesAlone ? this.#end : this.#end - this.#limits.maxRetainedOutputBytes;
    if (this.#start >= needed) return;
    needed = Math.min(needed, this.#files?.end ?? this.neededFrom);
    let drop = 0;
    for (const block of this.#blocks) {
      if (block.end > needed || (block === this.#last && !this.#closed)) break;
      drop++;
    }
    if (drop === 0) return;
    for (const block of this.#blocks.splice(0, drop)) block.drop(this);
    this.#last = this.#blocks.at(-1);
    this.#start = this.#blocks[0]?.offset ?? this.#end;
  }

  /** The run has ended, and others need the memory. Output in files is read from there. Without files it is gone. */
  leaveToFiles(): void {
    this.#isInFilesAlone = true;
    this.#forget();
  }

  /** The position of the watcher that is furthest behind. */
  get neededFrom(): number {
    let needed = Number.POSITIVE_INFINITY;
    for (const { watcher } of this.#watching) needed = Math.min(needed, watcher.position);
    return needed;
  }

  /** How much is not in the files yet. */
  part(offset: number): BlockPart | undefined {
    return offset < this.#end ? this.#blockAt(offset)?.part(offset) : undefined;
  }

  filesChanged(): void {
    this.#forget();
    if (this.#waitingWriters.length > 0 && !this.#isAhead()) this.#resumeWriters();
    for (const { watcher } of this.#watching) if (watcher.position < this.#start) watcher.outputReady();
  }

  #isAhead(): boolean {
    const files = this.#files;
    if (files !== undefined && this.#end - files.end > files.maxUnwrittenBytes) return true;
    for (const { watcher, live } of this.#watching) {
      const { streamWindowBytes } = this.#limits;
      const maxRetainedOutputBytes = files?.maxBytes ?? this.#limits.maxRetainedOutputBytes;
      // A watcher that reads older output has time until that output would soon be dropped. The other half is for the
      // time in which its connection breaks and it comes back.
      const most = live ? streamWindowBytes : Math.max(streamWindowBytes, maxRetainedOutputBytes / 2);
      if (this.#end - watcher.position > most) return true;
    }
    return false;
  }

  /**
   * The next piece from `offset` on, at most `maxBytes`. undefined when there is none yet; watchers are told when there
   * is.
   * @throws IscepError `output_gone` when it is no longer kept, `invalid_arguments` beyond the end
   */
  read(offset: number, maxBytes: number): OutputPiece | undefined {
    this.checkOffset(offset);
    if (offset === this.#end) return undefined;
    if (offset >= this.#start) return this.#blockAt(offset)?.read(offset, maxBytes);
    return this.#stored?.read(offset, maxBytes);
  }

  /**
   * The same for a reader that tells when it does not need the bytes any more, so that their memory can be used again.
   */
  lend(offset: number, maxBytes: number): OutputPiece | LentPiece | undefined {
    if (offset >= this.#start && offset < this.#end) return this.#blockAt(offset)?.lend(offset, maxBytes);
    return this.read(offset, maxBytes);
  }

  /** @throws IscepError as `read` */
  checkOffset(offset: number): void {
    if (offset > this.#end) {
      throw new IscepError(
        "invalid_arguments",
        `the output has ${this.#end} bytes so far, and offset ${offset} is beyond that`,
      );
    }
    if (offset < this.#start && !this.#isInFiles(offset)) {
      // A server that was killed, or whose disk was full, may not have written the last part.
      throw outputGone(offset < this.start ? this.start : this.#start);
    }
  }

  #isInFiles(offset: number): boolean {
    const files = this.#stored;
    return files !== undefined && offset >= files.start && offset < files.end;
  }

  #blockAt(offset: number): OutputBlock | undefined {
    // The search begins at the end, because followers read near it.
    if (this.#last !== undefined && offset >= this.#last.offset) return this.#last;
    return blockAt(this.#blocks, offset);
  }

  /** Until `unwatch`, this watcher's position counts: what it has not read is kept, and the writer waits for it. */
  watch(watcher: OutputWatcher): void {
    const live = this.#watching.some((other) => other.live && other.watcher.position <= watcher.position);
    this.#watching.push({ watcher, live: live || watcher.position === this.#end });
  }

  unwatch(watcher: OutputWatcher): void {
    const index = this.#watching.findIndex((watching) => watching.watcher === watcher);
    if (index === -1) return;
    // A new list is made, because a loop may be going through the present one.
    this.#watching = this.#watching.toSpliced(index, 1);
    if (this.#watching.length === 0) this.#stored?.unwatched();
    this.positionChanged();
  }

  /** Call this when a watcher has read on. */
  positionChanged(): void {
    for (const watching of this.#watching) if (watching.watcher.position === this.#end) watching.live = true;
    this.#forget();
    if (this.#waitingWriters.length > 0 && !this.#isAhead()) this.#resumeWriters();
  }

  #resumeWriters(): void {
    const waiting = this.#waitingWriters;
    this.#waitingWriters = [];
    for (const resume of waiting) resume();
  }

  /** No more will come. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#spare = undefined;
    this.#resumeWriters();
    this.#stored?.close();
    for (const { watcher } of this.#watching) watcher.outputReady();
  }
}

/**
 * The output of one run: bytes with offsets, in the order in which they came, standard output and error apart. What
 * watchers have read is dropped when there is too much of it; what one of them has yet to read never is.
 */
import { IscepError } from "../errors.js";
import { maxBlockBytes, OutputBlock, type OutputChannel, type OutputPiece } from "./output-block.js";

export type { OutputChannel, OutputPiece } from "./output-block.js";

/** Someone who follows: told that there is more to read, or that no more will come. */
export interface OutputWatcher {
  /** Up to where it has read. */
  readonly position: number;
  outputReady(): void;
}

export interface OutputLimits {
  /** Kept in memory for those who come later. */
  readonly maxRetainedOutputBytes: number;
  /** The writer is asked to wait while a watcher that was at the end is so far behind. */
  readonly streamWindowBytes: number;
}

interface Watching {
  readonly watcher: OutputWatcher;
  /** Has been at the end once, or took over from such a one; until then it reads what came before it, and the writer need not wait for it. */
  live: boolean;
}

// The first block of a run that says little stays small.
const firstBlockBytes = 1024;

export class RunOutput {
  readonly #limits: OutputLimits;
  #blocks: OutputBlock[] = [];
  #last: OutputBlock | undefined;
  #start = 0;
  #end = 0;
  #closed = false;
  // A list: it has one entry most times, and is gone through for each piece.
  #watching: Watching[] = [];
  #waitingWriters: (() => void)[] = [];

  constructor(limits: OutputLimits) {
    this.#limits = limits;
  }

  /** The offset of the first byte that is still kept. */
  get start(): number {
    return this.#start;
  }

  /** How many bytes were written in all. */
  get end(): number {
    return this.#end;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** What it costs in memory. */
  get memoryBytes(): number {
    return this.#blocks.reduce((sum, block) => sum + block.size, 0);
  }

  /** Copies the bytes. Returns a promise when the writer should wait for a slow reader, undefined when it may go on. */
  write(channel: OutputChannel, data: string | Uint8Array): Promise<void> | undefined {
    if (this.#closed || data.length === 0) return undefined;
    if (typeof data === "string") this.#appendText(channel, data);
    else this.#append(channel, data);
    for (const { watcher } of this.#watching) watcher.outputReady();
    if (!this.#isAhead()) return undefined;
    return new Promise((resolve) => this.#waitingWriters.push(resolve));
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
    const most = 3 * text.length; // of UTF-8, for each UTF-16 unit
    const block = this.#last;
    if (block !== undefined && block.room(channel) >= most) this.#end += block.appendText(channel, text);
    else this.#append(channel, Buffer.from(text));
  }

  #blockFor(channel: OutputChannel, wanted: number): OutputBlock {
    if (this.#last !== undefined && this.#last.room(channel) > 0) return this.#last;
    const size = Math.max(wanted, this.#last === undefined ? firstBlockBytes : 4 * this.#last.size);
    const block = new OutputBlock(this.#end, channel, Math.min(size, maxBlockBytes));
    this.#forget();
    this.#blocks.push(block);
    this.#last = block;
    return block;
  }

  /** Drops what is beyond the limit, but never what a watcher has yet to read. */
  #forget(): void {
    let needed = this.#end - this.#limits.maxRetainedOutputBytes;
    if (this.#start >= needed) return;
    for (const { watcher } of this.#watching) needed = Math.min(needed, watcher.position);
    let drop = 0;
    for (const block of this.#blocks) {
      if (block.end > needed || block === this.#last) break;
      drop++;
    }
    if (drop === 0) return;
    this.#blocks.splice(0, drop);
    this.#start = this.#blocks[0]?.offset ?? this.#end;
  }

  #isAhead(): boolean {
    for (const { watcher, live } of this.#watching) {
      const { streamWindowBytes, maxRetainedOutputBytes } = this.#limits;
      // One that reads what came before it has time until that would have to be dropped, soon: the other half is for
      // the time in which its connection breaks and it comes back.
      const most = live ? streamWindowBytes : Math.max(streamWindowBytes, maxRetainedOutputBytes / 2);
      if (this.#end - watcher.position > most) return true;
    }
    return false;
  }

  /**
   * The next piece from `offset` on, at most `maxBytes`; undefined when there is none yet.
   * @throws IscepError `output_gone` when it is no longer kept, `invalid_arguments` beyond the end.
   */
  read(offset: number, maxBytes: number): OutputPiece | undefined {
    this.checkOffset(offset);
    return offset === this.#end ? undefined : this.#blockAt(offset)?.read(offset, maxBytes);
  }

  /** @throws IscepError as `read` */
  checkOffset(offset: number): void {
    if (offset > this.#end) {
      throw new IscepError(
        "invalid_arguments",
        `the output has ${this.#end} bytes so far, and offset ${offset} is beyond that`,
      );
    }
    if (offset < this.#start) {
      throw new IscepError("output_gone", `the output before offset ${this.#start} is no longer kept`, {
        details: { start: this.#start },
      });
    }
  }

  #blockAt(offset: number): OutputBlock | undefined {
    // Followers read near the end.
    if (this.#last !== undefined && offset >= this.#last.offset) return this.#last;
    let low = 0;
    let high = this.#blocks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const block = this.#blocks[middle];
      if (block !== undefined && block.end <= offset) low = middle + 1;
      else high = middle;
    }
    return this.#blocks[low];
  }

  /** Until `unwatch`, this watcher's position counts: what it has not read is kept, and the writer waits for it. */
  watch(watcher: OutputWatcher): void {
    const live = this.#watching.some((other) => other.live && other.watcher.position <= watcher.position);
    this.#watching.push({ watcher, live: live || watcher.position === this.#end });
  }

  unwatch(watcher: OutputWatcher): void {
    const index = this.#watching.findIndex((watching) => watching.watcher === watcher);
    if (index === -1) return;
    // A new list, as this one may be being gone through.
    this.#watching = this.#watching.toSpliced(index, 1);
    this.positionChanged();
  }

  /** To be called when a watcher has read on. */
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
    this.#resumeWriters();
    for (const { watcher } of this.#watching) watcher.outputReady();
  }
}

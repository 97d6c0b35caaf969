/**
 * The output of one run: bytes with offsets, in the order in which they came, standard output and error apart. What
 * watchers have read is dropped when there is too much of it; the one who is slowest holds the writer back.
 */
import { IscepError } from "../errors.js";

export type OutputChannel = "stdout" | "stderr";

export interface OutputPiece {
  readonly channel: OutputChannel;
  /** Of the first byte; counts the bytes of both channels from 0. */
  readonly offset: number;
  /** A view that stays as it is. */
  readonly bytes: Buffer;
}

/** Someone who follows: told that there is more to read, or that no more will come. */
export interface OutputWatcher {
  /** Up to where it has read. */
  readonly position: number;
  outputReady(): void;
}

export interface OutputLimits {
  /** Kept in memory for those who come later. */
  readonly maxRetainedOutputBytes: number;
  /** The writer is asked to wait while a watcher is so far behind. */
  readonly streamWindowBytes: number;
}

interface Block {
  readonly channel: OutputChannel;
  readonly offset: number;
  readonly bytes: Buffer;
  length: number;
}

const blockBytes = 64 * 1024;

export class RunOutput {
  readonly #limits: OutputLimits;
  #blocks: Block[] = [];
  #start = 0;
  #end = 0;
  #closed = false;
  readonly #watchers = new Set<OutputWatcher>();
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

  /** Copies the bytes. Returns a promise when the writer should wait for a slow reader, undefined when it may go on. */
  write(channel: OutputChannel, data: string | Uint8Array): Promise<void> | undefined {
    if (this.#closed) return undefined;
    const bytes = typeof data === "string" ? Buffer.from(data) : data;
    let at = 0;
    while (at < bytes.length) {
      const block = this.#blockFor(channel, bytes.length - at);
      const length = Math.min(bytes.length - at, block.bytes.length - block.length);
      block.bytes.set(at === 0 && length === bytes.length ? bytes : bytes.subarray(at, at + length), block.length);
      block.length += length;
      at += length;
      this.#end += length;
    }
    if (bytes.length === 0) return undefined;
    this.#forget();
    for (const watcher of this.#watchers) watcher.outputReady();
    if (!this.#isAhead()) return undefined;
    return new Promise((resolve) => this.#waitingWriters.push(resolve));
  }

  #blockFor(channel: OutputChannel, wanted: number): Block {
    const last = this.#blocks.at(-1);
    if (last !== undefined && last.channel === channel && last.length < last.bytes.length) return last;
    // The first block of a run that says little stays small.
    const size = Math.min(blockBytes, Math.max(wanted, this.#blocks.length === 0 ? 1024 : blockBytes));
    const block = { channel, offset: this.#end, bytes: Buffer.allocUnsafeSlow(size), length: 0 };
    this.#blocks.push(block);
    return block;
  }

  /** Drops what is beyond the limit, but never what a watcher has yet to read. */
  #forget(): void {
    let needed = this.#end - this.#limits.maxRetainedOutputBytes;
    if (this.#start >= needed) return;
    for (const watcher of this.#watchers) needed = Math.min(needed, watcher.position);
    let drop = 0;
    for (const block of this.#blocks) {
      if (block.offset + block.length > needed || drop === this.#blocks.length - 1) break;
      drop++;
    }
    if (drop === 0) return;
    this.#blocks.splice(0, drop);
    this.#start = this.#blocks[0]?.offset ?? this.#end;
  }

  #isAhead(): boolean {
    for (const watcher of this.#watchers) {
      if (this.#end - watcher.position > this.#limits.streamWindowBytes) return true;
    }
    return false;
  }

  /**
   * The next piece from `offset` on, at most `maxBytes`; undefined when there is none yet.
   * @throws IscepError `output_gone` when it is no longer kept, `invalid_arguments` beyond the end.
   */
  read(offset: number, maxBytes: number): OutputPiece | undefined {
    this.checkOffset(offset);
    const block = this.#blockAt(offset);
    if (block === undefined) return undefined;
    const from = offset - block.offset;
    return {
      channel: block.channel,
      offset,
      bytes: block.bytes.subarray(from, Math.min(block.length, from + maxBytes)),
    };
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

  #blockAt(offset: number): Block | undefined {
    // Followers read near the end, so the search begins there.
    for (let index = this.#blocks.length - 1; index >= 0; index--) {
      const block = this.#blocks[index];
      if (block !== undefined && block.offset <= offset)
        return offset < block.offset + block.length ? block : undefined;
    }
    return undefined;
  }

  /** Until `unwatch`, this watcher's position counts: what it has not read is kept, and the writer waits for it. */
  watch(watcher: OutputWatcher): void {
    this.#watchers.add(watcher);
  }

  unwatch(watcher: OutputWatcher): void {
    if (this.#watchers.delete(watcher)) this.positionChanged();
  }

  /** To be called when a watcher has read on. */
  positionChanged(): void {
    if (this.#waitingWriters.length === 0 || this.#isAhead()) return;
    const waiting = this.#waitingWriters;
    this.#waitingWriters = [];
    for (const resume of waiting) resume();
  }

  /** No more will come. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const resume of this.#waitingWriters) resume();
    this.#waitingWriters = [];
    for (const watcher of this.#watchers) watcher.outputReady();
  }
}

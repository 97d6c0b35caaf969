import {
  close,
  closeSync,
  fchmodSync,
  fstatSync,
  fsync,
  lstatSync,
  openSync,
  readSync,
  statSync,
  write,
  writeSync,
} from "node:fs";
import { promisify } from "node:util";
import { systemCodeOf } from "../files/system-code.js";

// Fewer bytes than this wait for more lines or for the flush, so that one system call serves many lines.
const worthWritingLength = 64 * 1024;

const closeAsync = promisify(close);
const fsyncAsync = promisify(fsync);

export interface AppendFileOptions {
  readonly maxWaitingLength: number;
  readonly onWriteFailed: (error: unknown) => void;
}

/**
 * An open file to which whole lines are appended, many in one write. After a failed write it keeps its place, even
 * within a line, and the next flush goes on from there.
 *
 * pino.destination was not used: with sonic-boom 4.2.1, a process that exits while the disk is full never ends, because
 * its exit hook tries again forever. It may also cut a line in two when it reopens after a failure.
 */
export class AppendFile {
  readonly #path: string;
  readonly #fd: number;
  readonly #device: number;
  readonly #inode: number;
  readonly #options: AppendFileOptions;
  #waiting = "";
  #waitingLines = 0;
  #chunk: Buffer | undefined;
  #chunkLines = 0;
  #chunkOffset = 0;
  /** True while the system writes a part of the chunk. */
  #writing: Promise<void> | undefined;
  #writtenBytes = 0;
  #failed = false;
  #ended = false;

  /** Makes the file with mode 0600 when it is missing. Throws the system's error. */
  constructor(path: string, options: AppendFileOptions) {
    this.#path = path;
    this.#options = options;
    // The file is opened for reading too: to see the last byte, and because opening a pipe only for writing waits for a
    // reader.
    this.#fd = openSync(path, "a+", 0o600);
    try {
      const stats = fstatSync(this.#fd);
      this.#device = stats.dev;
      this.#inode = stats.ino;
      if (stats.isFile()) {
        this.#writtenBytes = stats.size;
        // A link may lead to something that is not ours, such as a device.
        if ((stats.mode & 0o077) !== 0 && lstatSync(path).isFile()) fchmodSync(this.#fd, 0o600);
        // A crash can leave an incomplete line, which must not swallow the next one.
        if (stats.size > 0 && this.#lastByte(stats.size) !== 0x0a) this.#waiting = "\n";
      }
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
  }

  /** True when nothing waits and nothing is being written. */
  get isIdle(): boolean {
    return this.#waiting === "" && this.#chunk === undefined;
  }

  /** How many lines are not known to be written. */
  get pendingLines(): number {
    return this.#waitingLines + this.#chunkLines;
  }

  /** The size when it was opened and what was written since. Others may append to the same file. */
  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  /** False when the path leads somewhere else now: the file was moved, or its folder is gone. */
  isAtItsPath(): boolean {
    const stats = statSync(this.#path, { throwIfNoEntry: false });
    return stats !== undefined && stats.ino === this.#inode && stats.dev === this.#device;
  }

  /** Returns false, and keeps nothing, when too much already waits. */
  append(lines: string, count = 1): boolean {
    const length = this.#waiting.length + (this.#chunk?.length ?? 0);
    if (length + lines.length > this.#options.maxWaitingLength) return false;
    this.appendAlways(lines, count);
    return true;
  }

  appendAlways(lines: string, count: number): void {
    this.#waiting += lines;
    this.#waitingLines += count;
    if (this.#waiting.length >= worthWritingLength && !this.#failed) this.flush();
  }

  /** Everything up to this line is written when it returns. Returns false, and keeps nothing, when too much waits. */
  appendNow(line: string): boolean {
    if (!this.append(line)) return false;
    // The rest of a partly written chunk must come first.
    if (this.#failed || this.#chunkOffset > 0) return true;
    // A write under way is one system call, and this is another one, so their bytes cannot mix.
    const bytes = Buffer.from(this.#waiting);
    let written: number;
    try {
      written = writeSync(this.#fd, bytes);
    } catch (error) {
      this.#failed = true;
      this.#options.onWriteFailed(error);
      return true;
    }
    this.#writtenBytes += written;
    if (written < bytes.length && this.#chunk === undefined) this.#takeChunk(bytes, written);
    else {
      this.#waiting = bytes.toString("utf8", written);
      if (this.#waiting === "") this.#waitingLines = 0;
    }
    return true;
  }

  /** Starts to write the waiting lines. */
  flush(): void {
    if (this.isIdle || this.#writing !== undefined) return;
    this.#writing = this.#writeAll()
      .then(
        () => {
          this.#failed = false;
        },
        (error: unknown) => {
          this.#failed = true;
          this.#options.onWriteFailed(error);
        },
      )
      .finally(() => {
        this.#writing = undefined;
      });
  }

  /** Takes back the lines that no write has begun with, so that they can be written elsewhere. */
  takeWaiting(): { lines: string; count: number } {
    const taken = { lines: this.#waiting, count: this.#waitingLines };
    this.#waiting = "";
    this.#waitingLines = 0;
    if (this.#chunk !== undefined && this.#writing === undefined && this.#chunkOffset === 0) {
      taken.lines = this.#chunk.toString() + taken.lines;
      taken.count += this.#chunkLines;
      this.#chunk = undefined;
      this.#chunkLines = 0;
    }
    return taken;
  }

  /**
   * Writes everything and closes. It is on the disk when it resolves. Never rejects. Resolves to the number of lost
   * lines.
   */
  async end(): Promise<number> {
    await this.#writing;
    this.flush();
    await this.#writing;
    try {
      await fsyncAsync(this.#fd);
    } catch (error) {
      // EINVAL: pipes, terminals and devices have no disk.
      if (systemCodeOf(error) !== "EINVAL") this.#options.onWriteFailed(error);
    }
    this.#ended = true;
    try {
      await closeAsync(this.#fd);
    } catch (error) {
      this.#options.onWriteFailed(error);
    }
    return this.pendingLines;
  }

  /**
   * Call this at the end of the process, when nothing asynchronous happens any more. Node itself completes a write
   * under way, because it waits for its threads. This gives up at the first failure, because there is no time to mend
   * it.
   */
  endNow(): void {
    if (this.#ended) return; // its descriptor number may belong to another file now
    const begun =
      this.#chunk === undefined || this.#writing !== undefined
        ? Buffer.alloc(0)
        : this.#chunk.subarray(this.#chunkOffset);
    const rest = Buffer.concat([begun, Buffer.from(this.#waiting)]);
    this.#waiting = "";
    for (let offset = 0; offset < rest.length;) {
      const count = writeSync(this.#fd, rest, offset);
      if (count === 0) return;
      offset += count;
    }
  }

  async #writeAll(): Promise<void> {
    while (!this.isIdle) {
      if (this.#chunk === undefined) this.#takeChunk(Buffer.from(this.#waiting), 0);
      if (this.#chunk === undefined) return;
      const count = await this.#write(this.#chunk, this.#chunkOffset);
      this.#writtenBytes += count;
      this.#chunkOffset += count;
      if (this.#chunkOffset < this.#chunk.length) continue;
      this.#chunk = undefined;
      this.#chunkLines = 0;
    }
  }

  #takeChunk(bytes: Buffer, written: number): void {
    this.#chunk = bytes;
    this.#chunkLines = this.#waitingLines;
    this.#chunkOffset = written;
    this.#waiting = "";
    this.#waitingLines = 0;
  }

  #write(chunk: Buffer, offset: number): Promise<number> {
    return new Promise((resolve, reject) => {
      write(this.#fd, chunk, offset, chunk.length - offset, null, (error, count) => {
        if (error !== null) reject(error);
        else if (count === 0) reject(new Error(`nothing could be written to ${this.#path}`));
        else resolve(count);
      });
    });
  }

  #lastByte(size: number): number | undefined {
    const byte = Buffer.alloc(1);
    return readSync(this.#fd, byte, 0, 1, size - 1) === 1 ? byte[0] : undefined;
  }
}

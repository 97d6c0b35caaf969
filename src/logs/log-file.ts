import { lstatSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import type { Limits } from "../limits/limits.js";
import { AppendFile } from "./append-file.js";
import { localDay, nextMidnightMs, type Clock } from "./clock.js";
import { linesLostLine } from "./lines.js";
import { removeOldFiles, renameToDay } from "./rotated-files.js";

export interface LogFileOptions {
  readonly limits: Pick<Limits, "maxLogBufferBytes" | "maxLogFiles" | "maxLogFileBytes" | "logFlushMs">;
  readonly clock: Clock;
  readonly onProblem: (message: string, error: unknown) => void;
}

/**
 * A log that starts a new file each local day and when one is full, and survives faults of its disk. While the disk accepts nothing, lines
 * wait up to a limit, and then they are counted. A removed file or folder is made again.
 */
export class LogFile {
  readonly #path: string;
  readonly #options: LogFileOptions;
  #file: AppendFile;
  /** The day that the file holds. */
  #day: string;
  #midnightMs: number;
  #cancelMidnight: () => void;
  #cancelFlush: (() => void) | undefined;
  /** The size at which the next file begins. */
  #fullAtBytes = 0;
  readonly #ending = new Map<AppendFile, Promise<void>>();
  #linesLost = 0;
  #closed = false;

  /** Throws the system's error. A file of an earlier day is renamed first. */
  constructor(path: string, options: LogFileOptions) {
    this.#path = path;
    this.#options = options;
    const nowMs = options.clock.now();
    this.#day = localDay(nowMs);
    const left = lstatSync(path, { throwIfNoEntry: false });
    const leftDay = left === undefined ? this.#day : localDay(left.mtimeMs);
    if (leftDay < this.#day) renameToDay(path, leftDay);
    removeOldFiles(path, options.limits.maxLogFiles);
    this.#file = this.#open();
    this.#midnightMs = nextMidnightMs(nowMs);
    this.#cancelMidnight = this.#waitForMidnight(nowMs);
  }

  append(line: string, nowMs: number): void {
    this.#append(line, nowMs, false);
  }

  /** The line is written when it returns, unless the disk accepts nothing. */
  appendNow(line: string, nowMs: number): void {
    this.#append(line, nowMs, true);
  }

  #append(line: string, nowMs: number, isNow: boolean): void {
    if (this.#closed) return;
    if (nowMs >= this.#midnightMs) this.#startNewDay(nowMs);
    // Only what the disk took counts. So a disk that stands still makes no files that wait to be closed.
    else if (this.#file.writtenBytes >= this.#fullAtBytes) this.#startNewFile(nowMs);
    if (this.#linesLost > 0) this.#tellLost(nowMs);
    if (!(isNow ? this.#file.appendNow(line) : this.#file.append(line))) this.#linesLost += 1;
    if (isNow && this.#file.isIdle) return;
    this.#cancelFlush ??= this.#options.clock.after(this.#options.limits.logFlushMs, () => this.#flush());
  }

  /** Never rejects. Lines that could not be written are reported to `onProblem`. */
  async close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      this.#cancelMidnight();
      this.#cancelFlush?.();
      if (!this.#file.isIdle) this.#makeSureOfPlace();
      if (this.#linesLost > 0) this.#file.appendAlways(linesLostLine(this.#linesLost, this.#options.clock.now()), 0);
      this.#retire(this.#file);
    }
    await Promise.all(this.#ending.values());
  }

  /** Call this at the end of the process. It is synchronous and silent, because a fault could not be told any more. */
  endNow(): void {
    for (const file of [...this.#ending.keys(), this.#file]) {
      try {
        file.endNow();
      } catch {
        // The disk is full or gone, and the process ends.
      }
    }
  }

  #flush(): void {
    this.#cancelFlush = undefined;
    this.#makeSureOfPlace();
    if (this.#linesLost > 0) this.#tellLost(this.#options.clock.now());
    this.#file.flush();
    if (!this.#file.isIdle || this.#linesLost > 0) {
      this.#cancelFlush = this.#options.clock.after(this.#options.limits.logFlushMs, () => this.#flush());
    }
  }

  /** Writes a line about lost lines when there is room for it. */
  #tellLost(nowMs: number): void {
    if (this.#file.append(linesLostLine(this.#linesLost, nowMs), 0)) this.#linesLost = 0;
  }

  /** Lines that were written between the removal of the file and this check are lost with it. */
  #makeSureOfPlace(): void {
    try {
      if (this.#file.isAtItsPath()) return;
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
      this.#replaceFile(true);
    } catch (error) {
      this.#options.onProblem(`the log ${this.#path} is gone and cannot be made again`, error);
    }
  }

  #startNewDay(nowMs: number): void {
    this.#midnightMs = nextMidnightMs(nowMs);
    this.#cancelMidnight();
    this.#cancelMidnight = this.#waitForMidnight(nowMs);
    this.#startNewFile(nowMs);
  }

  #startNewFile(nowMs: number): void {
    const endedDay = this.#day;
    const { maxLogFiles, maxLogFileBytes } = this.#options.limits;
    // A link stays, and so does a file that cannot be renamed. They are tried again when as much has come once more.
    this.#fullAtBytes = this.#file.writtenBytes + maxLogFileBytes;
    try {
      // The file is not at its path: another process with the same folder has renamed it, or somebody removed it.
      const isOurs = this.#file.isAtItsPath();
      const isRenamed = isOurs && renameToDay(this.#path, endedDay);
      this.#day = localDay(nowMs);
      if (isOurs && !isRenamed) return; // a link stays as it is
      // Lines of the day that has ended still go to its file.
      this.#replaceFile(!isRenamed);
      removeOldFiles(this.#path, maxLogFiles);
    } catch (error) {
      this.#options.onProblem(`the log ${this.#path} could not be rotated`, error);
    }
  }

  #replaceFile(withWaitingLines: boolean): void {
    const old = this.#file;
    this.#file = this.#open();
    if (withWaitingLines) {
      const { lines, count } = old.takeWaiting();
      if (lines !== "" && !this.#file.append(lines, count)) this.#linesLost += count;
    }
    this.#retire(old);
  }

  #retire(file: AppendFile): void {
    const ending = file.end().then((lost) => {
      this.#ending.delete(file);
      if (lost === 0) return;
      this.#linesLost += lost;
      this.#options.onProblem(
        `up to ${lost} lines of the log ${this.#path} could not be written and are lost`,
        undefined,
      );
    });
    this.#ending.set(file, ending);
  }

  #open(): AppendFile {
    this.#fullAtBytes = this.#options.limits.maxLogFileBytes;
    return new AppendFile(this.#path, {
      maxWaitingLength: this.#options.limits.maxLogBufferBytes,
      onWriteFailed: (error) => this.#options.onProblem(`the log ${this.#path} cannot be written`, error),
    });
  }

  #waitForMidnight(nowMs: number): () => void {
    return this.#options.clock.after(Math.max(this.#midnightMs - nowMs, 1), () => {
      const firedAtMs = this.#options.clock.now();
      // Timers may fire early, and do not follow a clock that is being set.
      if (firedAtMs >= this.#midnightMs) this.#startNewDay(firedAtMs);
      else this.#cancelMidnight = this.#waitForMidnight(firedAtMs);
    });
  }
}

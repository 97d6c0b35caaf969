/** Passes what a script writes to the followers of its run, and keeps the beginning for its result. */
import type { Readable } from "node:stream";
import { limitTable, type Limits } from "../../limits/limits.js";
import { CappedOutput } from "./capped-output.js";
import type { OutputChannel } from "../streams/output.js";
import { SecretMask } from "../../text/secret-mask.js";
import { PipeTurns } from "./pipe-turns.js";
import { ProgressLines, type ProgressListener } from "./progress-lines.js";

/**
 * Takes the bytes as they come. A promise asks for a pause until it resolves. `isGiven`: the bytes will not be changed.
 */
export interface LiveOutput {
  write(channel: OutputChannel, bytes: Uint8Array, isGiven: true): Promise<void> | undefined;
}

export interface ScriptOutputOptions {
  /** How many bytes both channels may have together. The rest is dropped. */
  readonly maxBytes: number;
  /** Called once, when output was dropped. */
  readonly full: () => void;
  /** `maxRunOutputBytes` of each channel are kept for the result. */
  readonly limits: Pick<Limits, "maxRunOutputBytes" | "maxProgressLineBytes">;
  readonly live: LiveOutput | undefined;
  readonly progress: ProgressListener | undefined;
  /** These become `***` in both channels and in the messages of progress. */
  readonly secrets: readonly string[];
}

/** All servers of the process share these turns, as they share its event loop. */
const pipeTurns = new PipeTurns(limitTable.scriptReadBytes.default);

/** This is more than the system keeps of unread bytes of a socket. */
export const maxPipeBytes = 1024 * 1024;

export class ScriptOutput {
  readonly stdout: CappedOutput;
  readonly stderr: CappedOutput;
  readonly #live: LiveOutput | undefined;
  readonly #lines: ProgressLines;
  readonly #masks: Readonly<Record<OutputChannel, SecretMask>>;
  readonly #pipes: Readable[] = [];
  /** How many pipes wait for a reader that is slower than the script. */
  #waiting = 0;
  #waits = 0;
  #bytes = 0;
  #room: number;
  #isFull = false;
  readonly #full: () => void;
  #isOver = false;
  /** Where reading ends. */
  #lastByte = Number.POSITIVE_INFINITY;
  #isPaused = false;

  constructor({ maxBytes, full, limits, live, progress = () => {}, secrets }: ScriptOutputOptions) {
    this.stdout = new CappedOutput(limits.maxRunOutputBytes);
    this.stderr = new CappedOutput(limits.maxRunOutputBytes);
    this.#room = maxBytes;
    this.#full = full;
    this.#live = live;
    this.#masks = { stdout: new SecretMask(secrets), stderr: new SecretMask(secrets) };
    this.#lines = new ProgressLines(limits.maxProgressLineBytes, progress);
  }

  /** True when there was more output than the script may print. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** True when output was dropped: more than the script may print, or more than is kept for the result. */
  get truncated(): boolean {
    return this.#isFull || this.stdout.truncated || this.stderr.truncated;
  }

  /** True when the output had a secret. */
  get hasMasked(): boolean {
    return this.#masks.stdout.hasMasked || this.#masks.stderr.hasMasked;
  }

  get isHeldBack(): boolean {
    return this.#waiting > 0 || this.#isPaused;
  }

  /** True while a pipe waits for its turn to be read. */
  get awaitsTurn(): boolean {
    return this.#pipes.some((pipe) => pipeTurns.has(pipe));
  }

  /** How often a pipe had to wait. */
  get waits(): number {
    return this.#waits;
  }

  /** How many bytes came from the pipes so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Reads a pipe to its end. A pipe that breaks ends like one that is closed, because the program's exit says how it
   * ended.
   */
  read(channel: OutputChannel, pipe: Readable): void {
    this.#pipes.push(pipe);
    pipe.on("data", (chunk: Buffer) => {
      if (this.#isOver) return;
      this.#bytes += chunk.length;
      if (this.#bytes >= this.#lastByte) {
        this.#pauseForGood();
        return;
      }
      const waiting = this.#take(channel, chunk);
      if (waiting === undefined) {
        pipeTurns.count(pipe, chunk.length);
        return;
      }
      pipe.pause();
      this.#waiting++;
      this.#waits++;
      void waiting.then(() => {
        this.#waiting--;
        if (!this.#isPaused) pipeTurns.resume(pipe);
      });
    });
    pipe.on("error", () => pipe.destroy());
  }

  /** The script is being ended: its last words are taken, as many as a pipe may hold, and then nothing more is read. */
  stop(): void {
    this.#lastByte = Math.min(this.#lastByte, this.#bytes + maxPipeBytes);
  }

  #pauseForGood(): void {
    this.#isPaused = true;
    for (const pipe of this.#pipes) {
      pipeTurns.delete(pipe);
      pipe.pause();
    }
  }

  #take(channel: OutputChannel, chunk: Buffer): Promise<void> | undefined {
    const bytes = this.#masks[channel].push(chunk);
    if (channel === "stdout") return this.#pass(channel, bytes);
    let waiting: Promise<void> | undefined;
    for (const piece of this.#lines.push(bytes)) waiting = this.#pass(channel, piece) ?? waiting;
    return waiting;
  }

  #pass(channel: OutputChannel, bytes: Buffer): Promise<void> | undefined {
    const taken = bytes.length <= this.#room ? bytes : bytes.subarray(0, this.#room);
    this.#room -= taken.length;
    this[channel].write(taken);
    const waiting = this.#live?.write(channel, taken, true);
    if (taken.length < bytes.length && !this.#isFull) {
      this.#isFull = true;
      this.#full();
    }
    return waiting;
  }

  /** The value of standard output with its secrets masked. Some forms of a secret show only when the JSON is read. */
  maskedValue(value: unknown): unknown {
    return this.#masks.stdout.value(value);
  }

  /** No more is read, even if a process still holds the other ends of the pipes. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    void this.#pass("stdout", this.#masks.stdout.end());
    for (const bytes of this.#lines.push(this.#masks.stderr.end())) void this.#pass("stderr", bytes);
    for (const bytes of this.#lines.end()) void this.#pass("stderr", bytes);
    for (const pipe of this.#pipes) {
      pipeTurns.delete(pipe);
      pipe.destroy();
    }
  }
}

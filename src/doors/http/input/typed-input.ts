/**
 * The standard input of one run that comes in pieces, each in a request of its own. Each piece is taken as a whole or
 * not at all, pieces are taken in the order in which they came, and a piece that says where it begins is never taken
 * twice. Where several type at once, each counts its own bytes: a piece of one must not pass for a repetition because
 * another has typed meanwhile.
 */
import { toIscepError, type IscepError } from "../../../errors.js";
import type { Limits } from "../../../limits/limits.js";
import { httpFault } from "../answer/problem.js";

export interface TypedPiece {
  readonly bytes: Uint8Array;
  /**
   * A name that the caller has chosen for itself. Default: none; the bytes of all callers without a name are counted
   * together.
   */
  readonly writer?: string | undefined;
  /** Where the piece begins, in bytes of its writer. Default: behind what was taken before. */
  readonly offset?: number | undefined;
  /** True when nothing comes behind this piece. */
  readonly isLast: boolean;
}

export type TypedInputLimits = Pick<Limits, "maxTypedBytes" | "maxTypingRequests" | "typedInputTimeoutMs">;

interface WaitingPiece {
  readonly piece: TypedPiece;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  readonly timer: NodeJS.Timeout;
}

/** Smaller pieces are put together, because an object for each key would cost a hundred times its byte. */
const blockBytes = 4_096;

/** Few people type into one run. One that is forgotten is told to count from 0 when it types again. */
const keptWriters = 64;

export class TypedInput implements AsyncIterable<Uint8Array> {
  readonly #limits: TypedInputLimits;
  #offset = 0;
  /** How many bytes of each writer were taken. The one that typed last comes last. */
  readonly #writers = new Map<string, number>();
  /** What the run has not read yet. */
  #chunks: Uint8Array[] = [];
  #unreadBytes = 0;
  #isEnded = false;
  /** Why nobody reads it any more. */
  #over: IscepError | undefined;
  /** Pieces for which there is no room yet. */
  #line: WaitingPiece[] = [];
  #readable: (() => void) | undefined;

  constructor(limits: TypedInputLimits) {
    this.#limits = limits;
  }

  /** How many bytes were taken in all. */
  get offset(): number {
    return this.#offset;
  }

  /** How many bytes of this writer were taken. */
  offsetOf(writer: string | undefined): number {
    return writer === undefined ? this.#offset : (this.#writers.get(writer) ?? 0);
  }

  /** True while more may come. */
  get isOpen(): boolean {
    return !this.#isEnded && this.#over === undefined;
  }

  /**
   * Resolves when the piece is taken. When it rejects, nothing of the piece was taken.
   * @throws IscepError `busy` (a fault of HTTP, 503) when the command does not read; a fault of HTTP (409) when the piece
   *   does not follow what was taken before, or the input is not open
   */
  async type(piece: TypedPiece): Promise<void> {
    if (this.#line.length === 0 && this.#take(piece)) return;
    const { maxTypingRequests, typedInputTimeoutMs } = this.#limits;
    if (this.#line.length >= maxTypingRequests)
      throw inputIsFull(`${maxTypingRequests} requests wait already for the command to read`);
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => this.#tooLate(waiting), typedInputTimeoutMs);
      const waiting = { piece, resolve, reject, timer };
      this.#line.push(waiting);
    });
  }

  #tooLate(waiting: WaitingPiece): void {
    this.#line = this.#line.filter((other) => other !== waiting);
    waiting.reject(
      inputIsFull(`the command did not read its standard input for ${this.#limits.typedInputTimeoutMs} ms`),
    );
    this.#moveUp();
  }

  /** The first piece may be too large for the present room, and those behind it must not overtake it. */
  #moveUp(): void {
    for (let first = this.#line[0]; first !== undefined; first = this.#line[0]) {
      try {
        if (!this.#take(first.piece)) return;
        first.resolve();
      } catch (error) {
        first.reject(error);
      }
      clearTimeout(first.timer);
      this.#line.shift();
    }
  }

  /** Returns false when there is no room for the piece. @throws IscepError when it can never be taken */
  #take({ bytes, writer, offset, isLast }: TypedPiece): boolean {
    if (this.#over !== undefined) throw this.#over;
    const taken = this.offsetOf(writer);
    const from = offset ?? taken;
    if (from > taken) {
      const whose = writer === undefined ? "" : " of this writer";
      const reason = `the standard input has ${taken} bytes${whose}, and this begins at ${from}; send what is missing`;
      throw httpFault(409, "usage", reason);
    }
    const news = bytes.subarray(taken - from);
    if (this.#isEnded && news.length > 0)
      throw httpFault(409, "usage", "the standard input of this run was ended, and takes nothing behind its end");
    if (this.#unreadBytes + news.length > this.#limits.maxTypedBytes) return false;
    if (news.length > 0) {
      this.#keep(news);
      if (writer !== undefined) this.#count(writer, taken + news.length);
    }
    if (isLast) this.#isEnded = true;
    this.#wake();
    return true;
  }

  #count(writer: string, bytes: number): void {
    this.#writers.delete(writer);
    this.#writers.set(writer, bytes);
    if (this.#writers.size <= keptWriters) return;
    const [oldest] = this.#writers.keys();
    if (oldest !== undefined) this.#writers.delete(oldest);
  }

  #keep(bytes: Uint8Array): void {
    this.#offset += bytes.length;
    this.#unreadBytes += bytes.length;
    const last = this.#chunks.at(-1);
    if (last === undefined || last.length + bytes.length > blockBytes) this.#chunks.push(bytes);
    else this.#chunks[this.#chunks.length - 1] = Buffer.concat([last, bytes]);
  }

  #wake(): void {
    this.#readable?.();
    this.#readable = undefined;
  }

  /** Nobody reads the input any more. @param fault what those are told who type */
  close(fault = inputIsOver()): void {
    this.#over ??= fault;
    this.#chunks = [];
    this.#unreadBytes = 0;
    this.#wake();
    this.#moveUp();
  }

  /** This is no generator, because a generator that waits for input hears of `return` only after that. */
  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return {
      next: () => this.#next(),
      return: () => {
        this.close();
        return Promise.resolve({ done: true, value: undefined });
      },
      throw: (error: unknown) => {
        this.close(httpFault(409, "usage", toIscepError(error).message));
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }

  async #next(): Promise<IteratorResult<Uint8Array, undefined>> {
    for (;;) {
      // The run must not take a part of its input for the whole.
      if (this.#over !== undefined) throw this.#over;
      if (this.#unreadBytes > 0) {
        const value = Buffer.concat(this.#chunks, this.#unreadBytes);
        this.#chunks = [];
        this.#unreadBytes = 0;
        this.#moveUp();
        return { value };
      }
      if (this.#isEnded) return { done: true, value: undefined };
      await new Promise<void>((resolve) => (this.#readable = resolve));
    }
  }
}

/** The sentence of the code is about calls that did not start. */
function inputIsFull(reason: string): IscepError {
  return httpFault(503, "busy", `${reason}; nothing of this was taken`);
}

export function inputIsOver(): IscepError {
  return httpFault(
    409,
    "usage",
    "the standard input of this run is not open, or not any more; GET /runs/ID tells more",
  );
}

/**
 * Answers and output wait in memory for a peer that reads slowly. What waits is bounded for each connection and for the
 * whole server: beyond that a peer gets nothing more, and nothing more is done for it, until it has read.
 */
import type { Limits } from "../limits/limits.js";
import type { ByteStream } from "../transport/byte-stream.js";

/** What waits in all connections of a server together. */
export class UnsentBytes {
  readonly #max: number;
  #bytes = 0;

  constructor(limits: Pick<Limits, "maxServerPendingWriteBytes">) {
    this.#max = limits.maxServerPendingWriteBytes;
  }

  get isFull(): boolean {
    return this.#bytes > this.#max;
  }

  change(bytes: number): void {
    this.#bytes += bytes;
  }
}

/** For one connection. Once it is closed, the socket emits "drain" when it is open again. */
export class WriteWindow {
  readonly #socket: ByteStream;
  readonly #max: number;
  readonly #all: UnsentBytes;
  #counted = 0;

  constructor(socket: ByteStream, limits: Pick<Limits, "maxPendingWriteBytes">, all: UnsentBytes) {
    this.#socket = socket;
    this.#max = limits.maxPendingWriteBytes;
    this.#all = all;
  }

  /** True while answers, and so requests, may go on. Output alone never closes it, so that a slow reader can still cancel. */
  get isOpen(): boolean {
    return this.#hasRoom(2 * this.#max);
  }

  get isOpenForOutput(): boolean {
    return this.#hasRoom(this.#max);
  }

  #hasRoom(most: number): boolean {
    const waiting = this.count();
    return (waiting === 0 || (waiting < most && !this.#all.isFull)) && !this.#socket.destroyed;
  }

  /** What waits now. Below its high-water mark, the socket does not tell when it is empty. So little counts as nothing. */
  count(): number {
    const { writableLength, writableHighWaterMark } = this.#socket;
    const waiting = writableLength < writableHighWaterMark ? 0 : writableLength;
    if (waiting !== this.#counted) this.#count(waiting);
    return waiting;
  }

  #count(bytes: number): void {
    this.#all.change(bytes - this.#counted);
    this.#counted = bytes;
  }

  /** The connection is gone, and all that waited with it. */
  release(): void {
    this.#count(0);
  }
}

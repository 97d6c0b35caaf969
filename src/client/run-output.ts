/** Output of a run at its caller: kept until it is read, as far as the window goes. */
import { ReceiveWindow } from "../session/window.js";

export interface OutputChunk {
  readonly channel: "stdout" | "stderr";
  /** Of the first byte; counts the bytes of both channels from 0. */
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** One reader's queue of chunks; ends after `finish`, fails after `fail`. */
export class OutputQueue implements AsyncIterable<OutputChunk> {
  readonly #windowBytes: number;
  #window: ReceiveWindow;
  readonly #consumed: (bytes: number) => void;
  readonly #left: () => void;
  #chunks: OutputChunk[] = [];
  /** So many chunks at the front came over an earlier connection: no window of this one was spent on them. */
  #earlier = 0;
  #nobodyReads = false;
  #position: number;
  #end = Number.POSITIVE_INFINITY;
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  /** `consumed` grants the server more, `left` tells that nobody reads on. */
  constructor(offset: number, windowBytes: number, consumed: (bytes: number) => void, left: () => void) {
    this.#windowBytes = windowBytes;
    this.#window = new ReceiveWindow(windowBytes);
    this.#position = offset;
    this.#consumed = consumed;
    this.#left = left;
  }

  /** Up to where bytes have come; a new connection goes on from here. */
  get position(): number {
    return this.#position;
  }

  get window(): ReceiveWindow {
    return this.#window;
  }

  /** It goes on over another connection, with windows that are full again. */
  resume(): void {
    this.#window = new ReceiveWindow(this.#windowBytes);
    this.#earlier = this.#chunks.length;
  }

  /** All that there will be has come, whether it was read or not. */
  get isWhole(): boolean {
    return this.#error !== undefined || this.#position >= this.#end;
  }

  push(channel: OutputChunk["channel"], offset: number, bytes: Buffer): void {
    this.#position = offset + bytes.length;
    if (this.#nobodyReads) {
      this.#consumed(bytes.length);
      return;
    }
    this.#chunks.push({ channel, offset, bytes });
    this.#wake?.();
  }

  /** `end`: how many bytes there are in all. */
  finish(end: number): void {
    this.#end = end;
    this.#wake?.();
  }

  fail(error: Error): void {
    this.#error ??= error;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<OutputChunk, void, void> {
    let offset = 0;
    try {
      for (;;) {
        const chunk = this.#chunks.shift();
        if (chunk !== undefined) {
          offset = chunk.offset + chunk.bytes.length;
          this.#taken(chunk);
          yield chunk;
        } else if (this.#position >= this.#end || offset >= this.#end) {
          return;
        } else if (this.#error !== undefined) {
          throw this.#error;
        } else {
          await new Promise<void>((resolve) => (this.#wake = resolve));
          this.#wake = undefined;
        }
      }
    } finally {
      // Whoever has left must not hold the command back.
      this.#nobodyReads = true;
      for (const chunk of this.#chunks.splice(0)) this.#taken(chunk);
      this.#left();
    }
  }

  #taken(chunk: OutputChunk): void {
    if (this.#earlier > 0) this.#earlier--;
    else this.#consumed(chunk.bytes.length);
  }
}

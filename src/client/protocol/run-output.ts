/** Keeps the output of a run for its caller until it is read, within the window. */
import { IscepError } from "../../errors.js";
import { ReceiveWindow } from "../../session/window.js";

export interface OutputChunk {
  /** Standard output or standard error. */
  readonly channel: "stdout" | "stderr";
  /** The offset of the first byte. It counts the bytes of both channels from 0. */
  readonly offset: number;
  /** The bytes as the command wrote them. They belong to the reader. */
  readonly bytes: Uint8Array;
}

/** Where the output comes from. */
export interface OutputSource {
  /** Allows the server to send so many bytes more. */
  grant(bytes: number): void;
  /** Tells the server to send no more, because nobody reads. */
  leave(): void;
  /** After `leave`, asks for the output from this offset on, because somebody reads after all. */
  want(offset: number): void;
}

/** The queue of chunks of one reader. It ends after `finish`, and fails after `fail`. */
export class OutputQueue implements AsyncIterable<OutputChunk> {
  readonly #source: OutputSource;
  #window = new ReceiveWindow(0);
  #windowBytes = 0;
  #chunks: OutputChunk[] = [];
  /** How many chunks at the front came over an earlier stream, so that they used no window of this one. */
  #earlier = 0;
  /**
   * `unread`: nobody has begun to read. `parked`: the window was full, so the run goes on without this reader. `read`:
   * somebody reads. `left`: nobody will read any more.
   */
  #state: "unread" | "parked" | "read" | "left" = "unread";
  /** The offset up to which bytes have come. */
  #position: number;
  #isLate = false;
  /** The offset with which the stream must go on. */
  #next: number;
  #end = Number.POSITIVE_INFINITY;
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(offset: number, source: OutputSource) {
    this.#position = this.#next = offset;
    this.#source = source;
  }

  /** The offset up to which bytes have come. Another stream goes on from here. */
  get position(): number {
    return this.#position;
  }

  /** A stream begins at this offset, with full windows. */
  begin(windowBytes: number, offset: number): void {
    this.#next = offset;
    this.#windowBytes = windowBytes;
    this.#window = new ReceiveWindow(windowBytes);
    this.#earlier = this.#chunks.length;
  }

  /** Its stream was left before anybody read. The stream of a later reader will tell how much there is in all. */
  get isLate(): boolean {
    return this.#isLate;
  }

  /** All of the output has come, whether it was read or not. */
  get isWhole(): boolean {
    return this.#error !== undefined || this.#position >= this.#end;
  }

  /** @throws IscepError `protocol` when the bytes do not follow those before, or are more than was granted */
  receive(channel: OutputChunk["channel"], offset: number, bytes: Buffer): void {
    this.#window.receive(bytes.length);
    if (offset !== this.#next) {
      throw new IscepError("protocol", `output at offset ${offset} came, and ${this.#next} was next`);
    }
    this.#next += bytes.length;
    const known = Math.min(bytes.length, this.#position - offset);
    if (known > 0) this.#grant(known);
    if (known === bytes.length) return;
    this.#chunks.push({ channel, offset: offset + known, bytes: bytes.subarray(known) });
    this.#position = this.#next;
    this.#wake?.();
    // A run is not held back for a reader that may never come. A later reader gets the rest from the server.
    if (this.#state === "unread" && this.#window.expectedBytes < this.#windowBytes / 8) {
      this.#state = "parked";
      this.#isLate = true;
      this.#source.leave();
    }
  }

  /** @param end the number of bytes in all */
  finish(end: number): void {
    this.#end = end;
    this.#wake?.();
  }

  fail(error: Error): void {
    this.#error ??= error;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<OutputChunk, void, void> {
    const wasParked = this.#state === "parked";
    this.#state = "read";
    if (wasParked && !this.isWhole) this.#source.want(this.#position);
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
      this.discard();
    }
  }

  /** Nobody will read it, or go on reading. */
  discard(): void {
    if (this.#state === "left") return;
    const wasParked = this.#state === "parked";
    this.#state = "left";
    this.#chunks = [];
    if (!wasParked && !this.isWhole) this.#source.leave();
  }

  #taken(chunk: OutputChunk): void {
    if (this.#earlier > 0) {
      this.#earlier--;
      return;
    }
    this.#grant(chunk.bytes.length);
  }

  #grant(bytes: number): void {
    const grant = this.#window.consume(bytes);
    if (grant > 0 && !this.isWhole) this.#source.grant(grant);
  }
}

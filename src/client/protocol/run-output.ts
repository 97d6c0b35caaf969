/** Output of a run at its caller: kept until it is read, as far as the window goes. */
import { IscepError } from "../../errors.js";
import { ReceiveWindow } from "../../session/window.js";

export interface OutputChunk {
  readonly channel: "stdout" | "stderr";
  /** Of the first byte; counts the bytes of both channels from 0. */
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** What brings the output. */
export interface OutputSource {
  /** The server may send so many bytes more. */
  grant(bytes: number): void;
  /** Nobody reads now: what would be sent is better not sent. */
  leave(): void;
  /** After `leave` somebody reads after all, and needs what comes from this offset on. */
  want(offset: number): void;
}

/** One reader's queue of chunks; ends after `finish`, fails after `fail`. */
export class OutputQueue implements AsyncIterable<OutputChunk> {
  readonly #source: OutputSource;
  #window = new ReceiveWindow(0);
  #windowBytes = 0;
  #chunks: OutputChunk[] = [];
  /** So many chunks at the front came over an earlier stream: no window of this one was spent on them. */
  #earlier = 0;
  /** Nobody has begun to read; the window was full, and the run was let go on without this reader; it is read; it was left. */
  #state: "unread" | "parked" | "read" | "left" = "unread";
  /** Up to where bytes have come. */
  #position: number;
  #isLate = false;
  /** The offset that the stream has to go on with. */
  #next: number;
  #end = Number.POSITIVE_INFINITY;
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(offset: number, source: OutputSource) {
    this.#position = this.#next = offset;
    this.#source = source;
  }

  /** Up to where bytes have come; another stream goes on from here. */
  get position(): number {
    return this.#position;
  }

  /** A stream begins at this offset, with windows that are full again. */
  begin(windowBytes: number, offset: number): void {
    this.#next = offset;
    this.#windowBytes = windowBytes;
    this.#window = new ReceiveWindow(windowBytes);
    this.#earlier = this.#chunks.length;
  }

  /** Its stream was left before anybody read: how much there is in all, the stream of whoever reads later will tell. */
  get isLate(): boolean {
    return this.#isLate;
  }

  /** All that there will be has come, whether it was read or not. */
  get isWhole(): boolean {
    return this.#error !== undefined || this.#position >= this.#end;
  }

  /** @throws IscepError `protocol` when it does not follow what came before, or is more than was granted. */
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
    // A run is not held back for a reader that may never come: who reads later gets the rest from the server.
    if (this.#state === "unread" && this.#window.expectedBytes < this.#windowBytes / 8) {
      this.#state = "parked";
      this.#isLate = true;
      this.#source.leave();
    }
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

  /** Nobody will read it, or read on. */
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

/**
 * Standard input of one run at its caller: taken from its source no faster than the windows allow, and kept until the
 * run has read it, as another connection may have to go on with it.
 */
import { Readable } from "node:stream";
import { IscepError, toIscepError } from "../../errors.js";
import type { SendWindow } from "../../session/window.js";

/** Chunks must not be changed after they were given. */
export type StdinSource = string | Uint8Array | AsyncIterable<string | Uint8Array>;

/** The way to the run over one connection. */
export interface InputChannel {
  readonly maxDataBytes: number;
  readonly window: SendWindow;
  /** Shared by all input of the connection. */
  readonly connectionWindow: SendWindow;
  /** Without bytes it is the end. */
  write(offset: number, bytes: Uint8Array): void;
}

interface Chunk {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

export class InputSender {
  readonly #chunks: AsyncIterator<unknown>;
  readonly #source: StdinSource;
  readonly #failed: (error: IscepError) => void;
  /** What came of the source, from `#needed` on. */
  #kept: Chunk[] = [];
  /** Up to here the run has read. */
  #needed = 0;
  #sent = 0;
  /** Up to here the source was read. */
  #end = 0;
  #isAtEnd = false;
  #endWasSent = false;
  #isReading = false;
  #isClosed = false;
  #channel: InputChannel | undefined;
  #roomAgain: (() => void) | undefined;

  /** `failed`: the source broke, and what was sent is not all. */
  constructor(source: StdinSource, failed: (error: IscepError) => void) {
    this.#source = source;
    this.#failed = failed;
    this.#chunks = chunksOf(source);
  }

  /**
   * Goes on from `receivedBytes`, which the server has; of these the run has yet to read `unreadBytes`.
   * @throws IscepError `protocol` when that was given back long ago
   */
  begin(channel: InputChannel, receivedBytes: number, unreadBytes: number): void {
    if (this.#isClosed) return;
    if (receivedBytes < this.#needed || (this.#isAtEnd && receivedBytes > this.#end)) {
      throw new IscepError("protocol", `the server has ${receivedBytes} bytes of standard input, which cannot be`);
    }
    this.#channel = channel;
    this.#sent = receivedBytes;
    this.#endWasSent = false;
    this.#forget(receivedBytes - unreadBytes);
    this.pump();
    if (!this.#isReading) void this.#readSource();
  }

  /** The connection is gone; another may `begin`. */
  pause(): void {
    this.#channel = undefined;
  }

  /** @throws IscepError `protocol` */
  granted(bytes: number): void {
    if (this.#channel === undefined) return;
    this.#channel.window.grant(bytes);
    this.#forget(this.#needed + bytes);
    this.pump();
  }

  /** Sends what the windows allow. */
  pump(): void {
    const channel = this.#channel;
    if (channel === undefined) return;
    while (this.#sent < this.#end) {
      const most = Math.min(channel.maxDataBytes, channel.window.available, channel.connectionWindow.available);
      if (most <= 0) return;
      const bytes = this.#piece(this.#sent, most);
      channel.window.spend(bytes.length);
      channel.connectionWindow.spend(bytes.length);
      channel.write(this.#sent, bytes);
      this.#sent += bytes.length;
    }
    if (this.#isAtEnd && !this.#endWasSent) {
      this.#endWasSent = true;
      channel.write(this.#end, new Uint8Array());
    }
    this.#roomAgain?.();
  }

  #piece(offset: number, maxBytes: number): Uint8Array {
    const chunk = this.#kept.find(({ offset: from, bytes }) => offset < from + bytes.length);
    if (chunk === undefined) throw new IscepError("internal", "standard input was forgotten before it was sent");
    const from = offset - chunk.offset;
    return chunk.bytes.subarray(from, from + maxBytes);
  }

  #forget(upTo: number): void {
    this.#needed = Math.max(this.#needed, upTo);
    const first = this.#kept.findIndex(({ offset, bytes }) => offset + bytes.length > this.#needed);
    this.#kept.splice(0, first === -1 ? this.#kept.length : first);
  }

  async #readSource(): Promise<void> {
    this.#isReading = true;
    try {
      for (;;) {
        const next = await this.#chunks.next();
        if (this.#isClosed) return;
        if (next.done === true) break;
        this.#keep(bytesOf(next.value));
        this.pump();
        // One chunk ahead: what has been sent is kept too, as far as the window goes.
        while (this.#sent < this.#end && !this.#hasEnded()) {
          await new Promise<void>((resolve) => (this.#roomAgain = resolve));
          this.#roomAgain = undefined;
        }
        if (this.#hasEnded()) return;
      }
      if (this.#end < this.#sent) {
        throw new IscepError("usage", `it ended after ${this.#end} bytes, and the run was given ${this.#sent} before`);
      }
      this.#isAtEnd = true;
      this.pump();
    } catch (thrown) {
      if (this.#isClosed) return;
      const reason = toIscepError(thrown, "failed").message;
      this.#failed(
        new IscepError("cancelled", `the source of standard input failed, and the run was cancelled: ${reason}`, {
          cause: thrown,
        }),
      );
    }
  }

  #hasEnded(): boolean {
    return this.#isClosed;
  }

  #keep(bytes: Uint8Array): void {
    const offset = this.#end;
    this.#end += bytes.length;
    // What a run that was joined got of an earlier call need not be kept.
    if (this.#end > this.#needed) this.#kept.push({ offset, bytes });
  }

  /** The run has ended: nothing more is read of the source, which is closed, too. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#channel = undefined;
    this.#kept = [];
    this.#roomAgain?.();
    if (this.#isAtEnd) return;
    // A generator that waits for its own input would take its `return` only after that.
    if (this.#source instanceof Readable) this.#source.destroy();
    this.#chunks.return?.().then(undefined, () => {});
  }
}

/** Of a run that was refused. */
export function closeSource(source: StdinSource | undefined): void {
  if (source !== undefined) new InputSender(source, () => {}).close();
}

function chunksOf(source: StdinSource): AsyncIterator<unknown> {
  if (typeof source === "string" || source instanceof Uint8Array) return once(source);
  return source[Symbol.asyncIterator]();
}

async function* once(chunk: string | Uint8Array): AsyncGenerator<string | Uint8Array, void, void> {
  yield chunk;
}

function bytesOf(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  if (typeof chunk === "string") return Buffer.from(chunk);
  throw new IscepError("usage", `a chunk has to be a string or bytes, and this one is ${typeof chunk}`);
}

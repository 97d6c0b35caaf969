/**
 * Sends the standard input of one run. It reads the source no faster than the windows allow, and keeps what it sent
 * until the run has read it, because another connection may have to go on with it.
 */
import { Readable } from "node:stream";
import { IscepError, toIscepError } from "../../errors.js";
import type { SendWindow } from "../../session/window.js";

/** Do not change chunks after you gave them. */
export type StdinSource = string | Uint8Array | AsyncIterable<string | Uint8Array>;

/** The connection that leads to the run. */
export interface InputChannel {
  readonly maxDataBytes: number;
  readonly window: SendWindow;
  /** The window that all input of the connection shares. */
  readonly connectionWindow: SendWindow;
  /** Sends bytes. No bytes mean the end. */
  write(offset: number, bytes: Uint8Array): void;
}

/** Smaller chunks are put together, because an object for each byte would cost a hundred times the window. */
const blockBytes = 4_096;

interface Chunk {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

export class InputSender {
  readonly #chunks: AsyncIterator<unknown>;
  readonly #source: StdinSource;
  readonly #failed: (error: IscepError) => void;
  /** The chunks of the source, from `#needed` on. */
  #kept: Chunk[] = [];
  /** The offset up to which the run has read. */
  #needed = 0;
  #sent = 0;
  /** The offset up to which the source was read. */
  #end = 0;
  #isAtEnd = false;
  #endWasSent = false;
  #isReading = false;
  #isClosed = false;
  #channel: InputChannel | undefined;
  #roomAgain: (() => void) | undefined;

  /** `failed` means that the source broke, and that what was sent is not complete. */
  constructor(source: StdinSource, failed: (error: IscepError) => void) {
    this.#source = source;
    this.#failed = failed;
    this.#chunks = chunksOf(source);
  }

  /**
   * Goes on from `receivedBytes`, which the server has. The run has not read `unreadBytes` of these yet.
   * @throws IscepError `protocol` when the server wants bytes that it had confirmed before
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

  /** The connection is gone. Another one may `begin`. */
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

  /** Sends as much as the windows allow. */
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
        // It reads one chunk ahead. What was sent is kept too, up to the size of the window.
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
    // What the joined run already got from an earlier call need not be kept.
    if (this.#end <= this.#needed) return;
    const last = this.#kept.at(-1);
    if (last === undefined || last.bytes.length + bytes.length > blockBytes) this.#kept.push({ offset, bytes });
    else this.#kept.splice(-1, 1, { offset: last.offset, bytes: Buffer.concat([last.bytes, bytes]) });
  }

  /** True when nothing more will be sent, whatever connection comes. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * Nothing more is read from the source, and it is closed.
   * @param fault why the run takes no more; undefined when it has ended
   */
  close(fault?: IscepError): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#channel = undefined;
    this.#kept = [];
    this.#roomAgain?.();
    if (this.#isAtEnd) return;
    // A generator that waits for its own input would see `return` only after that.
    if (this.#source instanceof Readable) this.#source.destroy();
    if (fault !== undefined) quietly(() => this.#chunks.throw?.(fault));
    quietly(() => this.#chunks.return?.());
  }
}

/** The iterator of a program may throw, and may give no promise, which `for await` takes too. No call may fail by it. */
export function quietly(step: () => unknown): void {
  void (async () => await step())().catch(() => {});
}

/** What is wrong with a source that a program without types has given. */
export function sourceFault(source: unknown): IscepError | undefined {
  if (source === undefined || typeof source === "string" || source instanceof Uint8Array) return undefined;
  if (typeof source === "object" && source !== null && Symbol.asyncIterator in source) return undefined;
  return new IscepError("usage", "stdin has to be a text, bytes, or a stream of them");
}

/** The input of a run that was refused. */
export function closeSource(source: StdinSource | undefined): void {
  if (source === undefined || sourceFault(source) !== undefined) return;
  // A stream that somebody else reads gives no iterator.
  quietly(() => new InputSender(source, () => {}).close());
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

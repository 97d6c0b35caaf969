/** Sends the output of one run to one connection, as fast as the reader takes it and no faster. */
import { IscepError, toIscepError } from "../../errors.js";
import type { OutputWatcher, RunOutput } from "../../runs/streams/output.js";
import { SendWindow } from "../../session/window.js";
import type { TurnTaker } from "./output-turns.js";
import type { OutputCarrier } from "./session-writer.js";

export interface OutputStreamHost {
  readonly maxDataBytes: number;
  /** The window that all streams of the connection share. */
  readonly connectionWindow: SendWindow;
  readonly carrier: OutputCarrier;
  /** All of the output that there is has been sent, and no more comes. */
  sent(stream: OutputStream): void;
  /** The rest of the output cannot be read any more: its disk has failed, or it is no longer kept. */
  broke(stream: OutputStream, error: IscepError): void;
}

/** @throws IscepError `output_gone`, `invalid_arguments`, and `busy` when the run has all the readers it may have */
export function checkReader(output: RunOutput, offset: number, maxRunReaders: number): void {
  output.checkOffset(offset);
  const { readers } = output;
  if (readers < maxRunReaders) return;
  throw new IscepError("busy", `${readers} clients read the output of this run already; try again later`);
}

export class OutputStream implements OutputWatcher, TurnTaker {
  readonly id: number;
  readonly window: SendWindow;
  readonly #output: RunOutput;
  readonly #host: OutputStreamHost;
  #position: number;
  #isLetGo = false;
  /** Nobody reads any more. A turn may still come, in which nothing may be sent. */
  #isClosed = false;
  /** Why the output could not be read. The files tell it once, and read again then. */
  #fault: IscepError | undefined;
  /** The position when the reader was last seen to read, and when that was. */
  #seenPosition = -1;
  #seenAtMs = 0;

  /** @throws IscepError `output_gone`, `invalid_arguments` for an offset that cannot be read from */
  constructor(id: number, output: RunOutput, offset: number, windowBytes: number, host: OutputStreamHost) {
    output.checkOffset(offset);
    this.id = id;
    this.window = new SendWindow(windowBytes);
    this.#output = output;
    this.#host = host;
    this.#position = offset;
    output.watch(this);
  }

  get position(): number {
    return this.#position;
  }

  outputReady(): void {
    if (this.#isClosed) return;
    // A full packet need not wait for the end of the turn, so that the peer can begin to work.
    if (this.#output.end - this.#position < this.#host.maxDataBytes || !this.#tryPump()) this.pumpSoon();
  }

  pumpSoon(): void {
    this.#host.carrier.pumpSoon(this);
  }

  takeTurn(): void {
    if (this.#isClosed) return;
    try {
      this.#pump();
    } catch (thrown) {
      this.#host.broke(this, toIscepError(thrown));
      return;
    }
    if (this.#output.closed && this.#position === this.#output.end) this.#host.sent(this);
  }

  /**
   * Returns false when the output cannot be read. The next turn reports why, so that the command that writes is not
   * disturbed.
   */
  #tryPump(): boolean {
    try {
      this.#pump();
      return true;
    } catch (thrown) {
      this.#fault = toIscepError(thrown);
      return false;
    }
  }

  /**
   * Sends as much as the windows and the socket allow.
   * @throws IscepError `output_gone` when the rest is no longer kept
   */
  #pump(): void {
    if (this.#fault !== undefined) throw this.#fault;
    const { maxDataBytes, connectionWindow, carrier } = this.#host;
    const before = this.#position;
    carrier.cork();
    try {
      while (carrier.maySendOutput()) {
        const most = Math.min(maxDataBytes, this.window.available, connectionWindow.available);
        if (most <= 0) break;
        const piece = this.#output.lend(this.#position, most);
        if (piece === undefined) break;
        const { length } = piece.bytes;
        carrier.sendOutput(this.id, piece);
        this.window.spend(length);
        connectionWindow.spend(length);
        this.#position += length;
      }
    } finally {
      carrier.uncork();
    }
    if (this.#position !== before) this.#output.positionChanged();
  }

  /** All the credit that the reader gave is used up, and there is more to read. */
  get #isSpent(): boolean {
    const credit = Math.min(this.window.available, this.#host.connectionWindow.available);
    return credit <= 0 && this.#position < this.#output.end;
  }

  /**
   * Called now and then. When a reader has granted nothing for `timeoutMs`, the writer does not wait for it any more.
   * What this reader wants next may then be gone when it reads again. Returns true when that happens.
   */
  isStalled(nowMs: number, timeoutMs: number): boolean {
    if (!this.#isSpent || this.#position !== this.#seenPosition) {
      this.#seenPosition = this.#position;
      this.#seenAtMs = nowMs;
      return false;
    }
    if (this.#isLetGo || nowMs - this.#seenAtMs <= timeoutMs) return false;
    this.#isLetGo = true;
    this.#output.unwatch(this);
    return true;
  }

  /** The reader reads again. Returns true when it no longer held the writer. */
  resume(): boolean {
    if (!this.#isLetGo || this.#isSpent) return false;
    this.#isLetGo = false;
    this.#output.watch(this);
    return true;
  }

  close(): void {
    this.#isClosed = true;
    this.#output.unwatch(this);
  }
}

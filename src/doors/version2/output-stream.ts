/** Sends the output of one run to one connection, as fast as the reader takes it and no faster. */
import { IscepError, toIscepError } from "../../errors.js";
import type { LentPiece, OutputPiece } from "../../runs/streams/output-block.js";
import type { OutputWatcher, RunOutput } from "../../runs/streams/output.js";
import { SendWindow } from "../../session/window.js";

/** What carries output to its reader. */
export interface OutputCarrier {
  /** False while enough bytes already wait for the caller. */
  mayWrite(): boolean;
  /**
   * @param stream the id of the call
   * @param piece has the run's own bytes, which must not be changed
   */
  write(stream: number, piece: OutputPiece | LentPiece): void;
  /** What is written until `uncork` leaves together. */
  cork(): void;
  uncork(): void;
}

export interface OutputStreamHost {
  readonly maxDataBytes: number;
  /** The window that all streams of the connection share. */
  readonly connectionWindow: SendWindow;
  readonly carrier: OutputCarrier;
  /** Asks for `pump` at the end of this turn of the event loop. */
  schedule(stream: OutputStream): void;
}

/** @throws IscepError `output_gone`, `invalid_arguments`, and `busy` when the run has all the readers it may have */
export function checkReader(output: RunOutput, offset: number, maxRunReaders: number): void {
  output.checkOffset(offset);
  const { readers } = output;
  if (readers < maxRunReaders) return;
  throw new IscepError("busy", `${readers} clients read the output of this run already; try again later`);
}

export class OutputStream implements OutputWatcher {
  readonly id: number;
  readonly window: SendWindow;
  readonly #output: RunOutput;
  readonly #host: OutputStreamHost;
  #position: number;
  #isLetGo = false;
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

  /** True when all of the output has been sent. */
  get isDone(): boolean {
    return this.#output.closed && this.#position === this.#output.end;
  }

  outputReady(): void {
    // A full packet need not wait for the end of the turn, so that the peer can begin to work.
    if (this.#output.end - this.#position < this.#host.maxDataBytes || !this.#tryPump()) this.#host.schedule(this);
  }

  /**
   * Returns false when the output cannot be read. The next turn reports why, so that the command that writes is not
   * disturbed.
   */
  #tryPump(): boolean {
    try {
      this.pump();
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
  pump(): void {
    if (this.#fault !== undefined) throw this.#fault;
    const { maxDataBytes, connectionWindow, carrier } = this.#host;
    const before = this.#position;
    carrier.cork();
    try {
      while (carrier.mayWrite()) {
        const most = Math.min(maxDataBytes, this.window.available, connectionWindow.available);
        if (most <= 0) break;
        const piece = this.#output.lend(this.#position, most);
        if (piece === undefined) break;
        const { length } = piece.bytes;
        carrier.write(this.id, piece);
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
   * Called now and then. A reader that grants nothing for so long holds the writer no more: it may find later that what
   * comes next is gone. Returns true when that happens.
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
    this.#output.unwatch(this);
  }
}

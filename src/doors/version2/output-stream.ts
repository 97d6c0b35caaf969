/** The output of one run on its way to one connection: as fast as the reader takes it, and no faster. */
import type { OutputPiece } from "../../runs/streams/output-block.js";
import type { OutputWatcher, RunOutput } from "../../runs/streams/output.js";
import { SendWindow } from "../../session/window.js";

export interface OutputStreamHost {
  readonly maxDataBytes: number;
  /** Shared by all streams of the connection. */
  readonly connectionWindow: SendWindow;
  /** False while the caller's side holds enough bytes already. */
  mayWrite(): boolean;
  /** `stream` is the id of the call. The bytes are those of the run: they must not be changed. */
  writeOutput(stream: number, piece: OutputPiece): void;
  /** Asks for `pump` at the end of this turn of the event loop. */
  schedule(stream: OutputStream): void;
}

export class OutputStream implements OutputWatcher {
  readonly id: number;
  readonly window: SendWindow;
  readonly #output: RunOutput;
  readonly #host: OutputStreamHost;
  #position: number;

  /** @throws IscepError `output_gone`, `invalid_arguments` for an offset that cannot be read from. */
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

  /** All that will ever come has been sent. */
  get isDone(): boolean {
    return this.#output.closed && this.#position === this.#output.end;
  }

  outputReady(): void {
    // A full packet need not wait for the end of the turn: the peer can work on it meanwhile.
    if (this.#output.end - this.#position < this.#host.maxDataBytes || !this.#tryPump()) this.#host.schedule(this);
  }

  /** False when it cannot be read: the next turn tells why, and not the command that writes. */
  #tryPump(): boolean {
    try {
      this.pump();
      return true;
    } catch {
      return false;
    }
  }

  /** Sends what the windows and the socket allow. @throws IscepError `output_gone` when the rest is no longer kept */
  pump(): void {
    const { maxDataBytes, connectionWindow } = this.#host;
    const before = this.#position;
    while (this.#host.mayWrite()) {
      const most = Math.min(maxDataBytes, this.window.available, connectionWindow.available);
      if (most <= 0) break;
      const piece = this.#output.read(this.#position, most);
      if (piece === undefined) break;
      const { length } = piece.bytes;
      this.#host.writeOutput(this.id, piece);
      this.window.spend(length);
      connectionWindow.spend(length);
      this.#position += length;
    }
    if (this.#position !== before) this.#output.positionChanged();
  }

  close(): void {
    this.#output.unwatch(this);
  }
}

/**
 * Carries standard input from one connection to its runs. The windows of the stream and of the connection bound what a
 * run has not read yet.
 */
import { IscepError } from "../../errors.js";
import type { Run } from "../../runs/run/run.js";
import type { RunInput } from "../../runs/streams/input.js";
import { notificationText } from "../../session/version2-server.js";
import { ReceiveWindow } from "../../session/window.js";

export interface SessionInputsLimits {
  readonly maxDataBytes: number;
  readonly maxCallsInFlight: number;
  readonly streamWindowBytes: number;
  readonly connectionWindowBytes: number;
}

interface InputStream {
  readonly input: RunInput;
  readonly window: ReceiveWindow;
  /** Unread bytes that came over another stream, so they used no window of this connection. */
  earlierBytes: number;
  /** Unread bytes that came over this one. */
  unreadBytes: number;
}

/** The offset from which a caller sends, and how much it may send. */
export interface InputStart {
  readonly stdin: number;
  readonly stdinWindow: number;
}

export class SessionInputs {
  readonly #limits: SessionInputsLimits;
  /** Sends a notification. */
  readonly #send: (text: string) => void;
  readonly #streams = new Map<number, InputStream>();
  /**
   * For streams that ended here first, how many bytes may still be on their way. The peer has a bounded number of calls
   * in flight, so the streams that it does not know to have ended are among the last ones.
   */
  readonly #late = new Map<number, number>();
  // Most connections send no input.
  #window: ReceiveWindow | undefined;

  constructor(limits: SessionInputsLimits, send: (text: string) => void) {
    this.#limits = limits;
    this.#send = send;
  }

  /** From now on the caller's data goes to this run. A connection that sent before is no longer listened to. */
  open(id: number, input: RunInput): InputStart {
    const { receivedBytes, unreadBytes } = input;
    this.#late.delete(id);
    // Unread bytes count. Otherwise a peer that connects again and again could make us keep a window each time.
    const window = new ReceiveWindow(this.#limits.streamWindowBytes, unreadBytes);
    const stream = { input, window, earlierBytes: unreadBytes, unreadBytes: 0 };
    input.onConsumed(
      (bytes) => this.#consumed(id, stream, bytes),
      () => this.#takenOver(id),
    );
    this.#streams.set(id, stream);
    return { stdin: receivedBytes, stdinWindow: window.expectedBytes };
  }

  /** Allows `stream` to send so many bytes more. 0 is the connection. */
  #grant(stream: number, bytes: number): void {
    this.#send(notificationText("window", { stream, bytes }));
  }

  /** What the caller still sends is lost. One that has sent all of its input has nothing to learn. */
  #takenOver(id: number): void {
    if (this.#closed(id)?.isComplete === false) this.#send(notificationText("stdin_taken", { call: id }));
  }

  #consumed(id: number, stream: InputStream, bytes: number): void {
    const earlier = Math.min(bytes, stream.earlierBytes);
    stream.earlierBytes -= earlier;
    stream.unreadBytes -= bytes - earlier;
    if (bytes > earlier) this.#grantConnection(bytes - earlier);
    // Nobody reads any more, so the peer should not send more.
    if (stream.input.isOver) return;
    const grant = stream.window.consume(bytes);
    if (grant > 0) this.#grant(id, grant);
  }

  /** @throws IscepError `protocol` when the peer broke the rules */
  receive(id: number, offset: number, bytes: Buffer): void {
    const { maxDataBytes } = this.#limits;
    if (bytes.length > maxDataBytes) {
      throw new IscepError(
        "protocol",
        `a DATA packet may hold ${maxDataBytes} bytes here, and this one ${bytes.length}`,
      );
    }
    this.#connectionWindow().receive(bytes.length);
    const stream = this.#streams.get(id);
    if (stream === undefined) {
      this.#tooLate(id, bytes.length);
      return;
    }
    const { input, window } = stream;
    window.receive(bytes.length);
    if (offset !== input.receivedBytes) {
      const reason = `standard input goes on at offset ${input.receivedBytes}, and data came for ${offset}`;
      throw new IscepError("protocol", reason);
    }
    if (input.isComplete && bytes.length > 0) {
      throw new IscepError("protocol", "data came behind the end of standard input");
    }
    stream.unreadBytes += bytes.length;
    if (bytes.length === 0) input.end();
    else input.write(bytes);
  }

  #tooLate(id: number, bytes: number): void {
    const left = this.#late.get(id);
    if (left === undefined) throw new IscepError("protocol", "data came for a call that takes no standard input");
    if (bytes > left)
      throw new IscepError("protocol", "more data came for a call that has ended than was granted to it");
    if (bytes === 0) this.#late.delete(id);
    else this.#late.set(id, left - bytes);
    this.#grantConnection(bytes);
  }

  #grantConnection(bytes: number): void {
    const grant = this.#connectionWindow().consume(bytes);
    if (grant > 0) this.#grant(0, grant);
  }

  #connectionWindow(): ReceiveWindow {
    return (this.#window ??= new ReceiveWindow(this.#limits.connectionWindowBytes));
  }

  /** The run has ended. */
  close(id: number): void {
    const input = this.#closed(id);
    input?.onConsumed(undefined);
  }

  #closed(id: number): RunInput | undefined {
    const stream = this.#streams.get(id);
    if (stream === undefined) return undefined;
    this.#streams.delete(id);
    // These bytes stay with the run, and no longer belong to a window of this connection.
    if (stream.unreadBytes > 0) this.#grantConnection(stream.unreadBytes);
    if (!stream.input.isComplete) this.#expectLate(id, stream.window.expectedBytes);
    return stream.input;
  }

  #expectLate(id: number, bytes: number): void {
    this.#late.set(id, bytes);
    if (this.#late.size <= this.#limits.maxCallsInFlight) return;
    const [oldest] = this.#late.keys();
    if (oldest !== undefined) this.#late.delete(oldest);
  }

  /** The connection is gone. Received bytes stay with their runs, and nothing more is granted. */
  release(): void {
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    for (const { input } of streams) input.onConsumed(undefined);
  }
}

/** @throws IscepError `invalid_arguments` */
export function inputOf(run: Run): RunInput {
  if (run.input === undefined) {
    throw new IscepError("invalid_arguments", "this run was called without stdin: true, and takes no standard input");
  }
  return run.input;
}

/** The calls of one client that send standard input, and the windows that the server grants them. */
import { IscepError } from "../../errors.js";
import { SendWindow } from "../../session/window.js";
import type { JsonObject } from "../../wire/json.js";
import type { PendingCall } from "./pending-call.js";
import type { ClientConnection } from "./client-connection.js";

export class InputSenders {
  /** The call that has waited longest for the connection's window comes first. */
  readonly #calls = new Map<number, PendingCall>();

  /** Begins when `started` has come. @throws IscepError `protocol` */
  begin(session: ClientConnection, call: PendingCall, { stdin, stdinWindow }: JsonObject): void {
    const { input } = call.request;
    if (input === undefined || stdin === undefined) return;
    const { streamWindowBytes, maxDataBytes } = session.limits;
    if (!isCount(stdin) || !isCount(stdinWindow) || stdinWindow > streamWindowBytes) {
      throw new IscepError("protocol", "the server told no place where standard input goes on");
    }
    const channel = {
      maxDataBytes,
      window: new SendWindow(streamWindowBytes, stdinWindow),
      connectionWindow: session.inputWindow,
      write: (offset: number, bytes: Uint8Array) => session.sendInput(call.id, offset, bytes),
    };
    this.#calls.set(call.id, call);
    input.begin(channel, stdin, streamWindowBytes - stdinWindow);
  }

  /** @throws IscepError `protocol` */
  granted(session: ClientConnection, { stream, bytes }: JsonObject): void {
    if (typeof stream !== "number" || typeof bytes !== "number") {
      throw new IscepError("protocol", "the server granted a window without saying how much, or for what");
    }
    if (stream !== 0) {
      this.#calls.get(stream)?.request.input?.granted(bytes);
      return;
    }
    session.inputWindow.grant(bytes);
    // The loop uses a copy, because each sender moves to the end of the line.
    const inLine = [...this.#calls.values()];
    for (const call of inLine) {
      this.#calls.delete(call.id);
      this.#calls.set(call.id, call);
      call.request.input?.pump();
    }
  }

  /** The call has an answer. */
  ended(call: PendingCall): void {
    this.#calls.delete(call.id);
  }

  /** The connection is gone. Each may begin again over another one. */
  pause(): void {
    for (const { request } of this.#calls.values()) request.input?.pause();
    this.#calls.clear();
  }
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

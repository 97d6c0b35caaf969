/** What a client of version 2 needs of its connection, whatever carries its messages. */
import { IscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import type { SessionLimits } from "../../session/version2-hello.js";
import type { SendWindow } from "../../session/window.js";

export interface ClientConnection {
  /** Those of the server. */
  readonly limits: SessionLimits;
  /** For standard input of all calls. */
  readonly inputWindow: SendWindow;
  /** The server closes soon and takes no new calls. */
  readonly isGoingAway: boolean;
  /** Leaves with all that is ready in this turn of the event loop. @throws IscepError `too_large` */
  send(text: string): void;
  /** Standard input of a call. Without bytes it is the end. */
  sendInput(call: number, offset: number, bytes: Uint8Array): void;
  /** Output was taken out of our buffers: the connection may carry as much again. */
  consumed(bytes: number): void;
  /** Cuts the connection. Nothing is told any more. */
  destroy(): void;
  /** Ends in peace: what was said is still sent. Resolves when nothing is held any more. */
  end(): Promise<void>;
}

/** @throws IscepError `too_large` for a request that the server would not take */
export function checkRequestSize(text: string, server: SessionLimits, { flushBytes }: Limits): void {
  // Some messages may stand in the packet already when this one joins them.
  const most = server.maxPacketBytes - 2 * flushBytes;
  if (text.length <= most / 3 || Buffer.byteLength(text) <= most) return;
  const reason = `the request has ${text.length} characters, and the server takes at most ${most} bytes`;
  throw new IscepError("too_large", reason);
}

/** What a client of version 2 needs from its connection, whatever carries the messages. */
import { IscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import type { SessionLimits } from "../../session/version2-hello.js";
import type { SendWindow } from "../../session/window.js";

export interface ClientConnection {
  /** The limits of the server. */
  readonly limits: SessionLimits;
  /** The window for standard input of all calls. */
  readonly inputWindow: SendWindow;
  /** True when the server closes soon and accepts no new calls. */
  readonly isGoingAway: boolean;
  /** Sends the text with everything else of this turn of the event loop. @throws IscepError `too_large` */
  send(text: string): void;
  /** Sends standard input of a call. No bytes mean its end. */
  sendInput(call: number, offset: number, bytes: Uint8Array): void;
  /** Allows the server to send so many bytes more of the output of this call. */
  grant(stream: number, bytes: number): void;
  /** Output has left our buffers, so the connection may carry as much again. */
  consumed(bytes: number): void;
  /** Cuts the connection. No listener is called any more. */
  destroy(): void;
  /** Ends in good order: everything is still sent. Resolves when nothing is held any more. */
  end(): Promise<void>;
}

/** @throws IscepError `too_large` for a request that the server would refuse */
export function checkRequestSize(text: string, server: SessionLimits, { flushBytes }: Limits): void {
  // Other messages may already be in the packet.
  const most = server.maxPacketBytes - 2 * flushBytes;
  if (text.length <= most / 3 || Buffer.byteLength(text) <= most) return;
  const reason = `the request has ${text.length} characters, and the server takes at most ${most} bytes`;
  throw new IscepError("too_large", reason);
}

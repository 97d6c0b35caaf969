import { IscepError } from "../../errors.js";
import { errorAnswer } from "../../session/version1-server.js";
import type { ByteStream } from "../../transport/byte-stream.js";

/** Refuses a connection over a limit. It says why, in a form that both versions understand, and closes. */
export function refuse(socket: ByteStream, reason: string, lingerTimeoutMs: number): void {
  socket.on("error", () => socket.destroy());
  socket.resume();
  socket.end(errorAnswer("busy", new IscepError("busy", reason).message));
  const timer = setTimeout(() => socket.destroy(), lingerTimeoutMs);
  socket.once("close", () => clearTimeout(timer));
}

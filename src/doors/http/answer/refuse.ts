import type { Socket } from "node:net";
import { errorTable, IscepError } from "../../../errors.js";
import type { HttpFaultStatus } from "./http-faults.js";
import { problemText } from "./problem-text.js";

/** Refuses a connection over a limit, before it has asked for anything. It says why, and closes. */
export function refuseHttp(socket: Socket, reason: string, lingerTimeoutMs: number): void {
  socket.on("error", () => socket.destroy());
  socket.resume();
  endWithProblem(socket, new IscepError("busy", reason));
  const timer = setTimeout(() => socket.destroy(), lingerTimeoutMs);
  socket.once("close", () => clearTimeout(timer));
}

const reasons: Readonly<Record<number, string>> = {
  400: "Bad Request",
  408: "Request Timeout",
  431: "Request Header Fields Too Large",
  503: "Service Unavailable",
};

/** Answers a peer whose bytes are no request, and closes. @param fault the status, when it is not that of the code */
export function endWithProblem(socket: Pick<Socket, "end">, error: IscepError, fault?: HttpFaultStatus): void {
  const status = fault ?? errorTable[error.code].http;
  const body = problemText(error, { status, isOfHttp: fault !== undefined });
  socket.end(
    [
      `HTTP/1.1 ${status} ${reasons[status] ?? "Error"}`,
      "Content-Type: application/problem+json",
      `Content-Length: ${Buffer.byteLength(body)}`,
      ...(status === 503 ? ["Retry-After: 1"] : []),
      "Connection: close",
      "",
      body,
    ].join("\r\n"),
  );
}

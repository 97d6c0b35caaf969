/** The requests of somebody who types to a run. */
import type { TerminalSize } from "../output/terminal-screen.js";
import type { OutgoingPiece } from "../typing/outbox.js";
import { request, requestJson } from "./http.js";
import { objectOf, optionalNumber } from "./reading.js";

/**
 * The server answers within `typed_input_timeout_ms` (10 s), also when the command does not read. A request that waits
 * longer is lost in the network, or waits for one of the few connections that a browser makes to a server.
 */
const typingTimeoutMs = 30_000;

/**
 * Returns how many bytes of the writer the server has now. The same piece again adds nothing.
 * @param writer a name for the page that types, whose bytes the server counts apart from those of others
 */
export async function postTyped(
  run: string,
  writer: string,
  { offset, bytes, isLast }: OutgoingPiece,
  timeoutMs = typingTimeoutMs,
): Promise<number> {
  const path = `/runs/${encodeURIComponent(run)}/stdin?writer=${writer}&offset=${offset}${isLast ? "&end" : ""}`;
  const body = new Blob([bytes.slice()], { type: "application/octet-stream" });
  const answer = objectOf(await requestJson(path, { method: "POST", body, signal: AbortSignal.timeout(timeoutMs) }));
  return optionalNumber(answer["offset"]) ?? offset + bytes.length;
}

export async function putTerminalSize(
  run: string,
  { columns, rows }: TerminalSize,
  timeoutMs = typingTimeoutMs,
): Promise<void> {
  const signal = AbortSignal.timeout(timeoutMs);
  await request(`/runs/${encodeURIComponent(run)}/terminal`, { method: "PUT", body: { columns, rows }, signal });
}

/** The requests of somebody who types to a run. */
import type { TerminalSize } from "../output/terminal-screen.js";
import type { OutgoingPiece } from "../typing/outbox.js";
import { answerTimeoutMs, request, requestJson } from "./http.js";
import { objectOf, optionalNumber } from "./reading.js";

/**
 * The server answers within `typed_input_timeout_ms` (10 s), also when the command does not read. Returns how many bytes
 * of the writer the server has now. The same piece again adds nothing.
 * @param writer a name for the page that types, whose bytes the server counts apart from those of others
 */
export async function postTyped(
  run: string,
  writer: string,
  { offset, bytes, isLast }: OutgoingPiece,
  timeoutMs = answerTimeoutMs,
): Promise<number> {
  const path = `/runs/${encodeURIComponent(run)}/stdin?writer=${writer}&offset=${offset}${isLast ? "&end" : ""}`;
  const body = new Blob([bytes.slice()], { type: "application/octet-stream" });
  const answer = objectOf(await requestJson(path, { method: "POST", body, timeoutMs }));
  return optionalNumber(answer["offset"]) ?? offset + bytes.length;
}

export async function putTerminalSize(
  run: string,
  { columns, rows }: TerminalSize,
  timeoutMs = answerTimeoutMs,
): Promise<void> {
  await request(`/runs/${encodeURIComponent(run)}/terminal`, { method: "PUT", body: { columns, rows }, timeoutMs });
}

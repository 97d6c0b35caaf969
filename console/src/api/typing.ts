/** The requests of somebody who types to a run. */
import type { TerminalSize } from "../output/terminal-screen.js";
import type { OutgoingPiece } from "../typing/outbox.js";
import { request, requestJson } from "./http.js";
import { objectOf, optionalNumber } from "./reading.js";

/** Returns how many bytes the server has now. The same piece again adds nothing. */
export async function postTyped(run: string, { offset, bytes, isLast }: OutgoingPiece): Promise<number> {
  const path = `/runs/${encodeURIComponent(run)}/stdin?offset=${offset}${isLast ? "&end" : ""}`;
  const body = new Blob([bytes.slice()], { type: "application/octet-stream" });
  const answer = objectOf(await requestJson(path, { method: "POST", body }));
  return optionalNumber(answer["offset"]) ?? offset + bytes.length;
}

export async function putTerminalSize(run: string, { columns, rows }: TerminalSize): Promise<void> {
  await request(`/runs/${encodeURIComponent(run)}/terminal`, { method: "PUT", body: { columns, rows } });
}

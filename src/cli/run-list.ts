/** The runs that a server tells of. They come from the other side: nothing of them is believed unread. */
import type { Client } from "../client/client.js";
import { IscepError } from "../errors.js";
import type { RunRecord } from "../runs/run-record.js";

/** All pages, newest first, up to `limit` runs. */
export async function listRuns(client: Client, limit: number, signal: AbortSignal): Promise<RunRecord[]> {
  const found = (await client.runs({ signal })) as RunRecord[];
  return found.slice(0, limit);
}

/** @throws IscepError `run_not_found` */
export async function runRecord(client: Client, run: string, signal: AbortSignal): Promise<RunRecord> {
  const record = (await listRuns(client, Number.POSITIVE_INFINITY, signal)).find((candidate) => candidate.run === run);
  if (record === undefined) throw new IscepError("run_not_found");
  return record;
}

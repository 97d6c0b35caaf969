/** Reads the runs that a server lists. They come from the other side, so everything is checked. */
import type { Client } from "../../client/client.js";
import type { RunsOptions } from "../../client/protocol/options.js";
import { IscepError } from "../../errors.js";
import type { RunRecord } from "../../model/run-record.js";

/** Reads all pages, newest first, up to `limit` runs. */
export async function listRuns(
  client: Client,
  limit: number,
  query: RunsOptions & { readonly signal: AbortSignal },
): Promise<RunRecord[]> {
  const found: RunRecord[] = [];
  let after: string | undefined;
  do {
    const most = Number.isFinite(limit) ? { limit: limit - found.length } : {};
    const page = await client.runs({ ...query, ...most, ...(after === undefined ? {} : { after }) });
    found.push(...page.runs);
    after = page.next;
  } while (after !== undefined && found.length < limit);
  return found.slice(0, limit);
}

/** @throws IscepError `run_not_found` */
export async function runRecord(client: Client, run: string, signal: AbortSignal): Promise<RunRecord> {
  const [record] = (await client.runs({ run, signal })).runs;
  if (record === undefined) throw new IscepError("run_not_found");
  return record;
}

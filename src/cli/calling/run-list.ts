/** Reads the runs that a server lists. They come from the other side, so everything is checked. */
import type { Client } from "../../client/client.js";
import type { RunsOptions } from "../../client/protocol/options.js";
import { IscepError } from "../../errors.js";
import type { RunRecord } from "../../model/run-record.js";

export interface ListedRuns {
  readonly runs: readonly RunRecord[];
  /** Instances of a service that did not answer. */
  readonly missing: readonly string[];
}

/** Reads all pages, newest first, up to `limit` runs. */
export async function listRuns(
  client: Client,
  limit: number,
  query: RunsOptions & { readonly signal: AbortSignal },
): Promise<ListedRuns> {
  const found: RunRecord[] = [];
  const missing = new Set<string>();
  let after: string | undefined;
  do {
    const most = Number.isFinite(limit) ? { limit: limit - found.length } : {};
    const page = await client.runs({ ...query, ...most, ...(after === undefined ? {} : { after }) });
    found.push(...page.runs);
    for (const instance of page.missing ?? []) missing.add(instance);
    after = page.next;
  } while (after !== undefined && found.length < limit);
  return { runs: found.slice(0, limit), missing: [...missing] };
}

/** @throws IscepError `run_not_found` */
export async function runRecord(client: Client, run: string, signal: AbortSignal): Promise<RunRecord> {
  const [record] = (await client.runs({ run, signal })).runs;
  if (record === undefined) throw new IscepError("run_not_found");
  return record;
}

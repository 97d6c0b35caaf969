import type { Client } from "../../client/client.js";
import { IscepError } from "../../errors.js";
import type { RunRecord } from "../../model/run-record.js";

/** @throws IscepError `run_not_found` */
export async function recordOf(client: Client, run: string): Promise<RunRecord> {
  const [record] = (await client.runs({ run })).runs;
  if (record === undefined) throw new IscepError("run_not_found");
  return record;
}

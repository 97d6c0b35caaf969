import { openLogFiles } from "../logs/files.js";
import { guardLogs } from "../logs/guarded.js";
import { openStreamLogs } from "../logs/stream.js";
import type { Limits } from "../limits/limits.js";
import type { Logs } from "../model/logs.js";
import type { ServerOptions } from "./options.js";

/** For a folder, makes the three files in it. */
export async function openLogs(logs: ServerOptions["logs"], limits: Limits): Promise<Logs | undefined> {
  if (logs === undefined || logs === false) return undefined;
  if (typeof logs === "string") return openLogFiles(logs, { limits });
  return "to" in logs ? openStreamLogs(process[logs.to], limits) : guardLogs(logs, limits);
}

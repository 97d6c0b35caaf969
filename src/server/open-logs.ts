import { openLogFiles } from "../logs/files.js";
import type { Limits } from "../limits/limits.js";
import type { Logs } from "../model/logs.js";

/** In a folder, it makes the three files. An implementation is used as it is. */
export async function openLogs(logs: string | Logs | undefined, limits: Limits): Promise<Logs | undefined> {
  return typeof logs === "string" ? openLogFiles(logs, { limits }) : logs;
}

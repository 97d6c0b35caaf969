/** What `iscep serve` tells the terminal and its log files. */
import { IscepError } from "../errors.js";
import { resolveLimits, type Limits } from "../limits.js";
import type { Logs } from "../logs/logs.js";
import type { ServerOptions } from "../server/options.js";
import { warn } from "./streams.js";

export interface LevelFlags {
  readonly debug?: boolean;
  readonly quiet?: boolean;
}

const logLevels = ["debug", "normal", "quiet"] as const;
export type LogLevel = (typeof logLevels)[number];

/** @throws IscepError `usage` */
export function logLevelOf(flags: LevelFlags): LogLevel {
  if (flags.debug === true && flags.quiet === true) throw new IscepError("usage", "give either --debug or --quiet");
  if (flags.debug === true) return "debug";
  if (flags.quiet === true) return "quiet";
  const name = process.env["ISCEP_LOG_LEVEL"] || "normal";
  const level = logLevels.find((known) => known === name);
  if (level === undefined) throw new IscepError("usage", `ISCEP_LOG_LEVEL must be one of ${logLevels.join(", ")}`);
  return level;
}

export async function openServeLogs(
  folder: ServerOptions["logs"],
  level: LogLevel,
  given: Partial<Limits> | undefined,
): Promise<Logs | undefined> {
  const limits = resolveLimits(given);
  const logs: Logs[] = [];
  if (level !== "quiet") {
    const { openTerminalLogs } = await import("../logs/terminal.js");
    logs.push(openTerminalLogs(process.stderr, { level, limits }));
  }
  if (typeof folder === "string") {
    const { openLogFiles } = await import("../logs/files.js");
    const onProblem = (message: string): void => void (level === "quiet" || warn(message));
    logs.push(await openLogFiles(folder, { limits, onProblem }));
  } else if (folder !== undefined) {
    logs.push(folder);
  }
  const { combineLogs } = await import("../logs/combine.js");
  return logs.length === 0 ? undefined : combineLogs(...logs);
}

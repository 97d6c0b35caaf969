/** Makes what `iscep serve` writes to the terminal and to its log files. */
import { IscepError } from "../../errors.js";
import { resolveLimits, type Limits } from "../../limits/limits.js";
import type { Logs } from "../../model/logs.js";
import type { ServerOptions } from "../../server/options.js";
import { warn } from "../terminal/streams.js";
import { surroundings } from "../terminal/surroundings.js";

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
  const name = surroundings().env["ISCEP_LOG_LEVEL"] || "normal";
  const level = logLevels.find((known) => known === name);
  if (level === undefined) throw new IscepError("usage", `ISCEP_LOG_LEVEL must be one of ${logLevels.join(", ")}`);
  return level;
}

export interface ServeLogs {
  /** The logs for the server: the terminal, and the files if there are any. */
  readonly all: Logs | undefined;
  readonly files: Logs | undefined;
}

export async function openServeLogs(
  folder: ServerOptions["logs"],
  level: LogLevel,
  given: Partial<Limits> | undefined,
): Promise<ServeLogs> {
  const limits = resolveLimits(given);
  const { combineLogs } = await import("../../logs/combine.js");
  const terminal = level === "quiet" ? [] : [await openTerminal(level, limits)];
  const files = folder === undefined ? undefined : await openFiles(folder, level, limits);
  const logs = [...terminal, ...(files === undefined ? [] : [files])];
  return { all: logs.length === 0 ? undefined : combineLogs(...logs), files };
}

async function openTerminal(level: Exclude<LogLevel, "quiet">, limits: Limits): Promise<Logs> {
  const { openTerminalLogs } = await import("../../logs/terminal.js");
  return openTerminalLogs(surroundings().stderr, { level, limits });
}

async function openFiles(folder: string | Logs, level: LogLevel, limits: Limits): Promise<Logs> {
  if (typeof folder !== "string") return folder;
  const { openLogFiles } = await import("../../logs/files.js");
  const onProblem = (message: string): void => void (level === "quiet" || warn(message));
  return openLogFiles(folder, { limits, onProblem });
}

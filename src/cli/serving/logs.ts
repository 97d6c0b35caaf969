/** Makes what `iscep serve` writes to the terminal and to its log files. */
import { IscepError } from "../../errors.js";
import { resolveLimits, type Limits } from "../../limits/limits.js";
import type { Logs, LogStream } from "../../model/logs.js";
import type { ServerOptions } from "../../server/options.js";
import { note, warn } from "../terminal/streams.js";
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
  /** The logs for the server: the terminal, and the files or the stream if there are any. */
  readonly all: Logs | undefined;
  /** The files, or the stream. */
  readonly kept: Logs | undefined;
  /** The stream whose lines are all JSON, so that nothing else may be printed there. */
  readonly stream: LogStream["to"] | undefined;
  /** Tells a person on standard error, or as a line of the logs where these have standard error. */
  readonly warn: (message: string) => Promise<void>;
  readonly note: (message: string) => Promise<void>;
}

export async function openServeLogs(
  folder: ServerOptions["logs"],
  level: LogLevel,
  given: Partial<Limits> | undefined,
): Promise<ServeLogs> {
  const limits = resolveLimits(given);
  const { combineLogs } = await import("../../logs/combine.js");
  const stream = typeof folder === "object" && "to" in folder ? folder.to : undefined;
  const terminal = level === "quiet" || stream === "stderr" ? [] : [await openTerminal(level, limits)];
  const kept = stream === undefined ? await openFiles(folder, level, limits) : await openStream(stream, limits);
  const logs = [...terminal, ...(kept === undefined ? [] : [kept])];
  const tell = async (message: string): Promise<void> => kept?.error({ event: "start", message, level: "info" });
  const announcing = stream === "stderr" ? { warn: tell, note: tell } : { warn, note };
  return { all: logs.length === 0 ? undefined : combineLogs(...logs), kept, stream, ...announcing };
}

async function openStream(to: LogStream["to"], limits: Limits): Promise<Logs> {
  const { openStreamLogs } = await import("../../logs/stream.js");
  return openStreamLogs(surroundings()[to], limits);
}

async function openTerminal(level: Exclude<LogLevel, "quiet">, limits: Limits): Promise<Logs> {
  const { openTerminalLogs } = await import("../../logs/terminal.js");
  return openTerminalLogs(surroundings().stderr, { level, limits });
}

async function openFiles(folder: ServerOptions["logs"], level: LogLevel, limits: Limits): Promise<Logs | undefined> {
  if (typeof folder !== "string") return undefined;
  const { openLogFiles } = await import("../../logs/files.js");
  const onProblem = (message: string): void => void (level === "quiet" || warn(message));
  return openLogFiles(folder, { limits, onProblem });
}

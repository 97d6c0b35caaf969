import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { IscepError } from "../errors.js";
import type { Limits } from "../limits/limits.js";
import { systemClock, type Clock } from "./clock.js";
import { accessLine, commandLine, errorLine } from "./lines.js";
import { LogFile } from "./log-file.js";
import { silentLogs } from "./combine.js";
import type { CommandEvent, Logs } from "../model/logs.js";

export interface LogFilesOptions {
  readonly limits: Limits;
  /**
   * Called at most once in `logProblemIntervalMs` when a line cannot be written; logging goes on when lines can be
   * written again. Default: a warning of the process (`process.on("warning")`) with the code `ISCEP_LOGS`.
   */
  readonly onProblem?: (message: string, error: unknown) => void;
  /** The clock, for tests. */
  readonly clock?: Clock;
}

/**
 * Logs in `folder` (made with mode 0700 when missing): access.log, error.log and commands.log, with mode 0600 and one
 * JSON object on each line. At local midnight, and at `maxLogFileBytes`, each is renamed to `NAME.YYYY-MM-DD`, after
 * the day that it holds, with a number behind it from the second file of a day on. `maxLogFiles` of these are kept.
 *
 * Lines are written within `logFlushMs`. All are written when `close()` resolves, and when the process exits in any way
 * that Node notices. A sudden end (SIGKILL, a signal without a handler, a crash of Node) loses the lines of the last
 * `logFlushMs`, and may leave an incomplete line, which the next start ends. Only `close()` forces the lines to the
 * disk, so a power cut may lose what the system had not written yet.
 * @throws IscepError `configuration` when the folder or a file cannot be made or opened
 */
export async function openLogFiles(folder: string, options: LogFilesOptions): Promise<Logs> {
  const { limits, clock = systemClock } = options;
  const onProblem = oncePerInterval(options.onProblem ?? warnOfLogs, limits.logProblemIntervalMs, clock);
  const files: LogFile[] = [];
  const open = (name: string): LogFile => {
    const file = new LogFile(join(folder, name), { limits, clock, onProblem });
    files.push(file);
    return file;
  };
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const access = open("access.log");
    const error = open("error.log");
    const commands = open(commandsName);
    endAtExit(files);
    return {
      access(event) {
        const nowMs = clock.now();
        access.append(accessLine(event, nowMs, limits), nowMs);
      },
      error(event) {
        const nowMs = clock.now();
        error.append(errorLine(event, nowMs, limits), nowMs);
      },
      command(event) {
        tellCommand(commands, event, limits, clock);
      },
      commandsFile: join(folder, commandsName),
      close: () => close(files),
    };
  } catch (error) {
    await closeAll(files);
    throw new IscepError(
      "configuration",
      `the logs cannot be written to ${folder}: ${error instanceof Error ? error.message : String(error)}; ` +
        "choose a folder that this user may write to",
      { cause: error },
    );
  }
}

/**
 * Only the commands log, for a server that keeps its runs and has no other logs in files.
 * @throws the system's error
 */
export function openCommandsLog(folder: string, options: LogFilesOptions): Logs {
  const { limits, clock = systemClock } = options;
  const onProblem = oncePerInterval(options.onProblem ?? warnOfLogs, limits.logProblemIntervalMs, clock);
  const path = join(folder, commandsName);
  const commands = new LogFile(path, { limits, clock, onProblem });
  const files = [commands];
  endAtExit(files);
  return {
    ...silentLogs,
    command(event) {
      tellCommand(commands, event, limits, clock);
    },
    commandsFile: path,
    close: () => close(files),
  };
}

const commandsName = "commands.log";

function tellCommand(file: LogFile, event: CommandEvent, limits: Limits, clock: Clock): void {
  const line = commandLine(event, limits);
  if (event.isDurable === true) file.appendNow(line, clock.now());
  else file.append(line, clock.now());
}

async function close(files: readonly LogFile[]): Promise<void> {
  await closeAll(files);
  openFiles.delete(files);
  if (openFiles.size === 0) process.off("exit", endAll);
}

async function closeAll(files: readonly LogFile[]): Promise<void> {
  await Promise.all(files.map((file) => file.close()));
}

/** There is one listener for all logs of the process, because Node warns of a leak from the eleventh on. */
const openFiles = new Set<readonly LogFile[]>();

function endAtExit(files: readonly LogFile[]): void {
  if (openFiles.size === 0) process.on("exit", endAll);
  openFiles.add(files);
}

function endAll(): void {
  for (const files of openFiles) for (const file of files) file.endNow();
}

export function oncePerInterval(
  tell: (message: string, error: unknown) => void,
  intervalMs: number,
  clock: Clock,
): (message: string, error: unknown) => void {
  let toldAtMs = Number.NEGATIVE_INFINITY;
  return (message, error) => {
    const nowMs = clock.now();
    // A clock that was set back must not silence the report.
    if (nowMs >= toldAtMs && nowMs - toldAtMs < intervalMs) return;
    toldAtMs = nowMs;
    try {
      tell(message, error);
    } catch (thrown) {
      warnOfLogs("onProblem of the logs threw", thrown);
    }
  };
}

export function warnOfLogs(message: string, error: unknown): void {
  const reason = error instanceof Error ? `: ${error.message}` : "";
  process.emitWarning(message + reason, { type: "IscepWarning", code: "ISCEP_LOGS" });
}

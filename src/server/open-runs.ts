/** Opens the runs folder when a server starts: what an earlier process left is made whole before anybody asks for it. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { IscepError, textOfThrown } from "../errors.js";
import { withFileLock } from "../identity/file-lock.js";
import type { Limits } from "../limits.js";
import { systemClock } from "../logs/clock.js";
import { combineLogs } from "../logs/combine.js";
import { oncePerInterval, openCommandsLog } from "../logs/files.js";
import { readHistory, type LoggedRun } from "../logs/history.js";
import type { Logs } from "../logs/logs.js";
import { isProcessGone } from "../process-mark.js";
import { endProcessesOfRuns } from "../runs/end-processes.js";
import { isOutcomeStatus } from "../runs/outcome.js";
import type { RunRecord } from "../runs/run-record.js";
import { RunStore, type StoredRun } from "../runs/run-store.js";

export interface OpenRuns {
  readonly store: RunStore;
  /** Of runs that are not in the store, from the commands log. */
  readonly history: readonly RunRecord[];
  readonly logs: Logs;
  /** What an earlier process left has come to its end. */
  readonly settled: Promise<void>;
}

type Tell = (message: string, error: unknown) => void;

/** @throws IscepError `configuration` when the folder cannot be used, `busy` when another server opens it for very long. */
export async function openRuns(folder: string, limits: Limits, given: Logs | undefined): Promise<OpenRuns> {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const tell: Tell = (message, error) => {
      if (given === undefined) warn(message, error);
      else given.error({ event: "runs_folder", message, error });
    };
    const onProblem = oncePerInterval(tell, limits.logProblemIntervalMs, systemClock);
    const logs =
      given?.commandsFile === undefined
        ? combineLogs(...(given === undefined ? [] : [given]), openCommandsLog(folder, { limits, onProblem }))
        : given;
    // Two servers that start at once would both find the same runs without an end.
    return await withFileLock(join(folder, "opening"), limits.fileLockTimeoutMs, () => {
      const store = new RunStore({ folder, limits, onProblem });
      const { left, records } = findLeft(store, logs, limits, tell);
      const settled = endLeft(left, folder, store, logs, limits).catch((error: unknown) =>
        tell("the end of runs of an earlier server could not be written", error),
      );
      return { store, logs, history: records, settled };
    });
  } catch (error) {
    if (error instanceof IscepError) throw error;
    throw new IscepError(
      "configuration",
      `runs cannot be kept in ${folder}: ${textOfThrown(error)}; choose a folder that this user may write to`,
      { cause: error },
    );
  }
}

interface Ending {
  readonly stored: StoredRun;
  /** What the commands log knows of its end. */
  readonly seen: RunRecord | undefined;
}

/** Finds the runs that nobody saw to their end, and what the commands log knows of others. */
function findLeft(store: RunStore, logs: Logs, limits: Limits, tell: Tell): { left: Ending[]; records: RunRecord[] } {
  const { commandsFile = "" } = logs;
  const { runs, badLines } = readHistory(commandsFile, limits.maxHistoryBytes);
  if (badLines > 0) tell(`${badLines} lines of ${commandsFile} are no whole JSON and were passed over`, undefined);
  const left = store.unfinished().map((stored) => ({ stored, seen: recordOf(runs.get(stored.start.run)) }));
  for (const { stored, seen } of left) store.lose(stored, seen);
  const records: RunRecord[] = [];
  for (const logged of runs.values()) {
    const stored = store.get(logged.runId);
    let record = recordOf(logged);
    if (record === undefined && isProcessGone(logged.server)) {
      // A function without a file, or one whose last line was still waiting when its server was killed.
      record = stored === undefined ? lostRecord(logged) : store.record(logged.runId);
      if (record !== undefined && !left.some((ending) => ending.stored === stored)) logEnd(logs, record, logged);
    }
    if (stored === undefined && record !== undefined) records.push(record);
  }
  return { left, records };
}

/**
 * First its processes, then its line: should this server be killed meanwhile, the next one finds both again.
 * Of two servers that started at once, the first gives a run its end.
 */
async function endLeft(
  left: readonly Ending[],
  folder: string,
  store: RunStore,
  logs: Logs,
  limits: Limits,
): Promise<void> {
  await Promise.all(
    left.map(async ({ stored, seen }) => {
      await endProcessesOfRuns(new Set([stored.start.run]), limits.killGraceMs);
      await withFileLock(join(folder, "opening"), limits.fileLockTimeoutMs, () => {
        const record = store.writeLost(stored);
        if (record !== undefined && seen === undefined) logEnd(logs, record, stored.start);
      });
    }),
  );
}

function recordOf(logged: LoggedRun | undefined): RunRecord | undefined {
  const end = logged?.end;
  if (logged === undefined || end === undefined || !isOutcomeStatus(end.status)) return undefined;
  const { runId: run, command, owner, startedAtMs } = logged;
  return { run, command, owner, startedAtMs, ...end, status: end.status };
}

function lostRecord({ runId: run, command, owner, startedAtMs }: LoggedRun): RunRecord {
  return { run, command, owner, startedAtMs, endedAtMs: Date.now(), status: "lost", code: "lost", outputBytes: 0 };
}

function logEnd(
  logs: Logs,
  record: RunRecord,
  { tokenId, source, server }: Pick<LoggedRun, "tokenId" | "source" | "server">,
): void {
  const { run: runId, startedAtMs, endedAtMs = startedAtMs, ...rest } = record;
  logs.command({ ...rest, runId, startedAtMs, durationMs: endedAtMs - startedAtMs, tokenId, source, server, args: {} });
}

function warn(message: string, error: unknown): void {
  const reason = error === undefined ? "" : `: ${textOfThrown(error)}`;
  process.emitWarning(message + reason, { type: "IscepWarning", code: "ISCEP_RUNS" });
}

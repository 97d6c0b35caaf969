/** Opens the runs folder when a server starts. What an earlier process left is completed before anybody asks for it. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { IscepError, textOfThrown } from "../errors.js";
import { withFileLock } from "../files/file-lock.js";
import type { Limits } from "../limits/limits.js";
import { systemClock } from "../logs/clock.js";
import { combineLogs } from "../logs/combine.js";
import { oncePerInterval, openCommandsLog } from "../logs/files.js";
import type { Logs } from "../model/logs.js";
import type { RunRecord } from "../model/run-record.js";
import { RunStore } from "./store.js";
import { ServerLease } from "./lease.js";
import { LeftRuns, type LeftRunsOptions } from "./left-runs.js";

export interface OpenRuns {
  readonly store: RunStore;
  /** The ends of runs that are not in the store, from the commands log. */
  readonly history: readonly RunRecord[];
  readonly logs: Logs;
  /** Whether the server with this mark has ended; undefined: that is known soon. */
  readonly isGone: (server: string) => boolean | undefined;
  /**
   * Resolves when everything of an earlier process has its end, and all output is written. Call it before the logs
   * close.
   */
  close(): Promise<void>;
}

type Tell = (message: string, error: unknown) => void;

/**
 * @param lost called for each run that is found to be lost
 * @throws IscepError `configuration` when the folder cannot be used, `busy` when another server opens it for too long
 */
export async function openRuns(
  folder: string,
  limits: Limits,
  given: Logs | undefined,
  lost: LeftRunsOptions["lost"],
): Promise<OpenRuns> {
  /** Closes what is open, when the rest cannot be opened. */
  const opened: (() => unknown)[] = [];
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const tell: Tell = (message, error) => {
      if (given === undefined) warn(message, error);
      else given.error({ event: "runs_folder", message, error });
    };
    const onProblem = oncePerInterval(tell, limits.logProblemIntervalMs, systemClock);
    const withCommandsLog = (): Logs => {
      const own = openCommandsLog(folder, { limits, onProblem });
      opened.push(() => own.close());
      return combineLogs(...(given === undefined ? [] : [given]), own);
    };
    const logs = given?.commandsFile === undefined ? withCommandsLog() : given;
    // Otherwise two servers that start at once would both find the same runs without an end.
    const lockPath = join(folder, "opening");
    const { store, lease, left } = await withFileLock(lockPath, limits.fileLockTimeoutMs, async () => {
      const lease = new ServerLease(folder, limits.serverLeaseMs, (error) =>
        onProblem("other servers cannot be told that this one lives", error),
      );
      opened.push(() => lease.close());
      const store = await RunStore.open({ folder, limits, onProblem });
      opened.push(() => store.close());
      const left = await LeftRuns.open({ store, lease, logs, limits, lockPath, tell, onProblem, lost });
      return { store, lease, left };
    });
    left.begin();
    const isGone = (server: string): boolean | undefined => lease.isGoneIfKnown(server);
    return { store, logs, history: left.records, isGone, close: () => closeAll(store, left, lease) };
  } catch (error) {
    await Promise.allSettled(opened.toReversed().map(async (close) => close()));
    if (error instanceof IscepError) throw error;
    throw new IscepError(
      "configuration",
      `runs cannot be kept in ${folder}: ${textOfThrown(error)}; choose a folder that this user may write to`,
      { cause: error },
    );
  }
}

async function closeAll(store: RunStore, left: LeftRuns, lease: ServerLease): Promise<void> {
  await left.close();
  await store.close();
  lease.close();
}

function warn(message: string, error: unknown): void {
  const reason = error === undefined ? "" : `: ${textOfThrown(error)}`;
  process.emitWarning(message + reason, { type: "IscepWarning", code: "ISCEP_RUNS" });
}

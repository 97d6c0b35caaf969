/**
 * Ends the runs of servers that are gone. Each gets its one end, in its file and in the commands log, and its processes
 * are ended.
 */
import { withFileLock } from "../files/file-lock.js";
import type { Limits } from "../limits/limits.js";
import { readHistory, type LoggedRun } from "../logs/history.js";
import type { Logs } from "../model/logs.js";
import { endProcessesOfRuns } from "../runs/script/end.js";
import { isOutcomeStatus } from "../model/outcome.js";
import { keptArgumentsIn, type RunRecord } from "../model/run-record.js";
import type { RunOutput } from "../runs/streams/output.js";
import type { RunStore } from "./store.js";
import type { StoredRun } from "./stored-run.js";
import type { ServerLease } from "./lease.js";

export interface LeftRunsOptions {
  readonly store: RunStore;
  readonly lease: ServerLease;
  readonly logs: Logs;
  readonly limits: Limits;
  /** This lock is held while an end is written, so that of two servers that start at once only one writes it. */
  readonly lockPath: string;
  readonly tell: (message: string, error: unknown) => void;
  /** Called once for each run that is lost, by the server that found out. @param output what it printed, if that was kept */
  readonly lost: (record: RunRecord, output: RunOutput | undefined) => void;
}

export class LeftRuns {
  readonly #options: LeftRunsOptions;
  #logged: ReadonlyMap<string, LoggedRun>;
  /** Runs of the commands log that are not in the store and have an end. */
  readonly records: RunRecord[] = [];
  /** Runs of servers in other containers, which may still live. */
  #doubtful: LoggedRun[] = [];
  readonly #timer: NodeJS.Timeout;
  #settled: Promise<unknown> = Promise.resolve();

  constructor(options: LeftRunsOptions) {
    this.#options = options;
    const { limits } = options;
    this.#logged = this.#readLog();
    this.#endStored();
    for (const logged of this.#logged.values()) this.#endLogged(logged);
    options.lease.sweep();
    // Another server goes on with its runs, or is killed meanwhile. For a server in another container, only time shows
    // that it is gone.
    this.#timer = setInterval(() => this.#lookAgain(), limits.otherServersIntervalMs).unref();
  }

  #readLog(): ReadonlyMap<string, LoggedRun> {
    const { logs, limits, tell } = this.#options;
    const { commandsFile = "" } = logs;
    const { runs, badLines } = readHistory(commandsFile, limits.maxHistoryBytes);
    if (badLines > 0) tell(`${badLines} lines of ${commandsFile} are no whole JSON and were passed over`, undefined);
    return runs;
  }

  #lookAgain(): void {
    const { store, lease, tell } = this.#options;
    const isGone = lease.goneServers();
    const hasEnded = ({ server }: { readonly server: string }): boolean => isGone(server);
    try {
      store.writeAgain();
      for (const stored of store.unfinished()) store.look(stored);
      const doubtful = this.#doubtful.filter(hasEnded);
      if (doubtful.length === 0 && !store.unfinished().some(({ start }) => isGone(start.server))) return;
      // That server has written more since this one read the log.
      this.#logged = this.#readLog();
      this.#endStored();
      this.#doubtful = this.#doubtful.filter((logged) => !doubtful.includes(logged));
      for (const logged of doubtful) this.#endLogged(this.#logged.get(logged.runId) ?? logged);
      lease.sweep();
    } catch (error) {
      tell("the runs folder cannot be read", error);
    }
  }

  #endStored(): void {
    const { store, lease, tell } = this.#options;
    const isGone = lease.goneServers();
    for (const stored of store.unfinished()) {
      // The order matters: a server that is gone writes no more.
      if (!isGone(stored.start.server) || store.look(stored, true).end !== undefined) continue;
      const seen = recordOf(this.#logged.get(stored.start.run));
      store.lose(stored, seen);
      const ended = this.#end(stored, seen).catch((error: unknown) =>
        tell(`the end of run ${stored.start.run}, of a server that is gone, could not be written`, error),
      );
      this.#settled = Promise.all([this.#settled, ended]);
    }
  }

  /**
   * First the processes end, then the line is written. If this server is killed in between, the next one finds both
   * again.
   */
  async #end(stored: StoredRun, seen: RunRecord | undefined): Promise<void> {
    const { store, logs, limits, lockPath, lost } = this.#options;
    await endProcessesOfRuns(new Set([stored.start.run]), limits.killGraceMs);
    await withFileLock(lockPath, limits.fileLockTimeoutMs, () => {
      const record = store.writeLost(stored);
      if (record === undefined || seen !== undefined) return;
      lost(record, store.restore(stored).output);
      logEnd(logs, record, stored.start);
    });
  }

  /** A function without a file, or a run whose last line was still waiting when its server was killed. */
  #endLogged(logged: LoggedRun): void {
    const { store, lease, logs, lost } = this.#options;
    const stored = store.get(logged.runId);
    let record = recordOf(logged);
    if (record === undefined && !lease.isGone(logged.server)) {
      this.#doubtful.push(logged);
      return;
    }
    // A run that got its end from the store just now gets its line after its processes have ended.
    if (record === undefined && !store.isUnwritten(logged.runId)) {
      const found = store.record(logged.runId);
      record = found ?? lostRecord(logged);
      if (found === undefined) lost(record, undefined);
      logEnd(logs, record, logged);
    }
    if (stored === undefined && record !== undefined) this.records.push(record);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#settled;
  }
}

function recordOf(logged: LoggedRun | undefined): RunRecord | undefined {
  const end = logged?.end;
  if (logged === undefined || end === undefined || !isOutcomeStatus(end.status)) return undefined;
  const { runId: run, command, owner, startedAtMs } = logged;
  return { run, command, owner, startedAtMs, ...keptArgumentsIn(logged), ...end, status: end.status };
}

function lostRecord(logged: LoggedRun): RunRecord {
  const { runId: run, command, owner, startedAtMs } = logged;
  const known = { run, command, owner, startedAtMs, ...keptArgumentsIn(logged) };
  return { ...known, endedAtMs: Date.now(), status: "lost", code: "lost", outputBytes: 0 };
}

function logEnd(
  logs: Logs,
  record: RunRecord,
  { tokenId, source, server }: Pick<LoggedRun, "tokenId" | "source" | "server">,
): void {
  const { run: runId, startedAtMs, endedAtMs = startedAtMs, ...rest } = record;
  logs.command({ ...rest, runId, startedAtMs, durationMs: endedAtMs - startedAtMs, tokenId, source, server, args: {} });
}

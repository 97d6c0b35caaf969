/**
 * Ends the runs of servers that are gone. Each gets its one end, in its file and in the commands log, and its processes
 * are ended.
 */
import { isIscepError } from "../errors.js";
import { withFileLock } from "../files/file-lock.js";
import { atOnce, inTurns, type Steps } from "../files/in-turns.js";
import { isShortage } from "../files/shortage.js";
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
  /** As `tell`, for what may happen again and again. */
  readonly onProblem: (message: string, error: unknown) => void;
  /** Called once for each run that is lost, by the server that found out. @param output what it printed, if that was kept */
  readonly lost: (record: RunRecord, output: RunOutput | undefined) => void;
}

/** A run that is lost, and what the log says of its end. */
interface LostRun {
  readonly stored: StoredRun;
  readonly seen: RunRecord | undefined;
}

export class LeftRuns {
  readonly #options: LeftRunsOptions;
  #logged: ReadonlyMap<string, LoggedRun> = new Map();
  /** Runs of the commands log that are not in the store and have an end. */
  readonly records: RunRecord[] = [];
  /** Runs of servers in other containers, which may still live, by id. */
  readonly #doubtful = new Map<string, LoggedRun>();
  /** Runs whose ends must still be written. */
  readonly #unwritten = new Set<LostRun>();
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;

  private constructor(options: LeftRunsOptions) {
    this.#options = options;
  }

  /** Call this while the lock is held. @throws what the system says */
  static async open(options: LeftRunsOptions): Promise<LeftRuns> {
    const left = new LeftRuns(options);
    await inTurns(left.#find());
    return left;
  }

  *#find(): Steps {
    this.#logged = yield* this.#readLog();
    yield* this.#endStored();
    for (const logged of this.#logged.values()) {
      this.#endLogged(logged);
      yield;
    }
    this.#options.lease.sweep();
  }

  /** Call this when the lock is given back. */
  begin(): void {
    this.#writeEnds();
    // Another server goes on with its runs, or is killed meanwhile. For a server in another container, only time shows
    // that it is gone.
    this.#timer = setInterval(() => this.#lookAgain(), this.#options.limits.otherServersIntervalMs).unref();
  }

  *#readLog(): Steps<ReadonlyMap<string, LoggedRun>> {
    const { logs, limits, tell } = this.#options;
    const { commandsFile = "" } = logs;
    const { runs, badLines } = yield* readHistory(commandsFile, limits.maxHistoryBytes);
    if (badLines > 0) tell(`${badLines} lines of ${commandsFile} are no whole JSON and were passed over`, undefined);
    return runs;
  }

  #lookAgain(): void {
    const { store, lease, onProblem } = this.#options;
    const isGone = lease.goneServers();
    try {
      this.#writeEnds();
      store.writeAgain();
      for (const stored of store.elsewhere.unfinished()) store.elsewhere.look(stored);
      const doubtful = [...this.#doubtful.values()].filter(({ server }) => isGone(server));
      if (doubtful.length === 0 && !store.elsewhere.unfinished().some(({ start }) => isGone(start.server))) return;
      // That server has written more since this one read the log.
      this.#logged = atOnce(this.#readLog());
      atOnce(this.#endStored());
      this.#writeEnds();
      for (const logged of doubtful) this.#endLogged(this.#logged.get(logged.runId) ?? logged);
      lease.sweep();
    } catch (error) {
      onProblem("the runs folder cannot be read", error);
    }
  }

  *#endStored(): Steps {
    const { store, lease } = this.#options;
    const isGone = lease.goneServers();
    for (const stored of store.elsewhere.unfinished()) {
      // The order matters: a server that is gone writes no more.
      if (!isGone(stored.start.server) || store.elsewhere.look(stored, true).end !== undefined) continue;
      const seen = recordOf(this.#logged.get(stored.start.run));
      store.elsewhere.lose(stored, seen);
      this.#unwritten.add({ stored, seen });
      yield;
    }
  }

  /** What cannot be written now is tried again later. */
  #writeEnds(): void {
    if (this.#writing !== undefined || this.#unwritten.size === 0) return;
    const { onProblem } = this.#options;
    this.#writing = this.#writeAll([...this.#unwritten])
      .catch((error: unknown) => onProblem("ends of runs, of a server that is gone, cannot be written now", error))
      .finally(() => (this.#writing = undefined));
  }

  /**
   * First the processes end, then the lines are written. If this server is killed in between, the next one finds both
   * again.
   */
  async #writeAll(runs: readonly LostRun[]): Promise<void> {
    const { limits, lockPath } = this.#options;
    const ids = runs.map(({ stored: { start } }) => start.processes ?? start.run);
    await endProcessesOfRuns(new Set(ids), limits.killGraceMs);
    await withFileLock(lockPath, limits.fileLockTimeoutMs, () => inTurns(this.#write(runs)));
  }

  *#write(runs: readonly LostRun[]): Steps {
    for (const run of runs) {
      try {
        this.#writeEnd(run);
      } catch (error) {
        if (isShortage(error) || (isIscepError(error) && isShortage(error.cause))) throw error;
        const { run: id } = run.stored.start;
        this.#options.tell(`the end of run ${id}, of a server that is gone, could not be written`, error);
      }
      this.#unwritten.delete(run);
      this.#options.store.elsewhere.told(run.stored.start.run);
      yield;
    }
  }

  #writeEnd({ stored, seen }: LostRun): void {
    const { store, logs, lost } = this.#options;
    // In a shortage this fails while nothing is written yet, and is tried again.
    const { output } = store.restore(stored);
    const record = store.elsewhere.writeLost(stored);
    if (record === undefined || seen !== undefined) return;
    lost(record, output);
    logEnd(logs, record, stored.start);
  }

  /** A function without a file, or a run whose last line was still waiting when its server was killed. */
  #endLogged(logged: LoggedRun): void {
    const { store, lease, logs, lost } = this.#options;
    const stored = store.get(logged.runId);
    this.#doubtful.delete(logged.runId);
    let record = recordOf(logged);
    if (record === undefined && !lease.isGone(logged.server)) {
      this.#doubtful.set(logged.runId, logged);
      return;
    }
    // A run that got its end from the store just now gets its line after its processes have ended.
    if (record === undefined && !store.elsewhere.isUnwritten(logged.runId)) {
      const found = store.record(logged.runId);
      record = found ?? lostRecord(logged);
      if (found === undefined) lost(record, undefined);
      logEnd(logs, record, logged);
    }
    if (stored === undefined && record !== undefined) this.records.push(record);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#writing;
    this.#writeEnds();
    await this.#writing;
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

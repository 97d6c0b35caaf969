/** Records runs: in the commands log, in the list of runs, and among those that can still be asked for. */
import { IscepError, textOfThrown } from "../errors.js";
import type { Identity } from "../model/identity.js";
import type { Limits } from "../limits/limits.js";
import type { CommandEvent, ErrorEvent, Logs } from "../model/logs.js";
import { maskText, maskThrown } from "../model/secrets.js";
import { ownProcessMark } from "../files/process-mark.js";
import { KeptRuns } from "./kept-runs.js";
import type { RunOutcome } from "../model/outcome.js";
import type { Metrics } from "../metrics/metrics.js";
import type { Notices } from "../notices/notices.js";
import { RunOutput } from "../runs/streams/output.js";
import { RunHistory } from "./history.js";
import { factsOf, maySee, type RunRecord, type RunsPage } from "../model/run-record.js";
import type { RunStore } from "./store.js";
import type { StoredRun } from "./stored-run.js";
import { recordOfRun } from "../runs/run/record.js";
import { endedRun } from "../runs/run/past-run.js";
import type { Run } from "../runs/run/run.js";
import { outcomeOf } from "./stored-outcome.js";

export interface RunJournalOptions {
  readonly limits: Limits;
  /** undefined: no logs, at no cost. */
  readonly logs?: Logs | undefined;
  /** Gets what commands throw, where there are no logs. */
  readonly exceptions?: ((event: ErrorEvent) => void) | undefined;
  /** undefined: runs are kept only in memory. */
  readonly store?: RunStore | undefined;
  /** undefined: nothing is counted. */
  readonly metrics?: Metrics | undefined;
  /** undefined: nobody is told of ends. */
  readonly notices?: Notices | undefined;
  /** Runs of an earlier process, from its commands log. */
  readonly history?: readonly RunRecord[] | undefined;
}

export interface RunsQuery {
  readonly run?: string | undefined;
  readonly idempotencyKey?: string | undefined;
  readonly after?: string | undefined;
  readonly limit?: number | undefined;
  /** True for all runs that the identity may see, and not only its own. */
  readonly all?: boolean | undefined;
  readonly command?: string | undefined;
  /** `running`, or how it ended. */
  readonly status?: string | undefined;
  readonly owner?: string | undefined;
  /** Unix time in milliseconds. Only runs that started then or later count. */
  readonly sinceMs?: number | undefined;
}

export class RunJournal {
  readonly #limits: Limits;
  readonly #logs: Logs | undefined;
  readonly #exceptions: ((event: ErrorEvent) => void) | undefined;
  readonly #store: RunStore | undefined;
  readonly #metrics: Metrics | undefined;
  readonly #notices: Notices | undefined;
  readonly #kept: KeptRuns;
  readonly #history: RunHistory;
  /** Runs of earlier processes, from the commands log. More come when another server is found to be gone. */
  readonly #left: readonly RunRecord[];
  #leftCount = 0;

  constructor({ limits, logs, exceptions, store, metrics, notices, history = [] }: RunJournalOptions) {
    this.#metrics = metrics;
    this.#notices = notices;
    this.#limits = limits;
    this.#logs = logs;
    this.#exceptions = exceptions;
    this.#store = store;
    this.#kept = new KeptRuns(limits);
    this.#history = new RunHistory(limits.maxStoredRuns);
    this.#left = history;
    this.#leftCount = history.length;
    const records = [...(store?.records() ?? []), ...history];
    for (const record of records.sort((a, b) => (a.run < b.run ? -1 : 1))) this.#history.addRecord(record);
  }

  /**
   * Call this before a run begins that must be known whatever happens to this process. It ends here when a run of another
   * server has its key.
   * @param processes the id that its processes have, if that is another one
   */
  begins(run: Run, processes?: string): void {
    // A run that was refused here ends no second time.
    if (run.isInJournal || run.outcome !== undefined) return;
    if (this.#store?.begin(run, processes) === false) {
      const error = new IscepError("busy", "another server has just begun a run with this key; call again to join it");
      run.end({ status: "rejected", error });
      run.work?.drop(run, error);
      return;
    }
    this.#begun(run, this.#store !== undefined);
  }

  /** The run goes on after the turn of the event loop in which it began. */
  outlasts(run: Run): void {
    if (!run.isInJournal) this.#begun(run, false);
  }

  #begun(run: Run, isDurable: boolean): void {
    run.enterJournal();
    this.#logs?.command({ ...eventOf(run, "running"), isDurable, server: ownProcessMark() });
  }

  /** From now on the run can be found, followed and listed. */
  keep(run: Run): void {
    this.#kept.keep(run);
    this.#history.add(run);
    if (run.outcome === undefined) run.keep();
    else this.#keptEnded(run);
  }

  #keptEnded(run: Run): void {
    this.#kept.ended(run);
    this.#history.ended(run);
  }

  /** The run has its outcome. This comes before anybody is told. */
  ends(run: Run, outcome: RunOutcome): void {
    run.trace?.end(outcome);
    const { startedAtMs, endedAtMs = startedAtMs } = run;
    this.#metrics?.ended(run.command, outcome, endedAtMs - startedAtMs, run.outputBytes);
    // This comes before it is written: a server that is killed now finds the notice, or else the run without an end.
    if (run.notices !== undefined) this.#notices?.ended(run, outcome);
    if (run.isInJournal) this.#store?.end(run, outcome);
    if (run.isKept) this.#keptEnded(run);
    const { status } = outcome;
    if (this.#exceptions !== undefined && status === "failed" && outcome.error.cause !== undefined)
      this.#exceptions(this.#faultOf(run, status, outcome.error));
    if (this.#logs === undefined) return;
    if (status === "completed" && !run.isInJournal && outcome.exitCode === undefined) {
      // Most calls go this way, without copies.
      this.#logs.command(eventOf(run, status));
      return;
    }
    const server = run.isInJournal ? { server: ownProcessMark() } : {};
    this.#logs.command({ ...eventOf(run, status), ...factsOf(outcome), ...server });
    if (status !== "completed") this.#logs.error(this.#faultOf(run, status, outcome.error));
  }

  #faultOf(run: Run, status: string, error: IscepError): ErrorEvent {
    const { cause } = error;
    return {
      event: `command_${status}`,
      message: maskText(cause === undefined ? error.message : textOfThrown(cause), run.secrets),
      command: run.command,
      runId: run.id,
      owner: run.identity.owner,
      source: run.source,
      error: maskThrown(cause ?? error, run.secrets, this.#limits.maxLogCauses),
    };
  }

  /**
   * @throws IscepError `run_not_found` for a run that is unknown, forgotten, or another owner's: all get the same
   *   answer
   */
  find(identity: Identity, id: string): Run {
    const run = this.#kept.byId(id);
    if (run !== undefined) {
      if (maySee(identity, { owner: run.identity.owner, command: run.command })) return run;
      throw new IscepError("run_not_found");
    }
    const stored = this.#store?.get(id);
    if (stored !== undefined && maySee(identity, stored.start)) return this.#restored(stored) ?? notFound();
    const record = this.#listed().get(id);
    return stored === undefined && record !== undefined && maySee(identity, record)
      ? this.#remembered(record)
      : notFound();
  }

  /** Only a line of the log is left of the run. */
  #remembered(record: RunRecord): Run {
    const { status, startedAtMs, endedAtMs = startedAtMs, outputBytes } = record;
    const outcome = outcomeOf({ ...record, status: status === "running" ? "lost" : status }, undefined, true);
    const start = { ...record, tokenId: null, source: "" };
    return endedRun(start, outcome, endedAtMs, RunOutput.ended(this.#limits, outputBytes));
  }

  /** The run that an earlier call of this owner with the same key began. */
  byKey(identity: Identity, idempotencyKey: string): Run | undefined {
    const run = this.#kept.byKey(identity, idempotencyKey);
    if (run !== undefined) return run;
    const stored = this.#store?.byKey(identity, idempotencyKey);
    return stored === undefined ? undefined : this.#restored(stored);
  }

  /** The run is read once for all who ask for it soon after. */
  #restored(stored: StoredRun): Run | undefined {
    const known = this.#kept.byId(stored.start.run);
    if (known !== undefined) return known;
    const run = this.#store?.restore(stored);
    // A run whose end is not final is read again each time.
    if (run?.outcome !== undefined && run.outcome.status !== "lost") {
      this.#kept.keep(run);
      this.#kept.ended(run);
    }
    return run;
  }

  /** The runs of this owner, newest first; or the one with this id. @throws IscepError `run_not_found` */
  list(identity: Identity, query: RunsQuery): RunsPage {
    const { idempotencyKey, after, limit } = query;
    // A caller learns only of keys of their own.
    const run = query.run ?? (idempotencyKey === undefined ? undefined : this.byKey(identity, idempotencyKey)?.id);
    if (run === undefined && idempotencyKey !== undefined) return { runs: [] };
    if (run === undefined) {
      const most = this.#limits.maxRunsPage;
      return this.#listed().page(after, Math.max(1, Math.min(limit ?? most, most)), (entry) => {
        if (!maySee(identity, entry) || !isAskedFor(entry, query, identity)) return undefined;
        const record = this.#current(entry);
        return query.status === undefined || query.status === record.status ? record : undefined;
      });
    }
    // Another server of the folder may have begun it since.
    const record = this.#listed().get(run) ?? this.#store?.record(run);
    if (record === undefined || !maySee(identity, record)) throw new IscepError("run_not_found");
    return { runs: [this.#current(record)] };
  }

  #listed(): RunHistory {
    for (const record of this.#left.slice(this.#leftCount)) this.#history.addRecord(record);
    this.#leftCount = this.#left.length;
    return this.#history;
  }

  /** A run of another server may have ended meanwhile, or may have been reported as lost before. */
  #current(record: RunRecord): RunRecord {
    const mayChange = record.status === "running" || record.status === "lost";
    if (!mayChange) return record;
    const kept = this.#kept.byId(record.run);
    if (kept !== undefined) return recordOfRun(kept);
    if (this.#store === undefined) return record;
    // Without a file nobody will ever say how it ended.
    const gone: RunRecord = record.status === "running" ? { ...record, status: "lost", code: "lost" } : record;
    return this.#store.record(record.run) ?? gone;
  }
}

function isAskedFor(record: RunRecord, query: RunsQuery, identity: Identity): boolean {
  const { all = false, owner, command, sinceMs = 0 } = query;
  if (owner === undefined ? !all && record.owner !== identity.owner : record.owner !== owner) return false;
  return (command === undefined || record.command === command) && record.startedAtMs >= sinceMs;
}

function notFound(): never {
  throw new IscepError("run_not_found");
}

function eventOf(run: Run, status: CommandEvent["status"]): CommandEvent {
  return {
    status,
    runId: run.id,
    command: run.command,
    owner: run.identity.owner,
    tokenId: run.identity.tokenId,
    source: run.source,
    startedAtMs: run.startedAtMs,
    durationMs: Date.now() - run.startedAtMs,
    outputBytes: run.outputBytes,
    args: run.loggedArgs,
    ...run.keptArguments,
  };
}

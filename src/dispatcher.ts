/**
 * THE seam: every door enters here with an identity. Authorisation, validation of arguments, limits on runs, timeouts
 * and the commands log live once, here and in what only it calls (src/runs, src/journal), and nowhere else.
 */
import type { Command, CommandDescription } from "./model/command.js";
import type { Registry } from "./commands/registry.js";
import { IscepError, isIscepError, toIscepError } from "./errors.js";
import type { Identity } from "./model/identity.js";
import type { Limits } from "./limits/limits.js";
import { Checking } from "./runs/checking.js";
import { Choices } from "./runs/choices.js";
import { Listing } from "./runs/listing.js";
import type { ListPage, PageRoom } from "./session/list-page.js";
import type { RunOutcome } from "./model/outcome.js";
import { rejected, stopped } from "./runs/run/endings.js";
import { execute, type ExecutionPlaces } from "./runs/execute.js";
import { NewPaths } from "./runs/new-paths.js";
import { mayType, type RunsPage } from "./model/run-record.js";
import { schedulesPage, type SchedulesPage } from "./journal/schedules.js";
import { RunJournal, type RunJournalOptions, type RunsQuery } from "./journal/journal.js";
import { rethrowLater } from "./runs/rethrow-later.js";
import { abandon } from "./runs/run/abandon.js";
import { Run, type RunHost } from "./runs/run/run.js";
import { fingerprint, repetitionFault, type Repetition } from "./runs/run/fingerprint.js";
import { packetRoom } from "./runs/run/settle.js";
import { UnderWay } from "./runs/under-way.js";
import type { StartOptions } from "./runs/run/start-options.js";
import { Work, type WorkHost } from "./runs/run/work.js";
import { ThreadPool } from "./runs/thread/pool.js";
import { Turns, type Turn } from "./runs/turns/turns.js";

export interface DispatcherOptions extends RunJournalOptions {
  readonly registry: Registry;
  /** Whether arguments are logged, for commands that do not say it themselves. Default: false. */
  readonly logArgs?: boolean | undefined;
  /** Called when the last place was taken, and when there is a free one again. */
  readonly loadChanged?: (() => void) | undefined;
}

export class Dispatcher {
  readonly #registry: Registry;
  readonly #limits: Limits;
  readonly #turns: Turns;
  readonly #threads: ThreadPool;
  readonly #places: ExecutionPlaces;
  readonly #checking: Checking;
  readonly #listing: Listing;
  readonly #journal: RunJournal;
  readonly #host: RunHost & WorkHost;
  readonly #underWay = new UnderWay();

  constructor(options: DispatcherOptions) {
    const { registry, limits, logArgs = false, notices, loadChanged } = options;
    this.#registry = registry;
    this.#limits = limits;
    this.#turns = new Turns(limits, (work, turn) => this.#begin(work, turn), loadChanged);
    this.#journal = new RunJournal(options);
    this.#threads = new ThreadPool(limits);
    this.#places = { threads: this.#threads, limits, newPaths: new NewPaths() };
    this.#host = {
      limits,
      room: packetRoom(limits),
      ends: (run, outcome) => this.#journal.ends(run, outcome),
      abandoned: (run) => setTimeout(abandon, limits.callerGraceMs, run),
      unwanted: (work, run, reason) => this.#unwanted(work, run, reason),
    };
    const choices = new Choices((identity, command) => {
      // The server itself starts this run, so it is not kept.
      const run = new Run(command, identity, identity.owner, this.#host);
      run.notices = [];
      this.#checking.check(run, {}, { timeoutMs: limits.choicesTimeoutMs });
      return run;
    }, limits);
    this.#checking = new Checking({
      registry,
      limits,
      logArgs,
      choices,
      underWay: this.#underWay,
      noticesOf: notices && ((command) => notices.of(command)),
      lasts: (run) => this.#lasts(run),
      admitted: (run, command, args) => this.#admitted(run, command, args),
    });
    this.#listing = new Listing(registry, choices, limits);
  }

  /**
   * The commands that this identity may run.
   * @throws IscepError `unauthorized` when it may not ask
   */
  list(identity: Identity): Command[] {
    return this.#listing.commands(identity);
  }

  /** A page of the descriptions of these commands, behind the command `after`. @throws IscepError as `list` */
  describe(
    identity: Identity,
    after: string | undefined,
    room: PageRoom,
  ): ListPage<CommandDescription> | Promise<ListPage<CommandDescription>> {
    return this.#listing.page(identity, after, room);
  }

  /** Never throws: each fault becomes the run's outcome. */
  start(identity: Identity, name: string, args: unknown, options: StartOptions): Run {
    const { idempotencyKey, detached = false } = options;
    const earlier =
      idempotencyKey === undefined
        ? undefined
        : this.#earlier({ identity, name, args, idempotencyKey, willType: options.stdin === true });
    if (earlier !== undefined) return this.#repeated(earlier, identity, name, args, options);
    const known = options.runId === undefined ? undefined : { run: options.runId };
    const run = new Run(name, identity, options.source, this.#host, known);
    if (idempotencyKey !== undefined)
      run.retention = { idempotencyKey, fingerprint: fingerprint(idempotencyKey, args) };
    else if (options.kept === true) run.retention = {};
    if (detached) run.holders.detach();
    run.valueRoom = options.valueRoom;
    if (options.wait === false) run.mayWait = false;
    if (options.stdin === true) run.openInput();
    run.terminal = options.terminal;
    options.begins?.(run);
    this.#checking.check(run, args, options);
    const { outcome } = run;
    if (outcome?.status !== "rejected" && (outcome === undefined || run.retention !== undefined))
      this.#journal.keep(run);
    return run;
  }

  /** The run of an earlier call with this key, or why this call does not get it. */
  #earlier(call: Repetition): Run | IscepError | undefined {
    try {
      const run = this.#journal.byKey(call.identity, call.idempotencyKey);
      return run === undefined ? undefined : (repetitionFault(run, call) ?? run);
    } catch (error) {
      return toIscepError(error); // now nobody can say whether such a run exists
    }
  }

  #repeated(earlier: Run | IscepError, identity: Identity, name: string, args: unknown, options: StartOptions): Run {
    if (!isIscepError(earlier)) {
      if (options.detached === true) earlier.holders.detach();
      return earlier;
    }
    const run = new Run(name, identity, options.source, this.#host);
    this.#checking.refuse(run, args, earlier);
    return run;
  }

  /**
   * @param willType the caller will send its standard input
   * @throws IscepError `run_not_found` for a run that is unknown, forgotten, or another owner's: all get the same
   *   answer
   */
  find(identity: Identity, id: string, willType = false): Run {
    const run = this.#journal.find(identity, id);
    if (!willType || mayType(identity, { ...run.identity, command: run.command })) return run;
    throw new IscepError("run_not_found");
  }

  /** Runs of this owner that are under way or known, newest first, a page of them; or the one with this id. */
  runs(identity: Identity, query: RunsQuery): RunsPage {
    return this.#journal.list(identity, query);
  }

  schedules(identity: Identity, after: string | undefined): SchedulesPage {
    return schedulesPage(this.#registry, this.#journal, identity, after, this.#limits.maxRunsPage);
  }

  /** The call is accepted, and its work takes its turn now or later. */
  #admitted(run: Run, command: Command, args: unknown): void {
    const work = new Work(run, command, args, command.timeoutMs ?? this.#limits.runTimeoutMs, this.#host);
    run.work = work;
    const turn = this.#turns.tryTake(command);
    if (turn !== undefined) {
      this.#begin(work, turn);
      return;
    }
    const answer = this.#turns.request(work);
    switch (answer.kind) {
      case "begins":
        return this.#begin(work, answer.turn);
      case "joins":
        return this.#join(run, answer.work, answer.turn);
      case "refused":
        return run.end(rejected(answer.error));
      case "waits":
        work.wait();
        this.#underWay.add(work);
        return this.#waits(run, work);
    }
  }

  #join(run: Run, work: Work, turn: Turn): void {
    // The processes have the id of the first run, which may end before this one.
    if (work.command.kind === "script") this.#journal.begins(run, work.first.id);
    this.#waits(run, work);
    // A run of another server may have its key.
    if (run.outcome !== undefined) return turn.release();
    work.join(run);
    run.whenEnded(() => {
      turn.release();
      this.#underWay.settle(work);
    });
  }

  /** Others may know of the run from now on, however it ends. */
  #waits(run: Run, { command }: Work): void {
    this.#lasts(run);
    if (run.outcome !== undefined) return;
    if (command.kind === "script") this.#journal.begins(run);
    else this.#journal.outlasts(run);
  }

  /** The run lasts: its caller gets its id now, and the time counts from here. */
  #lasts(run: Run): void {
    if (run.retention !== undefined) this.#journal.begins(run);
    if (run.outcome === undefined) run.limitTime();
  }

  #begin(work: Work, turn: Turn): void {
    if (!work.begin()) {
      turn.release();
      return;
    }
    const isScript = work.command.kind === "script";
    for (const run of work.runs) {
      if (isScript || run.retention !== undefined) this.#journal.begins(run);
      // It has waited, so others may know of it.
      else if (run.isKept) this.#journal.outlasts(run);
    }
    // A run of another server has the key of the only one that wants it.
    if (work.abortReason !== undefined) return this.#ended(work, turn, stopped(work.abortReason));
    const result = execute(work, this.#places);
    if (!(result instanceof Promise)) {
      this.#ended(work, turn, result);
      return;
    }
    this.#underWay.add(work);
    for (const run of work.runs) {
      this.#journal.outlasts(run);
      run.limitTime();
    }
    result.then((outcome) => this.#ended(work, turn, outcome)).catch(rethrowLater);
  }

  #ended(work: Work, turn: Turn, outcome: RunOutcome): void {
    work.end(outcome);
    turn.release();
    this.#underWay.settle(work);
  }

  #unwanted(work: Work, run: Run, reason: IscepError): void {
    if (this.#turns.leave(work)) {
      run.end(stopped(reason));
      this.#underWay.delete(work);
    } else if (work.command.kind === "function") {
      // A function may ignore its signal. Its caller gets the outcome now, but the place becomes free when the work
      // ends. What a script has started is ended first.
      run.end(stopped(reason));
    }
  }

  /** The runs that go on and those that wait. Work that several runs share counts once. */
  get activeRuns(): number {
    return this.#underWay.count;
  }

  /** How many runs go on, and how many wait for their turn. */
  get turns(): Pick<Turns, "taken" | "waiting" | "isFull"> {
    return this.#turns;
  }

  /**
   * Starts nothing more, waits for the runs that go on, and stops them after `graceMs`: functions by their signal,
   * scripts by SIGTERM and SIGKILL. Resolves when all have ended, and at the latest `endMs` after the grace, because a
   * function may ignore its signal.
   */
  async close(graceMs: number, endMs = this.#limits.killGraceMs): Promise<void> {
    const leftMs = await this.#underWay.close(graceMs, endMs);
    this.#turns.close();
    await this.#threads.close(0, leftMs);
  }
}

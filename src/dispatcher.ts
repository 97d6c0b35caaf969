/**
 * THE seam: every door enters here with an identity. Authorisation, validation of arguments, limits on runs, timeouts
 * and the commands log live here once, and nowhere else.
 */
import type { ArgumentsCheck, Command, CommandDescription } from "./model/command.js";
import { describeCommand } from "./commands/describe.js";
import type { Registry } from "./commands/registry.js";
import { IscepError, isIscepError } from "./errors.js";
import type { Identity } from "./model/identity.js";
import type { Limits } from "./limits/limits.js";
import { hideSecrets } from "./model/secrets.js";
import { Choices } from "./runs/choices.js";
import type { Outcome } from "./model/outcome.js";
import { closingError, rejected, schemaFault, stopped } from "./runs/run/endings.js";
import { execute } from "./runs/execute.js";
import { followRun } from "./runs/joined.js";
import type { RunsPage } from "./journal/history.js";
import { RunJournal, type RunJournalOptions, type RunsQuery } from "./journal/journal.js";
import { Run } from "./runs/run/run.js";
import { ThreadPool } from "./runs/thread/pool.js";
import { Turns, type Turn } from "./runs/turns/turns.js";

export interface DispatcherOptions extends RunJournalOptions {
  readonly registry: Registry;
}

export interface StartOptions {
  /** The caller's address, for the log. */
  readonly source: string;
  /** The caller's own patience; the command's timeout counts if it is shorter. */
  readonly timeoutMs?: number | undefined;
  /** A call with the key of an earlier one of the same owner joins that run. */
  readonly idempotencyKey?: string | undefined;
  /** It goes on when nobody holds it. */
  readonly detached?: boolean;
  /** The caller will send standard input: `run.input` is there from the start. */
  readonly stdin?: boolean;
  /** Its outcome and output can be asked for after its end, even if it ends at once. */
  readonly kept?: boolean;
  /** Called before the command starts, as it may write more in its first turn than is kept for those who come later. */
  readonly begins?: ((run: Run) => void) | undefined;
}

export class Dispatcher {
  readonly #registry: Registry;
  readonly #limits: Limits;
  readonly #turns: Turns;
  readonly #threads: ThreadPool;
  readonly #choices: Choices;
  readonly #active = new Set<Run>();
  readonly #journal: RunJournal;
  /** Of these, those that have not begun. */
  readonly #waiting = new Set<Run>();
  #closing = false;
  #onIdle: (() => void) | undefined;

  constructor(options: DispatcherOptions) {
    this.#registry = options.registry;
    this.#limits = options.limits;
    this.#turns = new Turns(options.limits);
    this.#journal = new RunJournal(options);
    this.#threads = new ThreadPool(options.limits);
    this.#choices = new Choices((identity, command) => {
      // Started within, so it is kept for nobody.
      const run = new Run(command, identity, identity.owner, this.#limits);
      this.#start(run, command, {}, this.#limits.choicesTimeoutMs);
      return run;
    }, options.limits);
  }

  /**
   * The commands that this identity may run.
   * @throws IscepError `unauthorized` when it may not ask.
   */
  list(identity: Identity): Command[] {
    if (!identity.mayDiscover) throw new IscepError("unauthorized", "this token may run commands, and not list them");
    return this.#registry.list().filter((command) => identity.mayRun(command.name));
  }

  /** Values that other commands give for their arguments have to be asked for first. @throws IscepError as `list` */
  describe(identity: Identity): CommandDescription[] | Promise<CommandDescription[]> {
    return this.#choices.describe(
      this.list(identity).map((command) => ({
        description: describeCommand(command, this.#limits.runTimeoutMs),
        choicesFrom: command.choicesFrom,
      })),
    );
  }

  /** Never throws: whatever is wrong becomes the run's outcome. */
  start(identity: Identity, name: string, args: unknown, options: StartOptions): Run {
    const { idempotencyKey } = options;
    if (idempotencyKey !== undefined) {
      const earlier = this.#journal.byKey(identity, idempotencyKey);
      // Only the same call again is a repetition; and whoever may not run it may not have its result either.
      if (earlier !== undefined && earlier.command === name && identity.mayRun(name)) return earlier;
      if (earlier !== undefined) return this.#refusedKey(identity, name, args, options.source);
    }
    const run = new Run(name, identity, options.source, this.#limits);
    if (options.kept === true || idempotencyKey !== undefined) run.retention = { idempotencyKey };
    if (options.stdin === true) run.openInput();
    options.begins?.(run);
    this.#start(run, name, args, options.timeoutMs);
    if (run.outcome?.status === "rejected") return run;
    if (run.outcome === undefined || run.retention !== undefined) {
      this.#journal.keep(run);
      if (options.detached === true) run.isDetached = true;
      if (options.detached !== true || options.stdin === true) run.whenAbandoned(this.#abandoned);
    }
    return run;
  }

  #refusedKey(identity: Identity, name: string, args: unknown, source: string): Run {
    const run = new Run(name, identity, source, this.#limits);
    const error = identity.mayRun(name)
      ? new IscepError(
          "invalid_arguments",
          "this idempotency key belongs to a call of another command; choose a new key",
        )
      : new IscepError("command_not_found");
    this.#end(run, args, rejected(error));
    return run;
  }

  /**
   * A caller may come back for its run; after the grace nobody will ask for it. One that is detached goes on, but not
   * with a part of its standard input, which it would take for the whole.
   */
  readonly #abandoned = (run: Run): void => {
    const timer = setTimeout(() => {
      if (run.isHeld || (run.isDetached && run.input?.isOver !== false)) return;
      run.abort(new IscepError("cancelled", "the caller's connection ended, and it did not come back"));
    }, this.#limits.callerGraceMs);
    run.whenEnded(() => clearTimeout(timer));
  };

  /** @throws IscepError `run_not_found` for a run that is unknown, forgotten or another owner's: the same answer for all. */
  find(identity: Identity, id: string): Run {
    return this.#journal.find(identity, id);
  }

  /** Runs of this owner that are under way or known, newest first, a page of them; or the one with this id. */
  runs(identity: Identity, query: RunsQuery): RunsPage {
    return this.#journal.list(identity, query);
  }

  /** Asks the run to stop; its outcome comes when it has. */
  cancel(run: Run, reason: IscepError): void {
    run.abort(reason);
  }

  #start(run: Run, name: string, args: unknown, timeoutMs: number | undefined): void {
    const { identity } = run;
    const command = this.#registry.get(name);
    // Unknown and forbidden answer alike: nobody learns of a command that he may not run.
    if (command === undefined || !identity.mayRun(name)) {
      this.#end(run, args, rejected(new IscepError("command_not_found")));
      return;
    }
    const { choicesFrom, secretArguments } = command;
    const { args: given, secrets } = hideSecrets(args, secretArguments);
    run.secrets = secrets;
    // The caller may wait for less than the command is allowed, and not for more.
    run.timeoutMs = Math.min(command.timeoutMs ?? this.#limits.runTimeoutMs, timeoutMs ?? Number.POSITIVE_INFINITY);
    let check: ArgumentsCheck | Promise<ArgumentsCheck>;
    try {
      check = command.checkArguments(args);
      if (choicesFrom !== undefined) check = this.#choices.check(choicesFrom, check);
    } catch (error) {
      this.#end(run, given, rejected(schemaFault(error)));
      return;
    }
    if (check instanceof Promise) {
      const begin = this.#holdBack(run, given);
      check.then(
        (checked) => {
          if (begin()) this.#admit(run, command, given, checked);
        },
        (error: unknown) => {
          if (!begin()) return;
          this.#end(run, given, rejected(isIscepError(error) ? error : schemaFault(error)));
          this.#settled(run);
        },
      );
    } else {
      this.#admit(run, command, given, check);
    }
  }

  #admit(run: Run, command: Command, given: unknown, check: ArgumentsCheck): void {
    if (!check.ok) {
      this.#end(run, given, rejected(new IscepError("invalid_arguments", check.message)));
      this.#settled(run);
      return;
    }
    if (this.#closing) {
      this.#end(run, given, rejected(closingError()));
      this.#settled(run);
      return;
    }
    const { args } = check;
    const turn = this.#turns.tryTake(command);
    if (turn !== undefined) {
      this.#execute(run, command, given, args, turn);
      return;
    }
    let begin = (): boolean => true;
    const refusal = this.#turns.request(run, command, args, {
      waits: () => (begin = this.#holdBack(run, given)),
      begins: (taken) => {
        if (begin()) this.#execute(run, command, given, args, taken);
        else taken.release();
      },
      joins: (first, taken) => this.#join(run, first, given, taken),
    });
    if (refusal === undefined) return;
    this.#end(run, given, rejected(refusal));
    this.#settled(run);
  }

  /** The run executes nothing: it shows what the first one writes, and ends as that one does, or earlier by itself. */
  #join(run: Run, first: Run, given: unknown, turn: Turn): void {
    if (run.retention !== undefined) this.#journal.begins(run, given);
    this.#journal.outlasts(run, given);
    this.#active.add(run);
    run.limitTime();
    const leave = followRun(run, first, (outcome) => this.#end(run, given, outcome));
    run.whenAborted((reason) => this.#end(run, given, stopped(reason)));
    run.whenEnded(() => {
      leave();
      this.#free(run, turn);
    });
  }

  /**
   * For a run that has not begun: it ends when it is aborted, and its timeout counts from here. Call `begin` once, when
   * it would begin; false when it has ended meanwhile.
   */
  #holdBack(run: Run, given: unknown): () => boolean {
    let waits = true;
    // Its caller gets its id now.
    if (run.retention !== undefined) this.#journal.begins(run, given);
    this.#active.add(run);
    this.#waiting.add(run);
    run.limitTime();
    run.whenAborted((reason) => {
      if (!waits) return;
      this.#waiting.delete(run);
      this.#end(run, given, stopped(reason));
      this.#settled(run);
    });
    return () => {
      waits = false;
      this.#waiting.delete(run);
      return run.outcome === undefined;
    };
  }

  #execute(run: Run, command: Command, given: unknown, args: unknown, turn: Turn): void {
    if (command.kind === "script" || run.retention !== undefined) this.#journal.begins(run, given);
    const result = execute(run, command, args, { threads: this.#threads, limits: this.#limits });
    if (!(result instanceof Promise)) {
      this.#end(run, given, result);
      this.#free(run, turn);
      return;
    }
    this.#journal.outlasts(run, given);
    this.#active.add(run);
    if (command.kind === "function") {
      run.limitTime();
      // A function may ignore its signal: the caller gets the outcome now, and the place is given back when the work ends.
      run.whenAborted((reason) => this.#end(run, given, stopped(reason)));
    }
    result.then((outcome) => {
      this.#end(run, given, outcome);
      this.#free(run, turn);
    }, rethrowLater);
  }

  #end(run: Run, given: unknown, outcome: Outcome): void {
    run.end(outcome, this.#journal, given);
  }

  #free(run: Run, turn: Turn): void {
    turn.release();
    this.#settled(run);
  }

  #settled(run: Run): void {
    if (this.#active.delete(run) && this.#active.size === 0) this.#onIdle?.();
  }

  /** Runs under way, those that wait included. */
  get activeRuns(): number {
    return this.#active.size;
  }

  /**
   * Starts nothing more, waits for what is under way, and stops it after `graceMs`: functions by their signal, scripts
   * by TERM and KILL. Resolves when all has ended; a function that ignores its signal is waited for no longer than
   * `killGraceMs`.
   */
  async close(graceMs: number): Promise<void> {
    this.#closing = true;
    for (const run of this.#waiting) run.abort(closingError());
    if (!(await this.#idle(graceMs))) {
      for (const run of this.#active) run.abort(new IscepError("cancelled", "the server was closed"));
      await this.#idle(this.#limits.killGraceMs + 2 * this.#limits.pipeGraceMs);
    }
    this.#turns.close();
    await this.#threads.close(0);
  }

  #idle(timeoutMs: number): Promise<boolean> {
    if (this.#active.size === 0) return Promise.resolve(true);
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), timeoutMs);
      this.#onIdle = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }
}

/** A fault in our own code must not vanish in a promise. */
function rethrowLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

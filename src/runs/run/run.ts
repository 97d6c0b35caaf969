import { IscepError } from "../../errors.js";
import type { Notice } from "../../model/command.js";
import type { Identity } from "../../model/identity.js";
import type { RunOutcome } from "../../model/outcome.js";
import type { KeptArguments } from "../../model/run-record.js";
import { RunInput } from "../streams/input.js";
import { RunOutput, type OutputLimits } from "../streams/output.js";
import type { RunTerminal } from "../streams/terminal.js";
import type { RunTrace } from "../../traces/run-trace.js";
import type { EndedRun, Retention } from "./ended-run.js";
import { stopped } from "./endings.js";
import type { RunFollower } from "./followers.js";
import { Holders, type HeldRun } from "./holders.js";
import { LastingRun } from "./lasting-run.js";
import type { Progress, ProgressLimits } from "./paced-progress.js";
import { createRunId } from "./run-id.js";
import { runStates, type RunEvent, type RunState } from "./states.js";
import { toldOutcome } from "./told.js";
import type { ValueRoom } from "./value-room.js";

/**
 * One call that the server executes. It is independent of the connection that asked for it, and ends with exactly one
 * outcome. What is executed is its work, which runs that join it may share.
 *
 * Most calls end within the turn of the event loop in which they began. So the id, the output and the lists of
 * listeners are made only when somebody asks for them.
 */
export class Run implements HeldRun {
  readonly command: string;
  readonly identity: Identity;
  /** The caller's IP address, or `unix`. */
  readonly source: string;
  readonly startedAtMs: number;
  /** undefined until the arguments have been checked. */
  work: RunWork | undefined;
  /** How long the run may take, with the wait for a place. */
  timeoutMs = Number.POSITIVE_INFINITY;
  /** The arguments in the form for logs: `secretValue` stands for each secret. */
  loggedArgs: unknown;
  /** The values that are logged and shown to callers who may see the run; undefined without `logArgs`. */
  keptArguments: Partial<KeptArguments> | undefined;
  /** The texts that the call gave for secret arguments. No log may have them. */
  secrets: readonly string[] = noSecrets;
  /** undefined when nobody traces. */
  trace: RunTrace | undefined;
  /** Who may have to be told of its end. undefined: nobody. */
  notices: readonly Notice[] | undefined;
  /** The terminal of its caller, if the command runs on one. */
  terminal: RunTerminal | undefined;
  /** The caller may ask for it later, even after a restart of the server. */
  retention: Retention | undefined;
  /** False: the run is refused when it cannot begin at once. */
  mayWait = true;
  /** How large a value the door of its caller can carry; undefined: as large as any door can. */
  valueRoom: ValueRoom | undefined;
  readonly #host: RunHost;
  #id: string | undefined;
  #state: RunState = "checking";
  #isInJournal = false;
  #isKept = false;
  #outcome: RunOutcome | undefined;
  #endedAtMs = 0;
  #lasting: LastingRun | undefined;
  #holders: Holders | undefined;

  constructor(command: string, identity: Identity, source: string, host: RunHost, start: Partial<EndedRun> = {}) {
    this.#id = start.run;
    this.command = command;
    this.identity = identity;
    this.source = source;
    this.startedAtMs = start.startedAtMs ?? Date.now();
    this.#host = host;
  }

  get id(): string {
    return (this.#id ??= createRunId(this.startedAtMs));
  }

  get state(): RunState {
    return this.#state;
  }

  /** Returns false, and changes nothing, when the event comes too late. */
  happens(event: RunEvent): boolean {
    const next = runStates[this.#state][event];
    if (next === undefined) return false;
    this.#state = next;
    return true;
  }

  /** undefined until it has ended. */
  get outcome(): RunOutcome | undefined {
    return this.#outcome;
  }

  /** The commands log has the start of the run, and must get its end. */
  get isInJournal(): boolean {
    return this.#isInJournal;
  }

  enterJournal(): void {
    this.#isInJournal = true;
  }

  /** The run can be found, followed and listed, and its end must be noted there. */
  get isKept(): boolean {
    return this.#isKept;
  }

  keep(): void {
    this.#isKept = true;
  }

  get endedAtMs(): number | undefined {
    // A run that ended within its call ended when it started.
    return this.#outcome === undefined ? undefined : this.#endedAtMs || this.startedAtMs;
  }

  get output(): RunOutput {
    const lasting = this.#last();
    if (lasting.output === undefined) {
      lasting.output = new RunOutput(this.#host.limits);
      if (this.#outcome !== undefined) lasting.output.close();
    }
    return lasting.output;
  }

  /** Something else writes the output. Call this before anybody asks for it. */
  takeOutput(output: RunOutput): void {
    this.#last().output = output;
  }

  /** The run is dropped from memory. What of its output is in files is read from there, and the rest is gone. */
  leaveToFiles(): void {
    this.#lasting?.output?.leaveToFiles();
  }

  /** undefined when the caller sends no standard input. */
  get input(): RunInput | undefined {
    return this.#lasting?.input;
  }

  /** Call this before the run begins, if its caller will send standard input. */
  openInput(): RunInput {
    return (this.#last().input ??= new RunInput());
  }

  /** The bytes of output so far. This makes no output if there is none. */
  get outputBytes(): number {
    return this.#lasting?.output?.end ?? 0;
  }

  /** The most memory that it takes to keep the run. */
  get memoryBytes(): number {
    const outcome = this.#outcome;
    const value = outcome !== undefined && "value" in outcome ? (outcome.value?.text.length ?? 0) : 0;
    // A UTF-16 unit has two bytes.
    return objectBytes + 2 * value + (this.#lasting?.output?.memoryBytes ?? 0);
  }

  /** Tells at once how far the run was when it last said so, and that it has ended already, or its place when it waits. */
  follow(follower: RunFollower): void {
    if (this.#outcome === undefined) {
      this.#last().followers.add(follower);
      return;
    }
    this.#lasting?.followers.tellProgress(follower);
    follower.ended(this.#outcome);
  }

  unfollow(follower: RunFollower): void {
    this.#lasting?.followers.remove(follower);
  }

  /** Calls at once if the run has already ended. */
  whenEnded(listener: (outcome: RunOutcome) => void): void {
    this.follow({ ended: listener });
  }

  progress(progress: Progress): void {
    if (this.#outcome === undefined) this.#last().followers.progress(progress, this.#host.limits);
  }

  /** The position, from 1; 0 when the wait is over. */
  movedInQueue(position: number): void {
    // Most runs never wait, so nothing is made for this before it is needed.
    if (position > 0) this.#last().followers.moved(position);
    else this.#lasting?.followers.moved(0);
  }

  /**
   * The first outcome counts. Later ones change nothing.
   * @param endedAtMs Unix time in milliseconds. Default: now.
   */
  end(settled: RunOutcome, endedAtMs?: number): void {
    if (!this.happens("ends")) return;
    const outcome = (this.#outcome = toldOutcome(settled, this.valueRoom ?? this.#host.room, this.secrets));
    const lasting = this.#lasting;
    if (lasting !== undefined) {
      this.#endedAtMs = endedAtMs ?? Date.now();
      lasting.close();
    }
    // This comes before any caller is told, so that an outcome that a caller knows is never lost.
    this.#host.ends(this, outcome);
    this.#holders?.end();
    lasting?.ended(outcome);
  }

  /** Asks the run to stop. Its outcome comes when it has stopped, which may be at once. */
  abort(reason: IscepError): void {
    if (!this.happens("stops")) return;
    if (this.work === undefined) this.end(stopped(reason));
    else this.work.drop(this, reason);
  }

  /** From now on, the run is aborted when its timeout has passed. The wait for a place counts. */
  limitTime(): void {
    this.#last().timer ??= setTimeout(timeOut, this.timeoutMs, this);
  }

  /** Those who want it to go on. */
  get holders(): Holders {
    return (this.#holders ??= new Holders(this));
  }

  abandoned(): NodeJS.Timeout | undefined {
    return this.#host.abandoned(this);
  }

  #last(): LastingRun {
    return (this.#lasting ??= new LastingRun());
  }
}

const noSecrets: readonly string[] = [];

/** The memory of the objects of an ended run. */
const objectBytes = 2_048;

/** What is executed for a run. */
export interface RunWork {
  /** The run is `ending`: it does not want the work any more. It gets its outcome now, or when the work has stopped. */
  drop(run: Run, reason: IscepError): void;
}

/** The place where runs are recorded. */
export interface RunHost {
  readonly limits: OutputLimits & ProgressLimits;
  /** How large a value may be that any door can carry. */
  readonly room: ValueRoom;
  /** The run has its outcome, and nobody has been told yet. */
  ends(run: Run, outcome: RunOutcome): void;
  /** Nobody holds the run any more: see `HeldRun`. */
  abandoned(run: Run): NodeJS.Timeout | undefined;
}

function timeOut(run: Run): void {
  run.abort(new IscepError("timeout", `the command took longer than its timeout of ${run.timeoutMs} ms`));
}

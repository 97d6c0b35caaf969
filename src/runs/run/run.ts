import { IscepError } from "../../errors.js";
import type { Notice } from "../../model/command.js";
import { anonymous, type Identity } from "../../model/identity.js";
import type { RunOutcome } from "../../model/outcome.js";
import { keptArgumentsIn, type KeptArguments } from "../../model/run-record.js";
import { maskText } from "../../model/secrets.js";
import { RunInput } from "../streams/input.js";
import { RunOutput, type OutputLimits } from "../streams/output.js";
import type { RunTerminal } from "../streams/terminal.js";
import type { RunTrace } from "../../traces/run-trace.js";
import type { EndedRun, Retention } from "./ended-run.js";
import { stopped } from "./endings.js";
import { eachListener, withListener, withoutListener, type Listeners } from "./listeners.js";
import { PacedProgress, type Progress, type ProgressLimits } from "./paced-progress.js";
import { createRunId } from "./run-id.js";
import { fitValue, type ValueRoom } from "./value-room.js";
import { runStates, type RunEvent, type RunState } from "./states.js";

/**
 * One call that the server executes. It is independent of the connection that asked for it, and ends with exactly one
 * outcome. What is executed is its work, which runs that join it may share.
 *
 * Most calls end within the turn of the event loop in which they began. So the id, the output and the lists of
 * listeners are made only when somebody asks for them.
 */
export class Run {
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
  secrets: readonly string[] = [];
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
  /** The commands log has the start of the run, and must get its end. */
  isInJournal = false;
  /** The run can be found, followed and listed, and its end must be noted there. */
  isKept = false;
  /** How many calls want it to go on when nobody holds it. */
  detachments = 0;
  readonly #host: RunHost;
  #id: string | undefined;
  #state: RunState = "checking";
  #outcome: RunOutcome | undefined;
  #endedAtMs = 0;
  #lasting: LastingRun | undefined;

  constructor(command: string, identity: Identity, source: string, host: RunHost, start: Partial<EndedRun> = {}) {
    this.#id = start.run;
    this.command = command;
    this.identity = identity;
    this.source = source;
    this.startedAtMs = start.startedAtMs ?? Date.now();
    this.#host = host;
  }

  /** A run that was kept: it belongs to an earlier process, or this process has dropped it from memory. */
  static ended(start: EndedRun, outcome: RunOutcome, endedAtMs: number, output: RunOutput): Run {
    const run = Run.elsewhere(start, output);
    run.#state = "ended";
    run.#outcome = outcome;
    run.#endedAtMs = endedAtMs;
    return run;
  }

  /** The run goes on in another server. What is known about it comes from its files. */
  static elsewhere(start: EndedRun, output: RunOutput): Run {
    // This identity never acts, because each caller who asks for the run shows an identity of their own.
    const identity = { ...anonymous, owner: start.owner, tokenId: start.tokenId, mayRun: () => false };
    const run = new Run(start.command, identity, start.source, pastHost, start);
    run.#state = "running";
    run.work = outOfReach;
    run.retention = { fingerprint: start.fingerprint };
    run.keptArguments = keptArgumentsIn(start);
    run.#last().output = output;
    return run;
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
    if (this.#outcome !== undefined) {
      if (this.#lasting?.progress !== undefined) follower.progress?.(this.#lasting.progress.latest);
      follower.ended(this.#outcome);
      return;
    }
    const lasting = this.#last();
    lasting.followers = withListener(lasting.followers, follower);
    if (lasting.queuePosition > 0) follower.queued?.(lasting.queuePosition);
    if (lasting.progress !== undefined) follower.progress?.(lasting.progress.latest);
  }

  unfollow(follower: RunFollower): void {
    const lasting = this.#lasting;
    if (lasting !== undefined) lasting.followers = withoutListener(lasting.followers, follower);
  }

  /** Calls at once if the run has already ended. */
  whenEnded(listener: (outcome: RunOutcome) => void): void {
    this.follow({ ended: listener });
  }

  progress(progress: Progress): void {
    if (this.#outcome !== undefined) return;
    const lasting = this.#last();
    lasting.progress ??= new PacedProgress(this.#host.limits, (latest) => {
      for (const follower of eachListener(lasting.followers)) follower.progress?.(latest);
    });
    lasting.progress.report(progress);
  }

  /** The position, from 1; 0 when the wait is over. */
  movedInQueue(position: number): void {
    // Most runs never wait, so nothing is made for this before it is needed.
    if (position === (this.#lasting?.queuePosition ?? 0)) return;
    const lasting = this.#last();
    lasting.queuePosition = position;
    for (const follower of eachListener(lasting.followers)) follower.queued?.(position);
  }

  /** The first outcome counts. Later ones change nothing. */
  end(settled: RunOutcome): void {
    if (!this.happens("ends")) return;
    const outcome = (this.#outcome = this.#told(settled));
    const lasting = this.#lasting;
    if (lasting === undefined) {
      this.#host.ends(this, outcome);
      return;
    }
    this.#endedAtMs = Date.now();
    lasting.output?.close();
    lasting.input?.discard();
    lasting.progress?.end();
    // This comes before any caller is told, so that an outcome that a caller knows is never lost.
    this.#host.ends(this, outcome);
    clearTimeout(lasting.timer);
    clearTimeout(lasting.graceTimer);
    const { followers } = lasting;
    lasting.followers = lasting.holders = undefined;
    for (const follower of eachListener(followers)) follower.ended(outcome);
  }

  /**
   * The outcome that all who ask are told. Its value fits the door of the run's own caller, and it shows no secret of
   * the call.
   */
  #told(settled: RunOutcome): RunOutcome {
    const outcome = fitValue(settled, this.valueRoom ?? this.#host.room);
    if (this.secrets.length === 0 || !("error" in outcome)) return outcome;
    const { code, message, details, cause } = outcome.error;
    const detailsText = JSON.stringify(details);
    const told = maskText(detailsText, this.secrets) === detailsText ? details : {};
    return { ...outcome, error: new IscepError(code, maskText(message, this.secrets), { details: told, cause }) };
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

  /** A caller holds the run, so that it goes on until the caller releases it. */
  hold(holder: object): void {
    if (this.#outcome !== undefined) return;
    const lasting = this.#last();
    clearTimeout(lasting.graceTimer);
    if (!eachListener(lasting.holders).includes(holder)) lasting.holders = withListener(lasting.holders, holder);
  }

  release(holder: object): void {
    const lasting = this.#last();
    if (!eachListener(lasting.holders).includes(holder)) return;
    lasting.holders = withoutListener(lasting.holders, holder);
    if (lasting.holders === undefined && this.#outcome === undefined) {
      lasting.graceTimer = this.#host.abandoned(this);
    }
  }

  get isHeld(): boolean {
    return this.#lasting?.holders !== undefined;
  }

  /** True when somebody other than this holder wants the run. */
  isWantedWithout(holder: object, isDetached: boolean): boolean {
    const others = eachListener(this.#lasting?.holders).filter((one) => one !== holder);
    return others.length > 0 || this.detachments > (isDetached ? 1 : 0);
  }

  #last(): LastingRun {
    return (this.#lasting ??= new LastingRun());
  }
}

/** The memory of the objects of an ended run. */
const objectBytes = 2_048;

/** Something that follows a run, such as the door of its caller, or of a client that attached. */
export interface RunFollower {
  /** Called once. */
  ended(outcome: RunOutcome): void;
  progress?(progress: Progress): void;
  /** Its position in a queue, from 1; 0 when the wait is over. */
  queued?(position: number): void;
}

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
  /**
   * The last caller that held the run has released it. The timer is cleared when a caller holds it again, and when it
   * ends.
   */
  abandoned(run: Run): NodeJS.Timeout | undefined;
}

/** Only its own server can stop it. */
const outOfReach: RunWork = { drop: () => {} };

/** Nothing is recorded about a run that belongs to another server or an earlier one. */
const pastHost: RunHost = {
  limits: {
    maxRetainedOutputBytes: 0,
    streamWindowBytes: 0,
    progressIntervalMs: 0,
    maxProgressMessageCharacters: 0,
  },
  room: {
    maxBytes: Number.POSITIVE_INFINITY,
    maxScriptResultBytes: Number.POSITIVE_INFINITY,
    tooLarge: () => new IscepError("too_large"),
  },
  ends: () => {},
  abandoned: () => undefined,
};

/** What a run needs only if it lasts longer than its call, or somebody follows it. */
class LastingRun {
  output: RunOutput | undefined;
  input: RunInput | undefined;
  followers: Listeners<RunFollower>;
  progress: PacedProgress | undefined;
  queuePosition = 0;
  /** Callers that want it to go on. Without any, and not detached, the run is abandoned. */
  holders: Listeners<object>;
  timer: NodeJS.Timeout | undefined;
  /** Runs out when no caller has come back in time. */
  graceTimer: NodeJS.Timeout | undefined;
}

function timeOut(run: Run): void {
  run.abort(new IscepError("timeout", `the command took longer than its timeout of ${run.timeoutMs} ms`));
}

import { IscepError } from "../../errors.js";
import { anonymous, type Identity } from "../../model/identity.js";
import type { RunOutcome } from "../../model/outcome.js";
import { maskText } from "../../model/secrets.js";
import { RunInput } from "../streams/input.js";
import { RunOutput, type OutputLimits } from "../streams/output.js";
import { stopped } from "./endings.js";
import { eachListener, withListener, withoutListener, type Listeners } from "./listeners.js";
import { PacedProgress, type Progress, type ProgressLimits } from "./paced-progress.js";
import { createRunId } from "./run-id.js";
import { fitValue, type ValueRoom } from "./value-room.js";
import { runStates, type RunEvent, type RunState } from "./states.js";

/**
 * One call that the server executes. It lives apart from the connection that asked for it, and ends with exactly one outcome.
 * What is executed is its work, which it may share with runs that have joined it.
 *
 * Most calls are over within the same turn of the event loop, so the id, the output and the lists of listeners are only
 * made when somebody asks for them.
 */
export class Run {
  readonly command: string;
  readonly identity: Identity;
  /** IP address of the caller, or `unix`. */
  readonly source: string;
  readonly startedAtMs: number;
  /** Undefined until its arguments have been checked. */
  work: RunWork | undefined;
  /** How long it may take, the wait for a place included. */
  timeoutMs = Number.POSITIVE_INFINITY;
  /** Its arguments as logs may have them: `secretValue` stands for each secret. */
  loggedArgs: unknown;
  /** The texts that its call gave for secret arguments: no log may hold them. */
  secrets: readonly string[] = [];
  /** Its caller may ask for it later, also after a restart of the server. */
  retention: Retention | undefined;
  /** What the door of its caller can carry; undefined where that is what any other door can. */
  valueRoom: ValueRoom | undefined;
  /** The commands log has its start, and shall have its end. */
  isInJournal = false;
  /** It can be found, followed and listed, and its end is to be noted there. */
  isKept = false;
  /** So many calls want it to go on when nobody holds it. */
  detachments = 0;
  readonly #host: RunHost;
  #id: string | undefined;
  #state: RunState = "checking";
  #outcome: RunOutcome | undefined;
  #endedAtMs = 0;
  #lasting: LastingRun | undefined;

  constructor(command: string, identity: Identity, source: string, host: RunHost, startedAtMs: number = Date.now()) {
    this.command = command;
    this.identity = identity;
    this.source = source;
    this.startedAtMs = startedAtMs;
    this.#host = host;
  }

  /** As it was kept: of an earlier process, or forgotten by this one. */
  static ended(start: EndedRun, outcome: RunOutcome, endedAtMs: number, output: RunOutput): Run {
    const run = Run.elsewhere(start, output);
    run.#state = "ended";
    run.#outcome = outcome;
    run.#endedAtMs = endedAtMs;
    return run;
  }

  /** It is under way in another server. What is known of it comes from its files. */
  static elsewhere(start: EndedRun, output: RunOutput): Run {
    // Nobody acts with it: whoever asks for the run shows an identity of its own.
    const identity = { ...anonymous, owner: start.owner, tokenId: start.tokenId, mayRun: () => false };
    const run = new Run(start.command, identity, start.source, pastHost, start.startedAtMs);
    run.#id = start.run;
    run.#state = "running";
    run.work = outOfReach;
    run.retention = { fingerprint: start.fingerprint };
    run.#last().output = output;
    return run;
  }

  get id(): string {
    return (this.#id ??= createRunId(this.startedAtMs));
  }

  get state(): RunState {
    return this.#state;
  }

  /** False, and nothing changes, where the event comes too late. */
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
    // A run that was over within its call ended when it started.
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

  /** undefined where the caller sends no standard input. */
  get input(): RunInput | undefined {
    return this.#lasting?.input;
  }

  /** To be called before the run begins, when its caller will send standard input. */
  openInput(): RunInput {
    return (this.#last().input ??= new RunInput());
  }

  /** Bytes of output so far, without making an output where there is none. */
  get outputBytes(): number {
    return this.#lasting?.output?.end ?? 0;
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

  /** Calls at once when the run has ended already. */
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

  /** From 1; 0 when it waits no more. */
  movedInQueue(position: number): void {
    // Most runs never wait, and need nothing for that.
    if (position === (this.#lasting?.queuePosition ?? 0)) return;
    const lasting = this.#last();
    lasting.queuePosition = position;
    for (const follower of eachListener(lasting.followers)) follower.queued?.(position);
  }

  /** The first outcome counts; whatever comes later changes nothing. */
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
    // Before anybody is told: what a caller has heard of is never lost.
    this.#host.ends(this, outcome);
    clearTimeout(lasting.timer);
    const { followers } = lasting;
    lasting.followers = undefined;
    for (const follower of eachListener(followers)) follower.ended(outcome);
  }

  /** The same for all who ask: its caller may carry less than others, and no secret of its call is shown. */
  #told(settled: RunOutcome): RunOutcome {
    const outcome = this.valueRoom === undefined ? settled : fitValue(settled, this.valueRoom);
    if (this.secrets.length === 0 || !("error" in outcome)) return outcome;
    const { code, message, details, cause } = outcome.error;
    return { ...outcome, error: new IscepError(code, maskText(message, this.secrets), { details, cause }) };
  }

  /** Asks it to stop. Its outcome comes when it has, which may be at once. */
  abort(reason: IscepError): void {
    if (!this.happens("stops")) return;
    if (this.work === undefined) this.end(stopped(reason));
    else this.work.drop(this, reason);
  }

  /** From now on it is aborted when its timeout has passed. Where it waited for its place, the wait counts. */
  limitTime(): void {
    this.#last().timer ??= setTimeout(timeOut, this.timeoutMs, this);
  }

  /** A caller that wants the run to go on, until it releases it. */
  hold(holder: object): void {
    const lasting = this.#last();
    if (!eachListener(lasting.holders).includes(holder)) lasting.holders = withListener(lasting.holders, holder);
  }

  release(holder: object): void {
    const lasting = this.#last();
    if (!eachListener(lasting.holders).includes(holder)) return;
    lasting.holders = withoutListener(lasting.holders, holder);
    if (lasting.holders === undefined && this.#outcome === undefined) this.#host.abandoned(this);
  }

  get isHeld(): boolean {
    return this.#lasting?.holders !== undefined;
  }

  /** Whether anybody wants it beside this caller. */
  isWantedWithout(holder: object, isDetached: boolean): boolean {
    const others = eachListener(this.#lasting?.holders).filter((one) => one !== holder);
    return others.length > 0 || this.detachments > (isDetached ? 1 : 0);
  }

  #last(): LastingRun {
    return (this.#lasting ??= new LastingRun());
  }
}

export interface Retention {
  readonly idempotencyKey?: string;
  /** Of the arguments of the call with that key; undefined without a key. */
  readonly fingerprint?: string | undefined;
}

/** Whoever wants to hear of a run: its caller's door, one who has attached. */
export interface RunFollower {
  /** Once. */
  ended(outcome: RunOutcome): void;
  progress?(progress: Progress): void;
  /** Its place in a queue, from 1; 0 when it waits no more. */
  queued?(position: number): void;
}

/** What is executed for it. */
export interface RunWork {
  /** The run is `ending`: it wants the work no more, and gets its outcome now or when the work has stopped. */
  drop(run: Run, reason: IscepError): void;
}

/** Where runs are written down. */
export interface RunHost {
  readonly limits: OutputLimits & ProgressLimits;
  /** It has its outcome, and nobody has been told yet. */
  ends(run: Run, outcome: RunOutcome): void;
  /** The last of those that held it has let go of it. */
  abandoned(run: Run): void;
}

/** What is kept of a run beside its outcome and output. */
export interface EndedRun {
  readonly run: string;
  readonly command: string;
  readonly owner: string;
  readonly tokenId: string | null;
  readonly source: string;
  readonly startedAtMs: number;
  readonly fingerprint?: string;
}

/** Only its own server can stop it. */
const outOfReach: RunWork = { drop: () => {} };

/** Nothing is written down of a run that is not this server's, or was before. */
const pastHost: RunHost = {
  limits: {
    maxRetainedOutputBytes: 0,
    streamWindowBytes: 0,
    progressIntervalMs: 0,
    maxProgressMessageCharacters: 0,
  },
  ends: () => {},
  abandoned: () => {},
};

/** What only a run has that lasts longer than its call, or that somebody follows. */
class LastingRun {
  output: RunOutput | undefined;
  input: RunInput | undefined;
  followers: Listeners<RunFollower>;
  progress: PacedProgress | undefined;
  queuePosition = 0;
  /** Callers that want it to go on; without any, and not detached, it is abandoned. */
  holders: Listeners<object>;
  timer: NodeJS.Timeout | undefined;
}

function timeOut(run: Run): void {
  run.abort(new IscepError("timeout", `the command took longer than its timeout of ${run.timeoutMs} ms`));
}

import { IscepError } from "../../errors.js";
import type { CommandContext, CommandOutput } from "../../model/command.js";
import { anonymous, type Identity } from "../../model/identity.js";
import type { Outcome } from "../../model/outcome.js";
import { noInput, RunInput } from "../streams/input.js";
import { eachListener, withListener, withoutListener, type Listeners } from "./listeners.js";
import { RunOutput, type OutputLimits } from "../streams/output.js";
import { createRunId } from "./run-id.js";

/**
 * One execution of a command. It lives apart from the connection that asked for it, and ends with exactly one outcome.
 *
 * Most calls are over within the same turn of the event loop, so the id, the output, the abort controller and the lists
 * of listeners are only made when somebody asks for them.
 */
export class Run {
  readonly command: string;
  readonly identity: Identity;
  /** IP address of the caller, or `unix`. */
  readonly source: string;
  readonly startedAtMs: number;
  readonly context: CommandContext;
  /** How long it may take, the wait for a place included. */
  timeoutMs = Number.POSITIVE_INFINITY;
  /** The texts that its call gave for secret arguments: no log may hold them. */
  secrets: readonly string[] = [];
  /** Its caller may ask for it later, also after a restart of the server. */
  retention: { readonly idempotencyKey: string | undefined } | undefined;
  /** The commands log has its start, and shall have its end. */
  isInJournal = false;
  /** It can be found, followed and listed, and its end is to be noted there. */
  isKept = false;
  /** It goes on when nobody holds it. */
  isDetached = false;
  readonly #limits: OutputLimits;
  #id: string | undefined;
  #outcome: Outcome | undefined;
  #endedAtMs = 0;
  #state: RunState | undefined;

  constructor(
    command: string,
    identity: Identity,
    source: string,
    limits: OutputLimits,
    startedAtMs: number = Date.now(),
  ) {
    this.command = command;
    this.identity = identity;
    this.source = source;
    this.startedAtMs = startedAtMs;
    this.#limits = limits;
    this.context = new RunContext(this);
  }

  /** As it was kept: of an earlier process, or forgotten by this one. */
  static ended(start: EndedRun, outcome: Outcome, endedAtMs: number, output: RunOutput): Run {
    const run = Run.elsewhere(start, output);
    run.#outcome = outcome;
    run.#endedAtMs = endedAtMs;
    return run;
  }

  /** It is under way in another server. What is known of it comes from its files. */
  static elsewhere(start: EndedRun, output: RunOutput): Run {
    // Nobody acts with it: whoever asks for the run shows an identity of its own.
    const identity = { ...anonymous, owner: start.owner, tokenId: start.tokenId, mayRun: () => false };
    const run = new Run(start.command, identity, start.source, nothingMore, start.startedAtMs);
    run.#id = start.run;
    run.#lived().output = output;
    return run;
  }

  get id(): string {
    return (this.#id ??= createRunId(this.startedAtMs));
  }

  /** undefined while it is under way. */
  get outcome(): Outcome | undefined {
    return this.#outcome;
  }

  get endedAtMs(): number | undefined {
    // A run that was over within its call ended when it started.
    return this.#outcome === undefined ? undefined : this.#endedAtMs || this.startedAtMs;
  }

  get output(): RunOutput {
    const state = this.#lived();
    if (state.output === undefined) {
      state.output = new RunOutput(this.#limits);
      if (this.#outcome !== undefined) state.output.close();
    }
    return state.output;
  }

  /** undefined where the caller sends no standard input. */
  get input(): RunInput | undefined {
    return this.#state?.input;
  }

  /** To be called before the run begins, when its caller will send standard input. */
  openInput(): RunInput {
    return (this.#lived().input ??= new RunInput());
  }

  /** Bytes of output so far, without making an output where there is none. */
  get outputBytes(): number {
    return this.#state?.output?.end ?? 0;
  }

  /** Aborted when the run shall stop: timeout, cancel, close of the server. */
  get signal(): AbortSignal {
    const state = this.#lived();
    if (state.controller === undefined) {
      state.controller = new AbortController();
      if (state.abortReason !== undefined) state.controller.abort(state.abortReason);
    }
    return state.controller.signal;
  }

  /** Tells at once that the run has ended already; else its place when it waits, and how far it was when it last said so. */
  follow(follower: RunFollower): void {
    if (this.#outcome !== undefined) {
      follower.ended(this.#outcome);
      return;
    }
    const state = this.#lived();
    state.followers = withListener(state.followers, follower);
    if (state.queuePosition > 0) follower.queued?.(state.queuePosition);
    if (state.progress !== undefined) follower.progress?.(state.progress.fraction, state.progress.message);
  }

  unfollow(follower: RunFollower): void {
    const state = this.#state;
    if (state !== undefined) state.followers = withoutListener(state.followers, follower);
  }

  /** Calls at once when the run has ended already. */
  whenEnded(listener: (outcome: Outcome) => void): void {
    this.follow({ ended: listener });
  }

  progress(fraction: number, message: string | undefined): void {
    const state = this.#lived();
    state.progress = { fraction, message };
    for (const follower of eachListener(state.followers)) follower.progress?.(fraction, message);
  }

  /** From 1; 0 when it waits no more. */
  movedInQueue(position: number): void {
    // Most runs never wait, and are not to have a state for that.
    if (position === (this.#state?.queuePosition ?? 0)) return;
    const state = this.#lived();
    state.queuePosition = position;
    for (const follower of eachListener(state.followers)) follower.queued?.(position);
  }

  /** The first outcome counts; whatever comes later changes nothing. */
  end(outcome: Outcome, journal: RunEndJournal, given: unknown): void {
    if (this.#outcome !== undefined) return;
    this.#outcome = outcome;
    const state = this.#state;
    if (state === undefined) {
      journal.ends(this, outcome, given);
      return;
    }
    this.#endedAtMs = Date.now();
    state.output?.close();
    state.input?.discard();
    // Before anybody is told: what a caller has heard of is never lost.
    journal.ends(this, outcome, given);
    clearTimeout(state.timer);
    const { followers } = state;
    state.followers = undefined;
    state.abortListeners = undefined;
    for (const follower of eachListener(followers)) follower.ended(outcome);
  }

  /** It has been asked to stop. */
  get isAborted(): boolean {
    return this.#state?.abortReason !== undefined;
  }

  /** Asks the command to stop; `reason` becomes `context.signal.reason`. */
  abort(reason: IscepError): void {
    const state = this.#lived();
    if (state.abortReason !== undefined || this.#outcome !== undefined) return;
    state.abortReason = reason;
    state.controller?.abort(reason);
    for (const listener of eachListener(state.abortListeners)) listener(reason);
  }

  /** Calls once, at an abort before the run has ended. Cheaper than the signal. */
  whenAborted(listener: (reason: IscepError) => void): void {
    const state = this.#lived();
    if (state.abortReason !== undefined) listener(state.abortReason);
    else state.abortListeners = withListener(state.abortListeners, listener);
  }

  /** From now on it is aborted when its timeout has passed. */
  limitTime(): void {
    const state = this.#lived();
    // Twice where it waited for its place: what counts is the first.
    state.timer ??= setTimeout(timeOut, this.timeoutMs, this);
  }

  /** A caller that wants the run to go on, until it releases it. */
  hold(holder: object): void {
    const state = this.#lived();
    if (!eachListener(state.holders).includes(holder)) state.holders = withListener(state.holders, holder);
  }

  release(holder: object): void {
    const state = this.#lived();
    if (!eachListener(state.holders).includes(holder)) return;
    state.holders = withoutListener(state.holders, holder);
    if (state.holders === undefined && this.#outcome === undefined) state.onAbandoned?.(this);
  }

  get isHeld(): boolean {
    return this.#state?.holders !== undefined;
  }

  /** Called each time when the last of those that held the run has let go of it. */
  whenAbandoned(listener: (run: Run) => void): void {
    this.#lived().onAbandoned = listener;
  }

  #lived(): RunState {
    return (this.#state ??= new RunState());
  }
}

/** Whoever wants to hear of a run: its caller's door, one who has attached, a run that has joined it. */
export interface RunFollower {
  /** Once. */
  ended(outcome: Outcome): void;
  progress?(fraction: number, message: string | undefined): void;
  /** Its place in a queue, from 1; 0 when it waits no more. */
  queued?(position: number): void;
}

/** Where the end of a run is written down. */
export interface RunEndJournal {
  ends(run: Run, outcome: Outcome, given: unknown): void;
}

/** What is kept of a run beside its outcome and output. */
export interface EndedRun {
  readonly run: string;
  readonly command: string;
  readonly owner: string;
  readonly tokenId: string | null;
  readonly source: string;
  readonly startedAtMs: number;
}

const nothingMore: OutputLimits = { maxRetainedOutputBytes: 0, streamWindowBytes: 0 };

/** What only a run has that lasts longer than its call, or that somebody follows. */
class RunState {
  output: RunOutput | undefined;
  input: RunInput | undefined;
  controller: AbortController | undefined;
  abortReason: IscepError | undefined;
  abortListeners: Listeners<(reason: IscepError) => void>;
  followers: Listeners<RunFollower>;
  progress: { readonly fraction: number; readonly message: string | undefined } | undefined;
  queuePosition = 0;
  onAbandoned: ((run: Run) => void) | undefined;
  /** Callers that want it to go on; without any, and not detached, it is abandoned. */
  holders: Listeners<object>;
  timer: NodeJS.Timeout | undefined;
}

function timeOut(run: Run): void {
  run.abort(new IscepError("timeout", `the command took longer than its timeout of ${run.timeoutMs} ms`));
}

class RunContext implements CommandContext {
  readonly #run: Run;

  constructor(run: Run) {
    this.#run = run;
  }

  get runId(): string {
    return this.#run.id;
  }

  get identity(): Pick<Identity, "owner" | "tokenId"> {
    return this.#run.identity;
  }

  get signal(): AbortSignal {
    return this.#run.signal;
  }

  get output(): CommandOutput {
    return this.#run.output;
  }

  get stdin(): AsyncIterable<Uint8Array> {
    return this.#run.input ?? noInput;
  }

  /** Works without its context as well: commands take apart what they are given. */
  get progress(): CommandContext["progress"] {
    return (fraction, message) => this.#run.progress(Math.min(1, Math.max(0, fraction)), message);
  }
}

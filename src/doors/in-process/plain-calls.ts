/**
 * Calls of which only the outcome counts, for a door that has the arguments as JSON and tells the outcome as JSON. They
 * enter the dispatcher without a client and its messages, which cost as much as the rest of a short call.
 */
import { IscepError, toIscepError } from "../../errors.js";
import type { RunOutcome } from "../../model/outcome.js";
import { rejected } from "../../runs/run/endings.js";
import type { RunFollower } from "../../runs/run/followers.js";
import type { Run } from "../../runs/run/run.js";
import type { PlainCallRequest, PlainCaller, PlainCallAnswer } from "../built-in-door.js";
import type { Workload } from "../fair-work.js";
import type { InProcessHost, InProcessSession } from "./host.js";
import type { CallerIdentity } from "./identity.js";

export interface PlainCallsOptions {
  readonly host: InProcessHost;
  readonly identity: CallerIdentity;
  readonly source: string;
}

/** The calls of one caller. Their runs are released when the caller goes away, as those of a session. */
export class PlainCalls implements PlainCaller, InProcessSession, Workload {
  readonly #host: InProcessHost;
  readonly #identity: CallerIdentity;
  readonly #source: string;
  /** Calls that have not begun. */
  #waiting: PlainCall[] = [];
  readonly #inFlight = new Set<PlainCall>();

  constructor({ host, identity, source }: PlainCallsOptions) {
    this.#host = host;
    this.#identity = identity;
    this.#source = source;
  }

  call(request: PlainCallRequest, answer: PlainCallAnswer): void {
    this.#waiting.push(new PlainCall(request, answer, this));
    this.#host.work.offer(this);
  }

  get isStranger(): boolean {
    return this.#identity.current() === undefined;
  }

  work(_nowMs: number, untilMs: number): boolean {
    while (this.#inFlight.size < this.#host.limits.maxCallsInFlight) {
      const call = this.#waiting.shift();
      if (call === undefined) return false;
      this.#start(call);
      if (performance.now() >= untilMs) return this.#waiting.length > 0;
    }
    return false;
  }

  #start(call: PlainCall): void {
    const { request, answer } = call;
    let run: Run;
    try {
      run = this.#run(request);
    } catch (error) {
      answer(rejected(toIscepError(error)), undefined);
      return;
    }
    const { outcome } = run;
    // Nothing is kept of a run that ended at once, so its id would lead nowhere.
    if (outcome !== undefined) {
      answer(outcome, undefined);
      return;
    }
    call.run = run;
    this.#inFlight.add(call);
    this.#host.inProcess.add(this);
    run.holders.hold(call);
    run.follow(call);
  }

  /** @throws IscepError `unauthorized`, or `busy` while this source is refused for wrong tokens */
  #run({ command, args, traceparent }: PlainCallRequest): Run {
    this.#identity.check(this.#host);
    const identity = this.#identity.current();
    if (identity === undefined) throw new IscepError("unauthorized");
    return this.#host.dispatcher.start(identity, command, args, { source: this.#source, traceparent });
  }

  ended(call: PlainCall, outcome: RunOutcome): void {
    this.#inFlight.delete(call);
    if (this.#waiting.length > 0) this.#host.work.wait(this);
    if (this.#inFlight.size === 0) this.#host.inProcess.delete(this);
    call.answer(outcome, call.run?.id);
  }

  /** When a token is no longer valid, nobody is told how its runs end. */
  check(): void {
    if (!this.#identity.isRevoked(this.#host)) return;
    const message = "the token of this session is no longer valid; how the run ended is not known";
    this.#lose(message);
  }

  cut(reason: string): void {
    for (const { answer } of this.#waiting.splice(0)) answer(rejected(new IscepError("internal", reason)), undefined);
    this.#lose(reason);
  }

  #lose(message: string): void {
    for (const call of this.#inFlight) {
      this.#forget(call);
      this.ended(call, { status: "lost", error: new IscepError("lost", message) });
    }
  }

  #forget(call: PlainCall): void {
    call.run?.unfollow(call);
    call.run?.holders.release(call);
  }

  /** The caller has gone away. Nobody gets an answer any more. */
  release(): void {
    this.#waiting = [];
    for (const call of this.#inFlight) this.#forget(call);
    this.#inFlight.clear();
    this.#host.inProcess.delete(this);
  }
}

class PlainCall implements RunFollower {
  readonly request: PlainCallRequest;
  readonly answer: PlainCallAnswer;
  readonly #calls: PlainCalls;
  /** undefined before the run has begun, and for a run that ended at once. */
  run: Run | undefined;

  constructor(request: PlainCallRequest, answer: PlainCallAnswer, calls: PlainCalls) {
    this.request = request;
    this.answer = answer;
    this.#calls = calls;
  }

  ended(outcome: RunOutcome): void {
    this.#calls.ended(this, outcome);
  }
}

/** The calls of one version 2 session: calls in flight, and one answer for each. */
import { IscepError } from "../../errors.js";
import type { Identity } from "../../model/identity.js";
import type { Run } from "../../runs/run/run.js";
import { packetRoom } from "../../runs/run/settle.js";
import type { ValueRoom } from "../../runs/run/value-room.js";
import type { CallParams, RequestMessage } from "../../session/version2-messages.js";
import { errorText, notificationText } from "../../session/version2-server.js";
import { callOptionsOf } from "./call-options.js";
import { inputOf, SessionInputs } from "./session-inputs.js";
import { outcomeText, type AnswerExtras } from "./outcome-text.js";
import { FollowedCall, type FollowedCallHost, type FollowOptions } from "./followed-call.js";
import { checkReader } from "./output-stream.js";
import { LateAnswers, type LateAnswersHost } from "./late-answers.js";
import type { SessionCallsHost } from "./session-calls-host.js";
import { SessionStreams, type SessionStreamsHost } from "./session-streams.js";
import { SparseMap } from "./sparse-map.js";

/** To write a value of this length costs as much as many small answers. */
const worthATurnLength = 64 * 1024;

export class SessionCalls implements SessionStreamsHost, FollowedCallHost, LateAnswersHost {
  readonly #host: SessionCallsHost;
  /** Calls and attaches that have no answer yet, by id. */
  readonly #inFlight = new SparseMap<number, FollowedCall>();
  readonly streams: SessionStreams;
  // Most connections send no input, many ask for no output, and most read their answers at once.
  #inputs: SessionInputs | undefined;
  #roomBesideOutput: ValueRoom | undefined;
  #late: LateAnswers | undefined;

  constructor(host: SessionCallsHost) {
    this.#host = host;
    this.streams = new SessionStreams(host.server.limits, host.writer, this);
  }

  /** A client that sees the output of a script live needs only its beginning again. A detached call may be asked elsewhere. */
  #roomOf({ output, detach }: CallParams): ValueRoom | undefined {
    if (output === undefined) return detach === true ? undefined : this.#host.valueRoom?.();
    const { limits } = this.#host.server;
    return (this.#roomBesideOutput ??= { ...packetRoom(limits), maxScriptResultBytes: limits.maxPacketBytes / 4 });
  }

  #openInputs(): SessionInputs {
    return (this.#inputs ??= new SessionInputs(this.#host.server.limits, (text) => this.#host.writer.send(text)));
  }

  #lateAnswers(): LateAnswers {
    return (this.#late ??= new LateAnswers(this.#host, this));
  }

  get isIdle(): boolean {
    return this.#inFlight.size === 0 && this.streams.size === 0;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  call(identity: Identity, id: number, call: CallParams): void {
    if (!this.#mayOpen(id)) return;
    const { output } = call;
    // The run must know of its reader before it begins. The stream takes this place when it opens.
    const reader = output === undefined ? undefined : { position: output, isReader: false, outputReady: () => {} };
    const options = callOptionsOf(call, {
      source: this.#host.source,
      runId: this.#host.runId,
      valueRoom: this.#roomOf(call),
      begins: reader === undefined ? undefined : (begun) => begun.output.watch(reader),
    });
    const run = this.#host.server.dispatcher.start(identity, call.command, call.args, options);
    try {
      this.#began(id, run, call);
    } catch (error) {
      if (call.detach === true) run.holders.undetach(); // who is refused does not keep the run
      throw error;
    } finally {
      if (reader !== undefined) run.output.unwatch(reader);
    }
  }

  #began(id: number, run: Run, call: CallParams): void {
    if (run.outcome !== undefined && (call.output === undefined || run.outcome.status === "rejected")) {
      const isKept = run.outcome.status !== "rejected" && (call.detach === true || call.idempotencyKey !== undefined);
      this.#answer(id, run, isKept ? { run: run.id } : undefined);
      return;
    }
    this.#follow(id, run, { offset: call.output, isDetached: call.detach === true, stdin: call.stdin === true });
  }

  /** Without an offset, the client wants only the outcome. @throws IscepError as `checkReader` */
  attach({ id, offset, stdin, resumes, detach }: RequestMessage & { method: "attach" }, run: Run): void {
    if (!this.#mayOpen(id)) return;
    this.#follow(id, run, { offset, isDetached: detach && run.holders.isDetached, isAttached: !resumes, stdin });
  }

  /** Takes data of the caller. No bytes mean the end. @throws IscepError `protocol` */
  stdin(id: number, offset: number, bytes: Buffer): void {
    this.#openInputs().receive(id, offset, bytes);
  }

  /** The window of the caller has another size. Only a caller that types into the run may say so. */
  resize(id: number, rows: number, columns: number): void {
    const { run, input } = this.#inFlight.get(id) ?? {};
    if (input !== undefined) run?.terminal?.resize(rows, columns);
  }

  /**
   * The caller does not want the run any more. It is stopped, unless somebody else wants it.
   * @throws IscepError `run_not_found`
   */
  cancel(id: number): Run {
    const call = this.#inFlight.get(id);
    if (call === undefined) throw new IscepError("run_not_found");
    const { run, isDetached } = call;
    if (!run.holders.wantWithout(call, isDetached)) run.abort(new IscepError("cancelled", "the call was cancelled"));
    else {
      if (isDetached) run.holders.undetach();
      const output = this.streams.drop(id)?.position;
      this.#forget(call);
      const reason = "the call was cancelled; its run goes on, as another caller wants it";
      const data = { status: "cancelled", run: run.id, ...(output === undefined ? {} : { output }) };
      this.#host.writer.send(errorText(id, new IscepError("cancelled", reason), data));
      this.#tellIfIdle();
    }
    return run;
  }

  /**
   * Ends a call that still waits for its turn, as if it had been refused. Any other call goes on, and so do a call whose
   * run somebody else wants too, and an attach that does not resume a call.
   */
  withdraw(id: number): { withdrawn: boolean; waits?: boolean } {
    const call = this.#inFlight.get(id);
    const state = call?.run.state;
    const withdrawn = state === "waiting" && !call?.isAttached && !call?.run.holders.wantWithout(call, call.isDetached);
    if (!withdrawn) return { withdrawn, waits: state === "waiting" || state === "checking" };
    call?.run.abort(new IscepError("busy", "the call was withdrawn before it began"));
    return { withdrawn };
  }

  /** Tells the run's id, lets its output flow, and answers when it has ended. */
  #follow(id: number, run: Run, { offset, isDetached, isAttached = false, stdin }: FollowOptions): void {
    const { limits } = this.#host.server;
    if (offset !== undefined) checkReader(run.output, offset, limits.maxRunReaders);
    const input = stdin && run.outcome === undefined ? inputOf(run) : undefined;
    const call = new FollowedCall(id, run, { input, isDetached, isAttached, hasOutput: offset !== undefined }, this);
    this.#inFlight.set(id, call);
    run.holders.hold(call);
    const start = input === undefined ? undefined : this.#openInputs().open(id, input);
    const terminal = run.terminal === undefined ? undefined : true;
    this.#host.writer.send(notificationText("started", { call: id, run: run.id, ...start, terminal }));
    if (offset !== undefined) this.streams.open(id, run.output, offset);
    run.follow(call);
  }

  /** A peer that does not read needs no old news. */
  tell(call: FollowedCall, text: string): void {
    if (this.#host.writer.mayAnswer()) {
      this.#late?.dropNews(call);
      this.#host.writer.send(text);
    } else this.#lateAnswers().addNews(call, text);
  }

  /**
   * The value stays with its run until this peer reads. A large value waits for the turn of this session, because many
   * others may wait for the same value.
   */
  ended(call: FollowedCall): void {
    if (call.input !== undefined) this.#inputs?.close(call.id);
    const { outcome } = call.run;
    const length = (outcome !== undefined && "value" in outcome ? outcome.value?.text.length : undefined) ?? 0;
    if (length < worthATurnLength && this.#host.writer.mayAnswer()) {
      this.settle(call);
      return;
    }
    this.#lateAnswers().addAnswer(call);
  }

  /** Answers calls whose runs have ended, as far as the peer reads. True when the time is up and there are more. */
  answerUntil(untilMs: number): boolean {
    return this.#late?.answerUntil(untilMs) === true;
  }

  settle(call: FollowedCall): void {
    const { id, run, hasOutput } = call;
    this.#late?.drop(call);
    this.#inFlight.delete(id);
    this.#answer(id, run, { run: run.id, ...(hasOutput ? { output: run.output.end } : {}) });
    this.streams.answered(id);
    this.#tellIfIdle();
  }

  /** This object does not answer the call: another place does, or its connection is gone. */
  #forget(call: FollowedCall): void {
    if (call.input !== undefined) this.#inputs?.close(call.id);
    this.#inFlight.delete(call.id);
    this.#late?.drop(call);
    call.run.unfollow(call);
    call.run.holders.release(call);
  }

  #mayOpen(id: number): boolean {
    const { maxCallsInFlight } = this.#host.server.limits;
    if (this.#inFlight.has(id) || this.streams.has(id)) {
      this.#host.violation(new IscepError("protocol", `the id ${id} is in use already`));
      return false;
    }
    // Streams whose answer was sent count too, so that a peer that reads no output cannot pile them up.
    if (this.#inFlight.size >= maxCallsInFlight || this.streams.size >= maxCallsInFlight) {
      const reason = `this connection has its ${maxCallsInFlight} calls in flight already`;
      this.#host.writer.send(errorText(id, new IscepError("busy", reason), { status: "rejected" }));
      return false;
    }
    return true;
  }

  #answer(id: number, run: Run, extras: AnswerExtras | undefined): void {
    if (run.outcome !== undefined) this.#host.writer.send(outcomeText(id, run.outcome, extras));
  }

  /** The socket accepts more again. */
  pumpAll(): void {
    if (this.#late?.tellNews() === false) return;
    this.streams.pumpAll();
  }

  /** @throws IscepError `protocol` when more is granted than was ever used */
  window(stream: number, bytes: number): void {
    this.streams.grant(stream, bytes);
    if (stream === 0) this.pumpAll();
  }

  unansweredCall(id: number): FollowedCall | undefined {
    return this.#inFlight.get(id);
  }

  outputBroke(id: number, error: IscepError): void {
    const call = this.#inFlight.get(id);
    if (call === undefined) this.#host.outputGone(id, error);
    else {
      this.#forget(call);
      this.#host.writer.send(errorText(id, error, { status: "lost", run: call.run.id, ...error.details }));
    }
    this.#tellIfIdle();
  }

  streamEnded(): void {
    this.#tellIfIdle();
  }

  #tellIfIdle(): void {
    if (this.isIdle) this.#host.idle();
  }

  /** The connection is gone. Its callers may come back for their runs over another one. */
  release(): void {
    this.streams.release();
    this.#inputs?.release();
    for (const call of this.#inFlight.values()) this.#forget(call);
  }
}

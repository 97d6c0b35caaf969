/**
 * Calls over version 2. Any number at once; what is ready in one turn leaves together. When the connection breaks the
 * client comes back and takes its runs up again; a call that may have started is never sent twice without a key.
 */
import { IscepError, toIscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import { callText, requestText, type Version2ClientEvent } from "../../session/version2-client.js";
import { notificationText } from "../../session/version2-server.js";
import type { JsonObject } from "../../wire/json.js";
import { BackOff } from "./back-off.js";
import type { ConnectionEvents } from "../protocol/connection-events.js";
import { InputSenders } from "./input-senders.js";
import { PendingCall, type CallRequest } from "./pending-call.js";
import { firstCallId, type Version2ClientConnection, type Version2ClientConnectionOptions } from "./connection.js";

type SessionEvents = Pick<Version2ClientConnectionOptions, "onEvent" | "onGone">;

export interface Version2ClientOptions {
  readonly limits: Limits;
  /** A new connection, negotiated as version 2. @throws IscepError */
  open(events: SessionEvents, abandoned: AbortSignal): Promise<Version2ClientConnection>;
  readonly events?: ConnectionEvents;
}

export class Version2Client {
  readonly #options: Version2ClientOptions;
  #session: Version2ClientConnection | undefined;
  readonly #pending = new Map<number, PendingCall>();
  /** Answered, and the last of their output is still on its way. */
  readonly #draining = new Map<number, PendingCall>();
  /** Made, and not sent yet: no connection, or the server's limit is reached. */
  readonly #queue = new Set<PendingCall>();
  #nextId = firstCallId;
  readonly #inputs = new InputSenders();
  readonly #backOff: BackOff;
  #connecting = false;
  readonly #abandonConnecting = new AbortController();
  #closed = false;
  #timer: NodeJS.Timeout | undefined;
  #timerDueMs = Number.POSITIVE_INFINITY;

  constructor(options: Version2ClientOptions) {
    this.#options = options;
    this.#backOff = new BackOff(options.limits);
  }

  get events(): SessionEvents {
    return { onEvent: (event) => this.#handle(event), onGone: (error, nothingRan) => this.#gone(error, nothingRan) };
  }

  use(session: Version2ClientConnection): void {
    this.#session = session;
  }

  /** No call waits, is under way, or has output on its way. */
  get isIdle(): boolean {
    return this.#pending.size === 0 && this.#queue.size === 0 && this.#draining.size === 0;
  }

  /** Sends the request, now or when there is a place. The call settles by its own methods. */
  start(request: CallRequest): PendingCall {
    const call = new PendingCall(this.#takeId(), request, this.#options.limits);
    if (this.#closed) {
      call.fail(new IscepError("closed", "the client is closed; connect again"), {});
      return call;
    }
    const { signal } = request;
    if (signal?.aborted === true) {
      call.fail(cancelled(signal), {});
      return call;
    }
    if (this.#queue.size >= this.#options.limits.maxQueuedCalls) {
      call.fail(
        new IscepError("busy", `${this.#queue.size} calls wait on this client already; await some of them first`),
        {},
      );
      return call;
    }
    const session = this.#session;
    if (session === undefined || !this.#hasPlace(session)) {
      this.#queue.add(call);
    } else {
      try {
        this.#send(session, call);
      } catch (error) {
        // What JSON cannot hold is known before anything is sent.
        call.fail(toIscepError(error), {});
        return call;
      }
      this.#pending.set(call.id, call);
    }
    if (signal !== undefined) call.watch(signal, () => this.cancel(call, cancelled(signal)));
    if (call.deadlineMs < this.#timerDueMs) this.#armTimer(call.deadlineMs);
    if (session === undefined) this.#reconnect(undefined);
    return call;
  }

  /** Output that is still on its way takes a place at the server too. */
  #hasPlace(session: Version2ClientConnection): boolean {
    return !session.isGoingAway && this.#pending.size + this.#draining.size < session.limits.maxCallsInFlight;
  }

  #takeId(): number {
    const id = this.#nextId;
    // Ids are names of streams of 4 bytes; by the time they come round the first have long ended.
    this.#nextId = id >= 2 ** 32 - 1 ? firstCallId : id + 1;
    return id;
  }

  #sendQueued(): void {
    const session = this.#session;
    if (session === undefined) return;
    for (const call of this.#queue) {
      if (!this.#hasPlace(session)) return;
      this.#queue.delete(call);
      try {
        this.#send(session, call);
        this.#pending.set(call.id, call);
      } catch (error) {
        call.fail(toIscepError(error), {});
      }
    }
  }

  #send(session: Version2ClientConnection, call: PendingCall): void {
    const { limits } = this.#options;
    const { method, params } = call.request;
    const comesBack = call.runId !== undefined && call.wasSent;
    if (comesBack) {
      const offset = call.output?.position;
      const stdin = call.request.input === undefined ? undefined : true;
      session.send(requestText(call.id, "attach", { run: call.runId, offset, stdin }, limits));
    } else if (method === "call") {
      const { command, args, more } = call.request;
      session.send(callText(call.id, command ?? "", args, more ?? "", limits));
    } else {
      session.send(requestText(call.id, method, params ?? {}, limits));
    }
    call.wasSent = true;
    const { output } = call;
    if (output !== undefined) {
      const offset = comesBack ? output.position : Number(params?.["offset"] ?? 0);
      output.begin(session.limits.streamWindowBytes, offset);
    }
    if (call.isCancelled) this.#sendCancel(call);
  }

  #sendCancel(call: PendingCall): void {
    this.#session?.send(requestText(this.#takeId(), "cancel", { call: call.id }, this.#options.limits));
  }

  /** Tells the server, too, when the call may have begun. */
  cancel(call: PendingCall, error: IscepError): void {
    // Whoever follows a run is told how it really ended; a plain call need not wait for that.
    const waits = call.request.waitsForCancel === true;
    if (this.#queue.has(call)) {
      call.isCancelled = true;
      // It goes on at the server, which is told as soon as there is a connection again.
      if (call.wasSent && waits) return;
      this.#queue.delete(call);
      call.fail(error, {});
      return;
    }
    if (!this.#pending.has(call.id)) return;
    call.isCancelled = true;
    this.#sendCancel(call);
    if (waits) return;
    this.#pending.delete(call.id);
    call.fail(error, {});
    this.#sendQueued();
  }

  #handle(event: Version2ClientEvent): void {
    switch (event.kind) {
      case "result":
      case "error": {
        const call = this.#pending.get(event.id);
        if (call === undefined) return; // it timed out or was cancelled here, and nobody waits any more
        this.#pending.delete(event.id);
        this.#backOff.reset();
        if (call.request.input !== undefined) this.#inputs.ended(call);
        // The last of its output may come in the same chunk as the answer.
        if (call.output !== undefined) this.#draining.set(call.id, call);
        if (event.kind === "result") call.succeed(event.result);
        // It did start: that it cannot be taken up again does not mean that it was refused.
        else if (call.isResumed && event.data["status"] === "rejected") call.fail(lost(event.error), {});
        else call.fail(event.error, event.data);
        if (this.#queue.size > 0) this.#sendQueued();
        return;
      }
      case "data": {
        this.#backOff.reset();
        // Each stream has a window of its own for what waits to be read; the connection's is for what is on its way, or some
        // that are not read would hold up all others.
        this.#session?.consumed(event.bytes.length);
        const output = this.#streamOf(event.stream)?.output;
        if (output === undefined) return;
        output.receive(event.channel, event.offset, event.bytes);
        if (output.isWhole && this.#draining.has(event.stream)) this.#drained(event.stream);
        return;
      }
      case "notification":
        this.#notified(event.method, event.params);
    }
  }

  #streamOf(id: number): PendingCall | undefined {
    return this.#pending.get(id) ?? this.#draining.get(id);
  }

  #notified(method: string, params: JsonObject): void {
    const session = this.#session;
    if (session === undefined) return;
    if (method === "window") {
      this.#inputs.granted(session, params);
      return;
    }
    const id = params["call"];
    const call = typeof id === "number" ? this.#streamOf(id) : undefined;
    if (call === undefined) return;
    if (method === "started" && typeof params["run"] === "string") {
      call.started(params["run"]);
      this.#inputs.begin(session, call, params);
    }
    if (method === "progress" && typeof params["fraction"] === "number") {
      call.progressed(params["fraction"], typeof params["message"] === "string" ? params["message"] : undefined);
    }
    if (method === "queued" && typeof params["position"] === "number") call.queued(params["position"]);
  }

  /** A reader took bytes: the server may send as many again. */
  grant(call: PendingCall, bytes: number): void {
    if (this.#streamOf(call.id) === call) this.#session?.send(notificationText("window", { stream: call.id, bytes }));
  }

  /** Nobody reads its output any more, or for now; the call itself goes on. */
  leave(call: PendingCall): void {
    call.output = undefined;
    if (this.#streamOf(call.id) === call) this.#session?.send(notificationText("leave", { stream: call.id }));
    this.#drained(call.id);
  }

  #drained(id: number): void {
    if (this.#draining.delete(id) && this.#queue.size > 0) this.#sendQueued();
  }

  drained(call: PendingCall): void {
    this.#drained(call.id);
  }

  #gone(error: IscepError, nothingRan: boolean): void {
    this.#session = undefined;
    this.#inputs.pause();
    // Another connection would end in the same way.
    const isFinal = error.code === "unauthorized" || error.code === "not_trusted";
    for (const call of this.#pending.values()) {
      this.#pending.delete(call.id);
      if (!isFinal && call.mayResume) {
        call.isResumed = call.runId !== undefined || (call.wasSent && call.request.method === "call");
        this.#queue.add(call);
      } else {
        call.failUnanswered(error, nothingRan);
      }
    }
    for (const call of this.#draining.values()) {
      if (!isFinal && call.mayResume && !this.#closed) {
        // The answer will come once more, and changes nothing.
        call.isResumed = true;
        this.#queue.add(call);
      } else call.output?.fail(error);
    }
    this.#draining.clear();
    if (this.#queue.size > 0) this.#reconnect(error);
  }

  #reconnect(reason: IscepError | undefined): void {
    if (this.#connecting || this.#closed) return;
    this.#connecting = true;
    if (reason !== undefined) this.#options.events?.tell("reconnecting", reason);
    void this.#comeBack(reason !== undefined).finally(() => (this.#connecting = false));
  }

  async #comeBack(wasThere: boolean): Promise<void> {
    const { limits, events } = this.#options;
    const abandoned = this.#abandonConnecting.signal;
    const startedMs = performance.now();
    for (;;) {
      await this.#backOff.pause(abandoned);
      if (this.#closed) return;
      try {
        const session = await this.#options.open(this.events, abandoned);
        if (this.#closed) {
          session.destroy();
          return;
        }
        this.#session = session;
        if (wasThere) events?.tell("connected");
        this.#sendQueued();
        return;
      } catch (thrown) {
        if (this.#closed) return;
        const gaveUp = performance.now() - startedMs > limits.reconnectTimeoutMs;
        if (this.#failQueued(toIscepError(thrown, "connect_failed"), gaveUp)) return;
      }
    }
  }

  /** Only runs that are under way are worth waiting for; whoever makes a new call wants to know now. True when none is left. */
  #failQueued(error: IscepError, gaveUp: boolean): boolean {
    const isFinal = gaveUp || error.code === "not_trusted";
    for (const call of this.#queue) {
      if (call.wasSent && !isFinal) continue;
      this.#queue.delete(call);
      call.fail(call.wasSent ? lost(error) : error, {});
    }
    return this.#queue.size === 0;
  }

  #armTimer(dueMs: number): void {
    clearTimeout(this.#timer);
    this.#timerDueMs = dueMs;
    this.#timer = setTimeout(() => this.#checkDeadlines(), untilMs(dueMs));
    this.#timer.unref();
  }

  #checkDeadlines(): void {
    const nowMs = performance.now();
    this.#timerDueMs = Number.POSITIVE_INFINITY;
    let nextMs = Number.POSITIVE_INFINITY;
    for (const call of [...this.#pending.values(), ...this.#queue]) {
      if (call.deadlineMs > nowMs) nextMs = Math.min(nextMs, call.deadlineMs);
      else {
        const error = new IscepError("timeout", `no answer came within ${call.request.timeoutMs} ms`);
        this.cancel(call, error);
        if (this.#pending.delete(call.id) || this.#queue.delete(call)) call.failUnanswered(error, false);
      }
    }
    if (nextMs < this.#timerDueMs) this.#armTimer(nextMs);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#abandonConnecting.abort();
    this.#options.events?.tell("closed");
    for (const call of this.#queue) {
      // One that waits to be taken up again did run, or may have.
      const error = call.wasSent
        ? new IscepError("lost", "the client was closed before it could come back for the run")
        : new IscepError("closed", "the client was closed before the call was sent; it did not run");
      call.fail(error, {});
    }
    this.#queue.clear();
    const underWay = [...this.#pending.values()];
    this.#pending.clear();
    const session = this.#session;
    this.#session = undefined;
    const ended = session?.end();
    for (const call of underWay) {
      call.fail(
        new IscepError("lost", "the client was closed while the call was under way; the command may have run"),
        {},
      );
    }
    await ended;
  }
}

/** No longer than Node's timers can: they look again then. */
function untilMs(dueMs: number): number {
  return Math.min(2 ** 31 - 1, Math.max(1, Math.ceil(dueMs - performance.now())));
}

function cancelled(signal: AbortSignal): IscepError {
  return new IscepError("cancelled", "the call was cancelled", { cause: signal.reason });
}

function lost(cause?: unknown): IscepError {
  return new IscepError("lost", undefined, cause === undefined ? {} : { cause });
}

/**
 * Calls over version 2. Any number at once; what is ready in one turn leaves together. When the connection breaks the
 * client comes back and takes its runs up again; a call that may have started is never sent twice without a key.
 */
import { IscepError, toIscepError } from "../errors.js";
import type { Limits } from "../limits.js";
import { callText, requestText, type Version2ClientEvent } from "../session/version2-client.js";
import { notificationText } from "../session/version2-server.js";
import type { JsonObject } from "../wire/json.js";
import { SendWindow } from "../session/window.js";
import { PendingCall, type CallRequest } from "./pending-call.js";
import { firstCallId, type Version2Session, type Version2SessionOptions } from "./version2-session.js";

type SessionEvents = Pick<Version2SessionOptions, "onEvent" | "onGone">;

export interface Version2ClientOptions {
  readonly limits: Limits;
  /** A new connection, negotiated as version 2. @throws IscepError */
  open(events: SessionEvents, abandoned: AbortSignal): Promise<Version2Session>;
}

export class Version2Client {
  readonly #options: Version2ClientOptions;
  #session: Version2Session | undefined;
  readonly #pending = new Map<number, PendingCall>();
  /** Made, and not sent yet: no connection, or the server's limit is reached. */
  readonly #queue = new Set<PendingCall>();
  #nextId = firstCallId;
  #connecting = false;
  readonly #abandonConnecting = new AbortController();
  #closed = false;
  #timer: NodeJS.Timeout | undefined;
  #timerDueMs = Number.POSITIVE_INFINITY;

  constructor(options: Version2ClientOptions) {
    this.#options = options;
  }

  get events(): SessionEvents {
    return { onEvent: (event) => this.#handle(event), onGone: (error) => this.#gone(error) };
  }

  use(session: Version2Session): void {
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
    if (session === undefined || session.isGoingAway || this.#pending.size >= session.limits.maxCallsInFlight) {
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
    if (session === undefined) this.#reconnect();
    return call;
  }

  #takeId(): number {
    const id = this.#nextId;
    // Ids are names of streams of 4 bytes; by the time they come round the first have long ended.
    this.#nextId = id >= 2 ** 32 - 1 ? firstCallId : id + 1;
    return id;
  }

  #sendQueued(): void {
    const session = this.#session;
    if (session === undefined || session.isGoingAway) return;
    for (const call of this.#queue) {
      if (this.#pending.size >= session.limits.maxCallsInFlight) return;
      this.#queue.delete(call);
      try {
        this.#send(session, call);
        this.#pending.set(call.id, call);
      } catch (error) {
        call.fail(toIscepError(error), {});
      }
    }
  }

  #send(session: Version2Session, call: PendingCall): void {
    const { limits } = this.#options;
    const { method, params } = call.request;
    if (call.runId !== undefined && call.wasSent) {
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
  }

  /** Tells the server, too, when the call may have begun. */
  cancel(call: PendingCall, error: IscepError): void {
    if (this.#queue.delete(call)) {
      call.fail(error, {});
      return;
    }
    if (!this.#pending.has(call.id)) return;
    this.#session?.send(requestText(this.#takeId(), "cancel", { call: call.id }, this.#options.limits));
    // Whoever follows a run is told how it really ended; a plain call need not wait for that.
    if (call.output !== undefined || call.request.waitsForCancel === true) return;
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
        const call = this.#streamOf(event.stream);
        if (call?.output === undefined) {
          this.#session?.consumed(event.bytes.length);
          return;
        }
        call.output.window.receive(event.bytes.length);
        call.output.push(event.channel, event.offset, event.bytes);
        if (call.output.isWhole) this.#draining.delete(event.stream);
        return;
      }
      case "notification":
        this.#notified(event.method, event.params);
    }
  }

  /** Output may come after the answer: the last of it is still on its way. */
  #streamOf(id: number): PendingCall | undefined {
    return this.#pending.get(id) ?? this.#draining.get(id);
  }
  readonly #draining = new Map<number, PendingCall>();

  #notified(method: string, params: JsonObject): void {
    if (method === "window") {
      this.#granted(params);
      return;
    }
    const id = params["call"];
    const call = typeof id === "number" ? this.#streamOf(id) : undefined;
    if (call === undefined) return;
    if (method === "started" && typeof params["run"] === "string") {
      call.started(params["run"]);
      this.#beginInput(call, params);
    }
    if (method === "progress" && typeof params["fraction"] === "number") {
      call.progressed(params["fraction"], typeof params["message"] === "string" ? params["message"] : undefined);
    }
    if (method === "queued" && typeof params["position"] === "number") call.queued(params["position"]);
  }

  /** @throws IscepError `protocol` */
  #beginInput(call: PendingCall, { stdin, stdinWindow }: JsonObject): void {
    const { input } = call.request;
    const session = this.#session;
    if (session === undefined || input === undefined || stdin === undefined) return;
    const { streamWindowBytes, maxDataBytes } = session.limits;
    const isWhole = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
    if (!isWhole(stdin) || !isWhole(stdinWindow) || stdinWindow > streamWindowBytes) {
      throw new IscepError("protocol", "the server told no place where standard input goes on");
    }
    const channel = {
      maxDataBytes,
      window: new SendWindow(streamWindowBytes, stdinWindow),
      connectionWindow: session.inputWindow,
      write: (offset: number, bytes: Uint8Array) => session.sendInput(call.id, offset, bytes),
    };
    this.#sending.add(call);
    input.begin(channel, stdin, streamWindowBytes - stdinWindow);
  }

  /** Calls whose standard input is on its way; the one that has waited longest for the connection's window comes first. */
  readonly #sending = new Set<PendingCall>();

  /** @throws IscepError `protocol` */
  #granted({ stream, bytes }: JsonObject): void {
    if (typeof stream !== "number" || typeof bytes !== "number") {
      throw new IscepError("protocol", "the server granted a window without saying how much, or for what");
    }
    if (stream !== 0) {
      this.#pending.get(stream)?.request.input?.granted(bytes);
      return;
    }
    this.#session?.inputWindow.grant(bytes);
    // A copy: each goes to the end of the line.
    const inLine = [...this.#sending];
    for (const call of inLine) {
      this.#sending.delete(call);
      if (!this.#pending.has(call.id)) continue;
      this.#sending.add(call);
      call.request.input?.pump();
    }
  }

  /** A reader took bytes: the server may send as many again. */
  consumed(call: PendingCall, bytes: number): void {
    this.#session?.consumed(bytes);
    const grant = call.output?.window.consume(bytes) ?? 0;
    if (grant > 0) this.#session?.send(notificationText("window", { stream: call.id, bytes: grant }));
  }

  drained(call: PendingCall): void {
    this.#draining.delete(call.id);
  }

  #gone(error: IscepError): void {
    this.#session = undefined;
    for (const { request } of this.#sending) request.input?.pause();
    this.#sending.clear();
    for (const call of this.#pending.values()) {
      this.#pending.delete(call.id);
      if (error.code !== "unauthorized" && error.code !== "not_trusted" && call.mayResume) {
        call.isResumed = call.runId !== undefined;
        call.output?.resume();
        this.#queue.add(call);
      } else {
        call.fail(error, {});
      }
    }
    for (const call of this.#draining.values()) {
      if (call.mayResume && error.code !== "unauthorized" && error.code !== "not_trusted" && !this.#closed) {
        // Answered, but the last of its output is still to come: the answer will come once more, and changes nothing.
        call.isResumed = true;
        call.output?.resume();
        this.#queue.add(call);
      } else call.output?.fail(error);
    }
    this.#draining.clear();
    if (this.#queue.size > 0) this.#reconnect();
  }

  #reconnect(): void {
    if (this.#connecting || this.#closed) return;
    this.#connecting = true;
    void this.#comeBack().finally(() => (this.#connecting = false));
  }

  async #comeBack(): Promise<void> {
    const { limits } = this.#options;
    const startedMs = performance.now();
    for (
      let delayMs = 0;
      ;
      delayMs = Math.min(limits.reconnectMaxDelayMs, Math.max(limits.reconnectMinDelayMs, 2 * delayMs))
    ) {
      // Jitter, so that the clients of a server that restarts do not come back in one moment.
      if (delayMs > 0) await this.#pause(delayMs * (0.5 + Math.random()));
      if (this.#closed) return;
      try {
        const session = await this.#options.open(this.events, this.#abandonConnecting.signal);
        if (this.#closed) {
          session.destroy();
          return;
        }
        this.#session = session;
        this.#sendQueued();
        return;
      } catch (thrown) {
        if (this.#closed) return;
        const error = toIscepError(thrown, "connect_failed");
        const hasRuns = [...this.#queue].some((call) => call.wasSent);
        const gaveUp = performance.now() - startedMs > limits.reconnectTimeoutMs;
        // Only runs that are under way are worth waiting for; whoever makes a new call wants to know now.
        if (!hasRuns || gaveUp || error.code === "not_trusted") {
          for (const call of this.#queue) {
            this.#queue.delete(call);
            call.fail(call.wasSent ? lost(error) : error, {});
          }
          return;
        }
        for (const call of this.#queue) {
          if (call.wasSent) continue;
          this.#queue.delete(call);
          call.fail(error, {});
        }
      }
    }
  }

  #pause(delayMs: number): Promise<void> {
    const { signal } = this.#abandonConnecting;
    return new Promise((resolve) => {
      const over = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", over);
        resolve();
      };
      const timer = setTimeout(over, delayMs);
      signal.addEventListener("abort", over);
    });
  }

  #armTimer(dueMs: number): void {
    clearTimeout(this.#timer);
    this.#timerDueMs = dueMs;
    this.#timer = setTimeout(() => this.#checkDeadlines(), Math.max(1, Math.ceil(dueMs - performance.now())));
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
        if (this.#pending.delete(call.id)) call.fail(error, {});
      }
    }
    if (nextMs < this.#timerDueMs) this.#armTimer(nextMs);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#abandonConnecting.abort();
    for (const call of this.#queue) {
      call.fail(new IscepError("closed", "the client was closed before the call was sent; it did not run"), {});
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

function cancelled(signal: AbortSignal): IscepError {
  return new IscepError("cancelled", "the call was cancelled", { cause: signal.reason });
}

function lost(cause?: unknown): IscepError {
  return new IscepError("lost", undefined, cause === undefined ? {} : { cause });
}

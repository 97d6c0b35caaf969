/**
 * Makes calls over version 2, any number at once. Calls that are ready in one turn leave together. When the connection
 * breaks, the client comes back and takes its runs up again. A call that may have started is never sent twice without a
 * key. call-states.ts says what a call can be, and what it is after each event.
 */
import { toIscepError, type IscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import { requestText } from "../../session/version2-client.js";
import type { JsonObject } from "../../wire/json.js";
import type { ConnectionEvents } from "../protocol/connection-events.js";
import { isTerminalSize, type TerminalSize } from "../protocol/run-handle.js";
import type { ClientConnection } from "./client-connection.js";
import { CallDeadlines } from "./call-deadlines.js";
import {
  cancelled,
  closedClient,
  closedUnderWay,
  closedWhileWaiting,
  goesAway,
  lost,
  timedOut,
  tooManyWait,
} from "./call-errors.js";
import { tellLeave, tellSize } from "./call-notices.js";
import { placeOf, stateAfter, type UnansweredReason } from "./call-states.js";
import { CancelPace } from "./cancel-pace.js";
import { InputSenders } from "./input-senders.js";
import { OpenCalls } from "./open-calls.js";
import { PendingCall, type CallRequest } from "./pending-call.js";
import type { Version2ClientConnectionOptions } from "./connection.js";
import { Reconnection } from "./reconnection.js";
import { ServerMessages, type Hearer } from "./server-messages.js";

type SessionEvents = Pick<Version2ClientConnectionOptions, "onEvent" | "onGone">;

export interface Version2ClientOptions {
  readonly limits: Limits;
  /** Opens a new connection of version 2. @throws IscepError */
  open(events: SessionEvents, abandoned: AbortSignal): Promise<ClientConnection>;
  readonly events?: ConnectionEvents;
  /** Its owner has other servers: a call is refused, and does not wait, while this one goes away. Default: false. */
  readonly hasOthers?: boolean;
}

export class Version2Client implements Hearer {
  readonly #options: Version2ClientOptions;
  #connection: ClientConnection | undefined;
  readonly #calls = new OpenCalls();
  readonly #inputs = new InputSenders();
  readonly #cancels = new CancelPace((call) => this.#request("cancel", { call: call.id }));
  readonly #messages = new ServerMessages(this, this.#calls, this.#inputs, this.#cancels);
  readonly #deadlines = new CallDeadlines((nowMs) => this.#endDue(nowMs));
  readonly #reconnection: Reconnection<ClientConnection>;
  #closed = false;

  constructor(options: Version2ClientOptions) {
    this.#options = options;
    this.#reconnection = new Reconnection({
      limits: options.limits,
      events: options.events,
      open: (abandoned) => options.open(this.events, abandoned),
      arrived: (connection) => {
        this.use(connection);
        this.sendWaiting();
      },
      failed: (error, gaveUp) => this.#cannotConnect(error, gaveUp),
    });
  }

  get events(): SessionEvents {
    return {
      onEvent: (event) => this.#messages.heard(event),
      onGone: (error, nothingRan) => this.#gone(error, nothingRan),
    };
  }

  use(connection: ClientConnection): void {
    this.#connection = connection;
    this.#cancels.begin(connection.limits.maxEarlyCancels);
  }

  get connection(): ClientConnection | undefined {
    return this.#connection;
  }

  worked(): void {
    this.#reconnection.worked();
  }

  /** True when no call waits, goes on, or has output on its way. */
  get isIdle(): boolean {
    return this.#calls.isEmpty;
  }

  /** Sends the request, now or when there is a place. The call settles by its own methods. */
  start(request: CallRequest): PendingCall {
    const { signal } = request;
    const call = new PendingCall(this.#calls.takeId(), request, this.#options.limits);
    const refusal = this.#refusal(signal);
    if (refusal !== undefined) {
      this.#fail(call, refusal);
      return call;
    }
    // This throws when `signal` is no AbortSignal, so it comes before anything is sent.
    if (signal !== undefined) call.watch(signal, () => this.cancel(call, cancelled(signal)));
    const connection = this.#connection;
    if (connection !== undefined && this.#hasPlace(connection)) {
      if (!this.#send(connection, call)) return call;
    } else {
      this.#calls.waiting.add(call);
      if (connection === undefined) this.#reconnection.begin(undefined);
    }
    this.#deadlines.watch(call.deadlineMs);
    return call;
  }

  #refusal(signal: AbortSignal | undefined): IscepError | undefined {
    if (this.#closed) return closedClient();
    if (signal?.aborted === true) return cancelled(signal);
    if (this.#options.hasOthers === true && this.#connection?.isGoingAway === true) return goesAway();
    const { size } = this.#calls.waiting;
    return size < this.#options.limits.maxQueuedCalls ? undefined : tooManyWait(size);
  }

  /** Output on its way takes a place in the server too. */
  #hasPlace(connection: ClientConnection): boolean {
    return !connection.isGoingAway && this.#calls.atServer.size < connection.limits.maxCallsInFlight;
  }

  sendWaiting(): void {
    if (this.#calls.waiting.size === 0) return;
    for (const call of this.#calls.waiting) {
      const connection = this.#connection;
      if (connection === undefined || !this.#hasPlace(connection)) return;
      this.#send(connection, call);
    }
  }

  /** Returns false when the call cannot be sent, and has failed. */
  #send(connection: ClientConnection, call: PendingCall): boolean {
    const { output } = call;
    const attaches = call.runId !== undefined;
    try {
      connection.send(call.text(attaches, this.#options.limits));
    } catch (error) {
      // Values that JSON cannot hold are found before anything is sent.
      this.#fail(call, toIscepError(error));
      return false;
    }
    call.wasSent = true;
    this.#calls.become(call, "sent");
    const offset = attaches ? output?.position : call.request.params?.["offset"];
    output?.begin(connection.limits.streamWindowBytes, Number(offset ?? 0));
    if (call.state === "stopping") this.#cancels.ask(call);
    // Its text still asks for output that nobody wants any more.
    if (!attaches && call.request.output !== undefined && output === undefined) tellLeave(this.#connection, call);
    return true;
  }

  /** Sends a request whose answer nobody needs. */
  #request(method: string, params: JsonObject): void {
    this.#connection?.send(requestText(this.#calls.takeId(), method, params, this.#options.limits));
  }

  /** A follower of a run learns how it really ended. A caller of a plain call need not wait for that. */
  cancel(call: PendingCall, error: IscepError): void {
    if (call.request.waitsForCancel !== true) {
      this.#abandon(call, error);
      return;
    }
    const before = call.state;
    this.#calls.become(call, "cancel");
    if (call.state === "stopping") this.#cancels.ask(call);
    else if (before !== "ended" && placeOf(call.state) === "nowhere") call.fail(error, {});
  }

  #abandon(call: PendingCall, error: IscepError): void {
    const { state, trace } = call;
    if (stateAfter(state, "abandon", trace) === undefined) return;
    this.#calls.become(call, "abandon");
    call.output = undefined;
    this.#inputs.ended(call);
    if (call.state === "abandoned") this.#cancels.ask(call);
    // A follower of a run learns that nobody knows how it ends.
    const follows = call.request.waitsForCancel === true && state !== "queued";
    call.failUnanswered(error, follows ? "unknown" : "left");
  }

  #fail(call: PendingCall, error: IscepError): void {
    this.#calls.become(call, "lost");
    call.fail(error, {});
  }

  /** A reader took bytes, so the server may send as many again. */
  grant(call: PendingCall, bytes: number): void {
    if (placeOf(call.state) === "server") this.#connection?.grant(call.id, bytes);
  }

  /** Nobody reads its output now. The call itself goes on. */
  leave(call: PendingCall): void {
    call.output = undefined;
    tellLeave(this.#connection, call);
    this.drained(call);
  }

  resize(call: PendingCall, { rows, columns }: TerminalSize): void {
    // A window may have no size yet, and the server ends the session of a client that says so.
    if (!isTerminalSize({ rows, columns })) return;
    call.size = { rows, columns };
    tellSize(this.#connection, call);
  }

  /** No more of its output will come. */
  drained(call: PendingCall): void {
    this.#calls.become(call, "outputOver");
    this.sendWaiting();
  }

  #gone(error: IscepError, nothingRan: boolean): void {
    this.#connection = undefined;
    this.#inputs.pause();
    this.#cancels.end();
    const event = this.#reconnection.isUseless(error) ? "lost" : "interrupted";
    const reason = nothingRan ? "unread" : "unknown";
    for (const call of this.#calls.atServer.values()) this.#cut(call, event, error, reason);
    if (this.#calls.waiting.size > 0) this.#reconnection.begin(error);
  }

  #cut(
    call: PendingCall,
    event: "interrupted" | "lost",
    error: IscepError,
    reason: Extract<UnansweredReason, "unread" | "unknown">,
  ): void {
    const { state } = call;
    this.#calls.become(call, event);
    if (call.state !== "ended") return;
    if (state === "draining") call.output?.fail(error);
    else if (state !== "abandoned") call.failUnanswered(error, reason);
  }

  /** Only runs that go on are worth waiting for. The caller of a new call wants to know now. */
  #cannotConnect(error: IscepError, gaveUp: boolean): boolean {
    const isFinal = gaveUp || error.code === "not_trusted";
    for (const call of this.#calls.waiting) {
      const wasSent = call.state !== "queued";
      if (isFinal || !wasSent) this.#fail(call, wasSent ? lost(error) : error);
    }
    return this.#calls.waiting.size > 0;
  }

  #endDue(nowMs: number): number {
    const { due, nextMs } = this.#calls.due(nowMs);
    for (const call of due) this.#abandon(call, timedOut(call.request.timeoutMs));
    return nextMs;
  }

  /** @param gone the server will never answer again, for this reason, which calls are told */
  async close(gone?: IscepError): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#deadlines.stop();
    this.#reconnection.close();
    this.#cancels.end();
    this.#options.events?.tell("closed");
    for (const call of this.#calls.waiting) this.#fail(call, closedWhileWaiting(call.state !== "queued", gone));
    const connection = this.#connection;
    this.#connection = undefined;
    const ended = gone === undefined ? connection?.end() : connection?.destroy();
    for (const call of this.#calls.atServer.values()) this.#cut(call, "lost", gone ?? closedUnderWay(), "unknown");
    await ended;
  }
}

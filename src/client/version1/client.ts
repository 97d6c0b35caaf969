/**
 * Makes calls over version 1. Many may be made at once; they wait in a queue and are sent one at a time. After a
 * timeout or a cancel the connection is closed, because a late answer would look like that of the next call. The next
 * call opens a new connection.
 */
import type { Socket } from "node:net";
import { IscepError, toIscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import { encodeRequest, type Version1Answer, type Version1RequestType } from "../../session/version1-client.js";
import type { Version1Content } from "../../wire/version1.js";
import type { ConnectionEvents } from "../protocol/connection-events.js";
import { PendingRequest, RequestQueue } from "./request-queue.js";
import { Version1ClientConnection } from "./connection.js";

export interface Version1ClientOptions {
  readonly limits: Limits;
  /** The largest request that the peer can read. */
  readonly maxRequestBytes: number;
  /** Opens a new socket, connected and trusted. */
  connect(signal: AbortSignal): Promise<Socket>;
  readonly events?: ConnectionEvents;
}

export interface RequestOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export class Version1Client {
  readonly #options: Version1ClientOptions;
  readonly #queue: RequestQueue;
  #connection: Version1ClientConnection | undefined;
  #connecting = false;
  readonly #abandonConnecting = new AbortController();
  #current: PendingRequest | undefined;
  #closed = false;
  #timer: NodeJS.Timeout | undefined;
  #look: NodeJS.Immediate | undefined;
  #timerDueMs = Number.POSITIVE_INFINITY;

  constructor(options: Version1ClientOptions) {
    this.#options = options;
    this.#queue = new RequestQueue(options.limits.maxQueuedCalls);
  }

  /** Uses a socket that is already connected. */
  use(socket: Socket): void {
    this.#connection = new Version1ClientConnection({
      socket,
      limits: this.#options.limits,
      onAnswer: (answer, usable) => this.#answered(answer, usable),
      onGone: (error) => this.#gone(error),
    });
  }

  /** Resolves with the answer's `response`, or null when it has none. Rejects with an IscepError. */
  request(type: Version1RequestType, content: Version1Content, options: RequestOptions): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#closed) throw new IscepError("closed", "the client is closed; connect again");
      const { signal } = options;
      if (signal?.aborted === true) throw neverSent(cancelled(signal));
      const packet = encodeRequest(type, content, this.#options.limits, this.#options.maxRequestBytes);
      const request = new PendingRequest(type, packet, options.timeoutMs, resolve, reject);
      // This throws when `signal` is no AbortSignal, so it comes before anything is sent.
      if (signal !== undefined) request.watch(signal, () => this.#giveUp(request, cancelled(signal)));
      this.#start(request);
      if (request.deadlineMs < this.#timerDueMs) this.#armTimer(request.deadlineMs);
    });
  }

  /**
   * There is one timer for all requests, because one for each would cost more than the rest of a call's bookkeeping.
   */
  #armTimer(dueMs: number): void {
    clearTimeout(this.#timer);
    this.#timerDueMs = dueMs;
    // When this process stood still, an answer that has come meanwhile is read first.
    const look = (): void => void (this.#look = setImmediate(() => this.#checkDeadlines()));
    this.#timer = setTimeout(look, Math.max(1, Math.ceil(dueMs - performance.now())));
    // While a request is out, its socket keeps the process alive.
    this.#timer.unref();
  }

  #checkDeadlines(): void {
    const nowMs = performance.now();
    this.#timerDueMs = Number.POSITIVE_INFINITY;
    let nextMs = Number.POSITIVE_INFINITY;
    for (const request of [...this.#queue, ...(this.#current === undefined ? [] : [this.#current])]) {
      if (request.deadlineMs > nowMs) nextMs = Math.min(nextMs, request.deadlineMs);
      else this.#giveUp(request, timedOut(request.timeoutMs));
    }
    if (nextMs < this.#timerDueMs) this.#armTimer(nextMs);
  }

  #start(request: PendingRequest): void {
    if (this.#current === undefined && this.#connection !== undefined) {
      this.#current = request;
      this.#connection.send(request.type, request.packet);
      return;
    }
    this.#queue.add(request);
    if (this.#connection === undefined) this.#reconnect();
  }

  #next(): void {
    const request = this.#queue.take();
    if (request !== undefined) this.#start(request);
  }

  #answered(answer: Version1Answer, usable: boolean): void {
    const request = this.#current;
    this.#current = undefined;
    if (!usable) this.#connection = undefined;
    if (answer.kind === "response") request?.resolve(answer.value);
    else request?.reject(answer.error);
    if (usable) this.#next();
    else if (this.#queue.size > 0) this.#reconnect();
  }

  #giveUp(request: PendingRequest, error: IscepError): void {
    if (this.#current === request) {
      this.#current = undefined;
      this.#drop();
      request.reject(error);
      if (this.#queue.size > 0) this.#reconnect();
    } else if (this.#queue.delete(request)) {
      request.reject(neverSent(error));
    }
  }

  #drop(): void {
    this.#connection?.destroy();
    this.#connection = undefined;
  }

  /**
   * Waiting requests were never sent, and go over a new connection. A request that was sent may have run, and is lost.
   */
  #gone(error: IscepError): void {
    this.#connection = undefined;
    const request = this.#current;
    this.#current = undefined;
    request?.reject(error);
    if (this.#queue.size > 0) this.#reconnect(error);
  }

  #reconnect(reason?: IscepError): void {
    if (this.#connecting || this.#closed) return;
    this.#connecting = true;
    if (reason !== undefined) this.#options.events?.tell("reconnecting", reason);
    this.#options.connect(this.#abandonConnecting.signal).then(
      (socket) => {
        this.#connecting = false;
        if (this.#closed) {
          socket.destroy();
          return;
        }
        this.use(socket);
        if (reason !== undefined) this.#options.events?.tell("connected");
        this.#next();
      },
      (error: unknown) => {
        this.#connecting = false;
        const reason = toIscepError(error, "connect_failed");
        for (const request of this.#queue.takeAll()) request.reject(reason);
      },
    );
  }

  /** Rejects waiting requests, reports the one that is out as lost, and ends with `lastPacket`. */
  async close(lastPacket: Buffer): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    clearImmediate(this.#look);
    this.#abandonConnecting.abort();
    this.#options.events?.tell("closed");
    for (const request of this.#queue.takeAll()) {
      request.reject(new IscepError("closed", "the client was closed before the call was sent; it did not run"));
    }
    const request = this.#current;
    const connection = this.#connection;
    this.#current = undefined;
    this.#connection = undefined;
    if (request === undefined) {
      await connection?.end(lastPacket, this.#options.limits.lingerTimeoutMs);
      return;
    }
    connection?.destroy();
    request.reject(
      new IscepError("lost", "the client was closed while the call was under way; the command may have run"),
    );
  }
}

/** Requests that wait here have not run. */
function neverSent(error: IscepError): IscepError {
  const { code, cause } = error;
  const what = code === "timeout" ? "its timeout passed" : "the call was cancelled";
  return new IscepError(code, `${what} before the call was sent; it did not run`, cause === undefined ? {} : { cause });
}

function timedOut(timeoutMs: number): IscepError {
  return new IscepError("timeout", `no answer came within ${timeoutMs} ms; the command may still run`, {
    details: { mayHaveRun: true },
  });
}

function cancelled(signal: AbortSignal | undefined): IscepError {
  return new IscepError("cancelled", "the call was cancelled; over version 1 a command that had started goes on", {
    cause: signal?.reason,
    details: { mayHaveRun: true },
  });
}

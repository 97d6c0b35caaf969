/**
 * Version 2 without bytes. What a client in this process sends goes to the same requests and calls as what comes over a
 * socket. Messages are JSON text on the way, so that caller and command share no object. Each direction takes one turn
 * of the event loop, so that neither side runs inside the other's code.
 */
import { IscepError, toIscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import type { ValueRoom } from "../../runs/run/value-room.js";
import type { LentPiece, OutputPiece } from "../../runs/streams/output-block.js";
import { readServerMessage, type Version2ClientEvent } from "../../session/version2-client.js";
import type { SessionLimits } from "../../session/version2-hello.js";
import { readClientMessage, type ClientMessage } from "../../session/version2-messages.js";
import { errorText, notificationText, outputGoneText } from "../../session/version2-server.js";
import { ReceiveWindow, SendWindow } from "../../session/window.js";
import { checkRequestSize, type ClientConnection } from "../../client/version2/client-connection.js";
import type { Workload } from "../fair-work.js";
import { SessionCalls } from "../version2/session-calls.js";
import { SessionRequests } from "../version2/session-requests.js";
import { OutputTurns } from "../version2/output-turns.js";
import type { SessionWriter } from "../version2/session-writer.js";
import type { InProcessHost, InProcessSession } from "./host.js";
import { InProcessIdentity, type CallerIdentity } from "./identity.js";

export interface InProcessConnectionOptions {
  readonly limits: Limits;
  readonly token: string | undefined;
  readonly source: string;
  /** Who calls, if that is known without a token. */
  readonly identity?: CallerIdentity | undefined;
  /** The id of the one run that this caller starts. Default: each run gets a new one. */
  readonly runId?: string | undefined;
  /** How large a value this caller can be sent, unless its call is detached. Default: as large as any door can carry. */
  readonly valueRoom?: (() => ValueRoom) | undefined;
  /** @throws IscepError while the server does not listen */
  host(): InProcessHost;
  onEvent(event: Version2ClientEvent): void;
  /** Called once, unless this side ends the connection. */
  onGone(error: IscepError, nothingRan: boolean): void;
}

type Sent = string | { readonly call: number; readonly offset: number; readonly bytes: Buffer };

interface ServerSide {
  readonly host: InProcessHost;
  readonly calls: SessionCalls;
  readonly requests: SessionRequests;
  readonly turns: OutputTurns;
}

export class InProcessConnection implements ClientConnection, InProcessSession, Workload {
  readonly limits: SessionLimits;
  readonly isGoingAway = false;
  readonly inputWindow: SendWindow;
  readonly #options: InProcessConnectionOptions;
  readonly #identity: CallerIdentity;
  readonly #window: ReceiveWindow;
  #server: ServerSide | undefined;
  #sent: Sent[] = [];
  #events: Version2ClientEvent[] = [];
  #turn: NodeJS.Immediate | undefined;
  #gone: IscepError | undefined;

  constructor(options: InProcessConnectionOptions) {
    const { limits, token, source } = options;
    this.#options = options;
    this.limits = limits;
    this.#identity = options.identity ?? new InProcessIdentity(token, source);
    this.#window = new ReceiveWindow(limits.connectionWindowBytes);
    this.inputWindow = new SendWindow(limits.connectionWindowBytes);
  }

  send(text: string): void {
    checkRequestSize(text, this.limits, this.#options.limits);
    this.#sent.push(text);
    this.#schedule();
  }

  sendInput(call: number, offset: number, bytes: Uint8Array): void {
    this.#sent.push({ call, offset, bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) });
    this.#schedule();
  }

  grant(stream: number, bytes: number): void {
    this.send(notificationText("window", { stream, bytes }));
  }

  consumed(bytes: number): void {
    const grant = this.#window.consume(bytes);
    if (grant > 0) this.grant(0, grant);
  }

  #schedule(): void {
    this.#turn ??= setImmediate(() => this.#takeTurn());
  }

  /** The results of this turn wait for the next one. */
  #takeTurn(): void {
    this.#turn = undefined;
    const events = this.#events;
    this.#events = [];
    for (const event of events) this.#tell(event);
    if (this.#sent.length > 0) this.#offer();
    this.#server?.turns.take();
    if (this.#gone !== undefined && this.#events.length === 0) {
      const error = this.#gone;
      this.#stop();
      this.#options.onGone(error, false);
    }
  }

  #offer(): void {
    let host: InProcessHost | undefined;
    try {
      host = this.#options.host();
    } catch {
      // Each request gets this as its error.
    }
    if (host === undefined) this.work(0, Number.POSITIVE_INFINITY);
    else host.work.offer(this);
  }

  /** All callers without a good token together get what one other caller gets. */
  get isStranger(): boolean {
    return this.#identity.current() === undefined;
  }

  work(_nowMs: number, untilMs: number): boolean {
    const server = this.#server;
    if (server?.calls.answerUntil(untilMs) === true || server?.requests.answerUntil(untilMs) === true) {
      server.turns.take();
      return true;
    }
    let handled = 0;
    for (const sent of this.#sent) {
      this.#heard(sent);
      handled++;
      if (performance.now() >= untilMs) break;
    }
    this.#sent.splice(0, handled);
    this.#server?.turns.take();
    return this.#sent.length > 0;
  }

  #tell(event: Version2ClientEvent): void {
    if (event.kind === "data") this.#window.receive(event.bytes.length);
    try {
      this.#options.onEvent(event);
    } catch (error) {
      this.#end(toIscepError(error));
    }
  }

  #heard(sent: Sent): void {
    if (this.#gone !== undefined) return;
    if (typeof sent !== "string") {
      try {
        this.#server?.calls.stdin(sent.call, sent.offset, sent.bytes);
      } catch (error) {
        this.#end(toIscepError(error, "protocol"));
      }
      return;
    }
    const message = readClientMessage(JSON.parse(sent));
    try {
      const host = this.#options.host();
      const server = (this.#server ??= this.#connect(host));
      if ("id" in message) this.#identity.check(host);
      server.requests.handle(message);
      if (!server.calls.isIdle) server.host.inProcess.add(this);
    } catch (error) {
      this.#refuse(message, toIscepError(error));
    }
  }

  #refuse(message: ClientMessage, error: IscepError): void {
    if ("id" in message) this.#answer(errorText(message.id, error, { ...error.details, status: "rejected" }));
  }

  #connect(host: InProcessHost): ServerSide {
    const { source, runId, valueRoom } = this.#options;
    const turns = new OutputTurns();
    const writer: SessionWriter = {
      send: (text) => this.#answer(text),
      mayAnswer: () => true,
      // The windows bound how much waits.
      maySendOutput: () => true,
      sendOutput: (stream, piece) => this.#output(stream, piece),
      cork: () => {},
      uncork: () => {},
      pumpSoon: (stream) => {
        turns.add(stream);
        this.#schedule();
      },
    };
    const calls = new SessionCalls({
      server: host,
      source,
      runId,
      valueRoom,
      writer,
      workLater: () => host.work.wait(this),
      violation: (error) => this.#end(error),
      outputGone: (call, error) => this.#answer(outputGoneText(call, error)),
      idle: () => void host.inProcess.delete(this),
    });
    const requests = new SessionRequests({
      server: host,
      identity: this.#identity,
      calls,
      writer,
      workLater: () => host.work.wait(this),
      authenticated: () => {},
      wrongToken: () => {},
      violation: (error) => this.#end(error),
      goAway: (_code, message) => this.#end(new IscepError("lost", message)),
    });
    return { host, calls, requests, turns };
  }

  #answer(text: string): void {
    this.#events.push(readServerMessage(JSON.parse(text)));
    this.#schedule();
  }

  #output(stream: number, piece: OutputPiece | LentPiece): void {
    const { channel, offset, bytes } = piece;
    // The bytes are copied: the run keeps its own for others, and a caller may change these.
    this.#events.push({ kind: "data", stream, channel, offset, bytes: Buffer.from(bytes) });
    if ("release" in piece) piece.release();
    this.#schedule();
  }

  /** A token that was removed or has expired ends its runs, as it ends a session over a socket. */
  check(nowMs: number): void {
    const server = this.#server;
    if (server === undefined) return;
    server.calls.streams.checkStalls(nowMs);
    if (!this.#identity.isRevoked(server.host)) return;
    this.#end(new IscepError("unauthorized", "the token of this session is no longer valid"));
  }

  cut(reason: string): void {
    this.#end(new IscepError("lost", reason));
  }

  #end(error: IscepError): void {
    this.#gone ??= error;
    this.#server?.calls.release();
    this.#schedule();
  }

  destroy(): void {
    this.#stop();
  }

  /** The runs of this client are released, as after a lost connection. */
  end(): Promise<void> {
    this.#stop();
    return Promise.resolve();
  }

  #stop(): void {
    clearImmediate(this.#turn);
    this.#turn = undefined;
    this.#sent = [];
    this.#events = [];
    this.#server?.calls.release();
    this.#server?.host.inProcess.delete(this);
    this.#server = undefined;
  }
}

/**
 * The door of version 2: one session. Requests go to the dispatcher at once, each answer leaves when its run has ended,
 * and output flows beside them as far as windows allow.
 */
import { TLSSocket } from "node:tls";
import { IscepError, toIscepError } from "../../errors.js";
import type { Identity } from "../../model/identity.js";
import { Outbox } from "../../session/outbox.js";
import type { CommandDescription } from "../../model/command.js";
import { listPage } from "../../session/list-page.js";
import { alpnProtocol } from "../../session/version2-hello.js";
import type { ClientMessage } from "../../session/version2-messages.js";
import {
  errorText,
  notificationText,
  resultText,
  Version2ServerSession,
  type Version2ServerEvent,
} from "../../session/version2-server.js";
import type { ByteStream } from "../../transport/byte-stream.js";
import { packageVersion } from "../../version.js";
import type { Connection, ConnectionHost } from "../connection.js";
import { ConnectionDeadlines } from "../connection-deadlines.js";
import { RequestFloods } from "./request-floods.js";
import { writeOutputPacket } from "./output-packets.js";
import { SessionCalls } from "./session-calls.js";
import { SessionIdentity } from "./session-identity.js";

/** The peer said so in the TLS handshake, and was told that it may: the connection begins with HELLO. */
export function choseVersion2(socket: ByteStream): boolean {
  return socket instanceof TLSSocket && socket.alpnProtocol === alpnProtocol;
}

type IdentifiedRequest = Extract<ClientMessage, { method: "call" | "attach" | "cancel" | "echo" | "list" | "runs" }>;

export class Version2Connection implements Connection {
  readonly id: number;
  readonly source: string;
  readonly #socket: ByteStream;
  readonly #host: ConnectionHost;
  readonly #session: Version2ServerSession;
  readonly #identity: SessionIdentity;
  readonly #calls: SessionCalls;
  readonly #outbox: Outbox;
  readonly #deadlines: ConnectionDeadlines;
  readonly #floods: RequestFloods;
  #failedTokens = 0;
  #flushIsScheduled = false;
  /** The server closes: no new requests, but what is in flight is not cut. */
  #draining = false;
  #closing: string | undefined;
  #events = 0;

  /** `firstBytes`: what came while nobody knew yet which version would be spoken. */
  constructor(id: number, socket: ByteStream, source: string, host: ConnectionHost, firstBytes?: Buffer) {
    const { limits, authenticator } = host;
    this.id = id;
    this.source = source;
    this.#socket = socket;
    this.#host = host;
    this.#session = new Version2ServerSession(limits);
    this.#identity = new SessionIdentity(authenticator, source);
    this.#outbox = new Outbox(limits.flushBytes);
    this.#floods = new RequestFloods(limits);
    this.#deadlines = new ConnectionDeadlines(
      { ...limits, idleTimeoutMs: 3 * limits.pingIntervalMs },
      performance.now(),
      authenticator !== undefined,
    );
    this.#calls = new SessionCalls({
      dispatcher: host.dispatcher,
      limits,
      source,
      mayWrite: () => !socket.destroyed && socket.writableLength < limits.maxPendingWriteBytes,
      writeOutput: (stream, piece) => writeOutputPacket(socket, stream, piece),
      send: (text) => this.#send(text),
      flushSoon: () => this.#flushSoon(),
      violation: (error) => this.#violation(error),
      unsendable: (error) =>
        host.logs?.error({ event: "answer", message: error.message, connection: id, source, error }),
      idle: () => this.#endIfIdle(),
    });
    if (authenticator === undefined) this.#session.authenticated();
    else host.awaited(source, 1);
    socket.on("data", (chunk: Buffer) => this.#received(chunk));
    socket.on("end", () => this.#peerEnded());
    socket.on("drain", () => this.#calls.pumpAll());
    socket.on("error", (error: Error) => this.#abandon(`the connection broke: ${error.message}`));
    socket.on("close", () => this.#closed());
    if (firstBytes !== undefined) this.#received(firstBytes);
  }

  #received(chunk: Buffer): void {
    if (this.#closing !== undefined) return;
    const before = this.#events;
    this.#session.receive(chunk);
    for (let event = this.#session.next(); event !== undefined; event = this.#session.next()) {
      this.#events++;
      this.#handle(event);
      if (this.#isClosing()) return;
    }
    this.#flush();
    this.#deadlines.progress(performance.now(), {
      pendingBytes: this.#session.pendingBytes,
      unsentBytes: this.#socket.writableLength,
      running: false,
      packetCompleted: before !== this.#events,
    });
  }

  /** A peer that says no more does not listen either, in version 2: its runs wait for it to come back elsewhere. */
  #peerEnded(): void {
    this.#calls.release();
    this.#finish("the peer closed");
  }

  #isClosing(): boolean {
    return this.#closing !== undefined;
  }

  #handle(event: Version2ServerEvent): void {
    switch (event.kind) {
      case "message":
        this.#message(event.message);
        break;
      case "hello": {
        const authentication = this.#host.authenticator === undefined ? "none" : "token";
        const answer = this.#session.helloAnswer(this.#identity.nonce, `iscep/${packageVersion}`, authentication);
        this.#identity.greeted(event.content, answer, this.#socket);
        this.#socket.write(answer);
        break;
      }
      case "stdin":
        this.#stdin(event.stream, event.offset, event.bytes);
        break;
      case "violation":
        this.#violation(event.error);
    }
  }

  #message(message: ClientMessage): void {
    switch (message.method) {
      case "ignored":
        this.#closeIf(this.#floods.unknown());
        return;
      case "unknown": {
        const name = JSON.stringify(message.name.slice(0, 64));
        this.#send(errorText(message.id, new IscepError("command_not_found", `there is no method ${name}`)));
        this.#closeIf(this.#floods.unknown());
        return;
      }
      case "invalid":
        this.#send(errorText(message.id, message.error, { status: "rejected" }));
        return;
      case "window":
        this.#window(message.stream, message.bytes);
        return;
      case "leave":
        this.#calls.leave(message.stream);
        return;
      case "authenticate":
        this.#authenticate(message.id, message.token, message.proof);
        return;
      case "ping":
        this.#send(resultText(message.id, {}, this.#host.limits));
        this.#closeIf(this.#floods.ping(performance.now()));
        return;
      default:
        this.#identified(message);
    }
  }

  #identified(message: IdentifiedRequest): void {
    const identity = this.#identity.current();
    if (identity === undefined || identity === "revoked") {
      // Before the session ends: its caller has to know that this one never began.
      this.#send(errorText(message.id, new IscepError("unauthorized"), { status: "rejected" }));
      if (identity === "revoked") this.#endRevoked();
      return;
    }
    this.#floods.worked();
    try {
      this.#request(identity, message);
    } catch (error) {
      const refusal = toIscepError(error);
      this.#send(errorText(message.id, refusal, { ...refusal.details, status: "rejected" }));
    }
  }

  #request(identity: Identity, message: IdentifiedRequest): void {
    const { dispatcher, limits } = this.#host;
    switch (message.method) {
      case "call":
        this.#calls.call(identity, message.id, message.call);
        break;
      case "attach":
        this.#calls.attach(message.id, dispatcher.find(identity, message.run), message.offset, message.stdin);
        break;
      case "cancel":
        this.#cancel(identity, message);
        break;
      case "echo":
        this.#send(resultText(message.id, { value: message.value }, limits));
        break;
      case "list":
        this.#list(identity, message.id, message.after);
        break;
      case "runs":
        this.#send(resultText(message.id, dispatcher.runs(identity, message), limits));
    }
  }

  #list(identity: Identity, id: number, after: string | undefined): void {
    const { dispatcher, limits } = this.#host;
    const described = dispatcher.describe(identity);
    const answer = (descriptions: readonly CommandDescription[]): void =>
      this.#send(resultText(id, listPage(descriptions, after, limits.maxPacketBytes / 4), limits));
    if (described instanceof Promise) void described.then(answer);
    else answer(described);
  }

  /** A token is looked at for each request, and by the sweep: one that was removed or has expired ends the session. */
  #endRevoked(): void {
    this.#goAway("unauthorized", "the token of this session is no longer valid");
  }

  #authenticate(id: number, reference: string, proof: string): void {
    const { limits } = this.#host;
    const answer = this.#identity.isKnown ? undefined : this.#identity.prove(reference, proof);
    if (answer !== undefined) {
      this.#host.awaited(this.source, -1);
      this.#session.authenticated();
      this.#deadlines.authenticated();
      this.#send(resultText(id, answer, limits));
      return;
    }
    if (this.#identity.isKnown) {
      this.#send(errorText(id, new IscepError("invalid_arguments", "this session is authenticated already")));
      return;
    }
    this.#host.failedToken(this.source);
    this.#host.logRefusedPacket("unauthorized", "a wrong token", this.id, this.source);
    this.#send(errorText(id, new IscepError("unauthorized")));
    if (++this.#failedTokens >= limits.maxFailedTokensPerConnection) {
      this.#goAway("unauthorized", "too many failed tokens");
    }
  }

  #cancel(identity: Identity, message: Extract<ClientMessage, { method: "cancel" }>): void {
    const { dispatcher, limits } = this.#host;
    const { id, run: runId = "", call } = message;
    const run = call === undefined ? dispatcher.find(identity, runId) : this.#calls.cancel(call);
    const ageMs = Date.now() - run.startedAtMs;
    // By its id it is stopped for all who want it.
    if (call === undefined) run.abort(new IscepError("cancelled", "the run was cancelled"));
    this.#send(resultText(id, {}, limits));
    this.#closeIf(this.#floods.cancel(ageMs, performance.now()));
  }

  #stdin(stream: number, offset: number, bytes: Buffer): void {
    this.#floods.worked();
    try {
      this.#calls.stdin(stream, offset, bytes);
    } catch (error) {
      this.#violation(toIscepError(error, "protocol"));
    }
  }

  #window(stream: number, bytes: number): void {
    try {
      this.#calls.window(stream, bytes);
    } catch (error) {
      this.#violation(toIscepError(error, "protocol"));
    }
  }

  #send(text: string): void {
    if (this.#outbox.add(text)) this.#flush();
    else this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#flushIsScheduled) return;
    this.#flushIsScheduled = true;
    process.nextTick(() => this.#flush());
  }

  #flush(): void {
    this.#flushIsScheduled = false;
    if (this.#socket.destroyed) return;
    const packet = this.#outbox.takePacket();
    if (packet !== undefined) this.#socket.write(packet);
    this.#calls.flush();
  }

  #violation(error: IscepError): void {
    this.#host.logRefusedPacket("malformed", error.message, this.id, this.source);
    this.#goAway(error.code, error.message);
  }

  #closeIf(reason: string | undefined): void {
    if (reason !== undefined) this.#goAway("busy", reason);
  }

  /** Says why, and ends: the peer can read it before the socket closes. */
  #goAway(code: string, message: string): void {
    if (this.#closing !== undefined) return;
    this.#send(notificationText("goaway", { code, message }));
    this.#calls.release();
    this.#finish(message);
  }

  /** No more requests are read; what is in flight is answered. */
  #finish(reason: string): void {
    if (this.#closing !== undefined) return;
    this.#closing = reason;
    this.#flush();
    this.#deadlines.closing(performance.now());
    this.#endIfIdle();
  }

  #endIfIdle(): void {
    if (!this.#calls.isIdle) return;
    if (this.#draining) this.#closing ??= "the server closed";
    if (this.#closing === undefined) return;
    this.#flush();
    this.#deadlines.closing(performance.now());
    this.#socket.end();
  }

  #abandon(reason: string): void {
    this.#closing ??= reason;
    this.#socket.destroy();
  }

  /** What is in flight goes on, and is read for windows and cancels, until all of it was answered. */
  close(): void {
    if (this.#closing !== undefined || this.#draining) return;
    this.#draining = true;
    this.#send(notificationText("goaway", { code: "busy", message: "the server closes" }));
    this.#endIfIdle();
  }

  whenClosed(): Promise<void> {
    if (this.#socket.closed) return Promise.resolve();
    return new Promise((resolve) => this.#socket.once("close", () => resolve()));
  }

  checkDeadlines(nowMs: number): void {
    if (this.#closing === undefined && this.#identity.current() === "revoked") this.#endRevoked();
    const { bytesWritten, writableLength } = this.#socket;
    const written = { sentBytes: bytesWritten - writableLength, unsentBytes: writableLength };
    const due = this.#deadlines.due(nowMs, this.#calls.inFlight > 0, written);
    if (due === undefined) return;
    if (due.how === "tell") this.#goAway("timeout", due.reason);
    else this.#abandon(due.reason);
  }

  #closed(): void {
    const { authenticator, logs } = this.#host;
    const { owner, isKnown } = this.#identity;
    if (authenticator !== undefined && !isKnown) this.#host.awaited(this.source, -1);
    this.#calls.release();
    logs?.access({
      event: "close",
      connection: this.id,
      source: this.source,
      reason: this.#closing ?? "the connection was cut",
      durationMs: Math.round(performance.now() - this.#deadlines.openedAtMs),
      packets: this.#events,
      ...(owner === undefined ? {} : { owner }),
    });
    this.#host.closed(this);
  }
}

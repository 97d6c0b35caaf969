/**
 * The door of version 2, for one session. Requests go to the dispatcher at once, each answer leaves when its run has
 * ended, and output flows as far as the windows allow.
 */
import type { IscepError } from "../../errors.js";
import { newNonce, type PacketKeys } from "../../session/proof.js";
import { notificationText, Version2ServerSession, type Version2ServerEvent } from "../../session/version2-server.js";
import type { ByteStream } from "../../transport/byte-stream.js";
import { packageVersion } from "../../version.js";
import { packetMac } from "../../wire/packet-mac.js";
import { packetHashes } from "../../wire/packet-hash.js";
import type { Connection, ConnectionHost, Greeting } from "../connection.js";
import { ConnectionDeadlines } from "../connection-deadlines.js";
import type { Workload } from "../fair-work.js";
import { ReadAllowance } from "../read-allowance.js";
import { helloChoices } from "./hello-choices.js";
import { PacketWriter, type PacketWriterHost } from "./packet-writer.js";
import { SessionCalls } from "./session-calls.js";
import { SessionIdentity } from "./session-identity.js";
import type { SessionCallsHost } from "./session-calls-host.js";
import { SessionRequests, type SessionRequestsHost } from "./session-requests.js";

/** How many events are handled before the clock is checked again. */
const messagesALook = 16;

/** Each of these may take as long as many others: it makes a page, or looks at every stream. */
const longMethods: ReadonlySet<string> = new Set(["list", "runs", "schedules", "echo", "window"]);

/** A connection is itself the host of its calls and requests, so that 10,000 idle connections need no objects in between. */
export class Version2Connection
  implements Connection, Workload, SessionCallsHost, SessionRequestsHost, PacketWriterHost
{
  readonly id: number;
  readonly source: string;
  readonly #socket: ByteStream;
  readonly #host: ConnectionHost;
  readonly #session: Version2ServerSession;
  readonly identity: SessionIdentity;
  readonly writer: PacketWriter;
  readonly calls: SessionCalls;
  readonly #requests: SessionRequests;
  readonly #deadlines: ConnectionDeadlines;
  readonly #allowance: ReadAllowance;
  /** The server closes: it accepts no new requests, but calls in flight are not cut. */
  #draining = false;
  #closing: string | undefined;
  #events = 0;

  /** @param first the bytes that came before the version was known, and what they say */
  constructor(id: number, socket: ByteStream, source: string, host: ConnectionHost, first?: Greeting) {
    const { limits, authenticator } = host;
    this.id = id;
    this.source = source;
    this.#socket = socket;
    this.#host = host;
    this.#session = new Version2ServerSession(limits, first?.hello);
    this.identity = new SessionIdentity(authenticator, source);
    this.#allowance = new ReadAllowance(limits);
    this.writer = new PacketWriter(socket, limits, host.unsent, this);
    const idleTimeoutMs = 3 * limits.pingIntervalMs;
    this.#deadlines = new ConnectionDeadlines(limits, performance.now(), !this.identity.isKnown, idleTimeoutMs);
    this.calls = new SessionCalls(this);
    this.#requests = new SessionRequests(this);
    if (this.identity.isKnown) this.#session.authenticated();
    else host.awaited(this);
    socket.on("data", (chunk: Buffer) => this.#received(chunk));
    socket.on("end", () => this.#peerEnded());
    socket.on("error", (error: Error) => this.cut(`the connection broke: ${error.message}`));
    socket.on("close", () => this.#closed());
    if (first !== undefined) this.#received(first.bytes);
  }

  #received(chunk: Buffer): void {
    if (this.#closing !== undefined) {
      if (!this.#allowance.mayDrop(chunk.length)) this.#socket.destroy();
      return;
    }
    if (this.isStranger) this.#allowance.countStranger(chunk.length);
    this.#session.receive(chunk);
    if (!this.#host.work.offer(this)) this.#socket.pause();
  }

  get server(): ConnectionHost {
    return this.#host;
  }

  get isStranger(): boolean {
    return !this.identity.isKnown;
  }

  work(nowMs: number, untilMs: number): boolean {
    if (this.#closing !== undefined) return false;
    const before = this.#events;
    const isTimeUp =
      this.calls.answerUntil(untilMs) || this.#requests.answerUntil(untilMs) || this.#handleUntil(untilMs);
    if (this.#isClosing()) return false;
    if (this.isStranger && this.#allowance.isSpent) {
      this.goAway("too_large", "too much came before the authentication");
      return false;
    }
    this.writer.flush();
    // Until the peer reads, nothing more is done for it.
    const isHeldBack = isTimeUp || (this.writer.isFull && this.#session.hasMore);
    this.#deadlines.progress(nowMs, {
      pendingBytes: this.#session.pendingBytes,
      isHeldBack,
      packetCompleted: before !== this.#events,
    });
    // A peer that sends ahead is held back by TCP, not by our memory.
    if (isHeldBack !== this.#socket.isPaused()) {
      if (isHeldBack) this.#socket.pause();
      else this.#socket.resume();
    }
    return isTimeUp;
  }

  /** The peer gets output, and answers to what it has asked for meanwhile. */
  drained(): void {
    this.#host.work.offer(this);
    this.calls.pumpAll();
  }

  /** Returns true when the time is up and there is more. */
  #handleUntil(untilMs: number): boolean {
    let sinceLook = 0;
    let inFlight = this.calls.inFlight;
    while (!this.writer.isFull) {
      const event = this.#session.next();
      if (event === undefined) return false;
      this.#events++;
      this.#handle(event);
      if (this.#isClosing()) return false;
      // A look at the clock costs a tenth of a small call, and to start a run costs more than many of these.
      sinceLook += event.kind === "message" && longMethods.has(event.message.method) ? messagesALook : 1;
      if (sinceLook < messagesALook && this.calls.inFlight === inFlight) continue;
      sinceLook = 0;
      inFlight = this.calls.inFlight;
      if (performance.now() >= untilMs) return this.#session.hasMore;
    }
    return false;
  }

  /** In version 2, a peer that half-closes does not listen any more. Its runs wait for it on another connection. */
  #peerEnded(): void {
    this.calls.release();
    this.#finish("the peer closed");
  }

  #isClosing(): boolean {
    return this.#closing !== undefined;
  }

  #handle(event: Version2ServerEvent): void {
    switch (event.kind) {
      case "message":
        this.#requests.handle(event.message);
        break;
      case "hello": {
        const { authentication } = this.identity;
        const { endPointBinding } = this.#host;
        const session = { source: this.source, needsToken: authentication === "token", endPointBinding };
        const choices = helloChoices(event.hello, this.#socket, session);
        const answer = this.#session.helloAnswer(newNonce(), `iscep/${packageVersion}`, authentication, choices);
        this.identity.greeted(event.content, answer, this.#socket, choices);
        this.writer.hello(answer, packetHashes[choices.hash ?? "sha256"]);
        break;
      }
      case "stdin":
        this.#requests.stdin(event.stream, event.offset, event.bytes);
        break;
      case "violation":
        this.violation(event.error);
    }
  }

  /** Why the present message must not authenticate; undefined when it may. */
  authenticationFault(): IscepError | undefined {
    return this.identity.fault(this.#session.isBetweenPackets);
  }

  authenticated(keys: PacketKeys | undefined): void {
    if (keys !== undefined) {
      this.writer.keyed(packetMac(keys.server));
      this.#session.keyed(packetMac(keys.client));
    }
    this.#host.arrived(this);
    this.#session.authenticated();
    this.#deadlines.authenticated();
  }

  wrongToken(): void {
    this.#host.failedToken(this.source);
    this.#host.logRefusedPacket("unauthorized", "a wrong token", this.id, this.source);
  }

  workLater(): void {
    this.#host.work.wait(this);
  }

  violation(error: IscepError): void {
    this.#host.logRefusedPacket("malformed", error.message, this.id, this.source);
    this.goAway(error.code, error.message);
  }

  outputGone(call: number, error: IscepError): void {
    const text = this.#session.outputGoneText(call, error);
    if (text !== undefined) this.writer.send(text);
    else this.violation(error); // the client would wait for as many bytes as the answer says
  }

  /** Says why, and ends. The peer can read this before the socket closes. */
  goAway(code: string, message: string): void {
    if (this.#closing !== undefined) return;
    this.writer.send(notificationText("goaway", { code, message }));
    this.calls.release();
    this.#finish(message);
  }

  /** No more requests are read. Calls in flight are answered. */
  #finish(reason: string): void {
    if (this.#closing !== undefined) return;
    this.#closing = reason;
    this.writer.flush();
    this.#deadlines.closing(performance.now());
    this.#socket.resume();
    this.idle();
  }

  idle(): void {
    if (!this.calls.isIdle) return;
    if (this.#draining) this.#closing ??= "the server closed";
    if (this.#closing === undefined) return;
    this.#deadlines.closing(performance.now());
    this.writer.end();
  }

  cut(reason: string): void {
    this.#closing ??= reason;
    this.#socket.destroy();
  }

  /** Calls in flight go on until all are answered; until then windows and cancels are still read. */
  close(): void {
    if (this.#closing !== undefined || this.#draining) return;
    // Requests that came before still count, if there is time for them.
    const nowMs = performance.now();
    this.#host.work.handle(this, nowMs, nowMs + this.#host.limits.workSliceMs);
    if (this.#isClosing()) return;
    this.#draining = true;
    this.writer.send(notificationText("goaway", { code: "busy", message: "the server closes" }));
    this.idle();
  }

  whenClosed(): Promise<void> {
    if (this.#socket.closed) return Promise.resolve();
    return new Promise((resolve) => this.#socket.once("close", () => resolve()));
  }

  checkDeadlines(nowMs: number): void {
    if (this.#closing === undefined && this.identity.current() === "revoked") this.#requests.endRevoked();
    this.calls.streams.checkStalls(nowMs);
    const due = this.#deadlines.due(nowMs, this.calls.inFlight > 0, this.writer.written);
    if (due === undefined) return;
    if (due.how === "tell") this.goAway("timeout", due.reason);
    else this.cut(due.reason);
  }

  #closed(): void {
    // What it has sent and was not handled must not begin any more.
    this.#closing ??= "the connection was cut";
    const { logs } = this.#host;
    const { owner, isKnown } = this.identity;
    if (!isKnown) this.#host.arrived(this);
    this.calls.release();
    this.writer.release();
    logs?.access({
      event: "close",
      connection: this.id,
      source: this.source,
      reason: this.#closing,
      durationMs: Math.round(performance.now() - this.#deadlines.openedAtMs),
      packets: this.#events,
      ...(owner === undefined ? {} : { owner }),
    });
    this.#host.closed(this);
  }
}

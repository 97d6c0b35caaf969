/**
 * The door of version 1, for one connection. Bytes from the socket go into the session, its packets go to the
 * dispatcher, and the outcomes come back as packets, one at a time and in order. When a caller goes away, its run goes
 * on: the original's client gives up after 5 seconds, and its users rely on the long backup that goes on.
 */
import { toIscepError, type IscepError } from "../../errors.js";
import { describeVersion1 } from "../../commands/describe.js";
import type { Identity } from "../../model/identity.js";
import type { RunOutcome } from "../../model/outcome.js";
import { unauthorizedAnswer, Version1ServerSession, type Version1Event } from "../../session/version1-server.js";
import { listCommandName } from "../../session/list-page.js";
import type { ValueRoom } from "../../runs/run/value-room.js";
import type { ByteStream } from "../../transport/byte-stream.js";
import { writtenBytesOf } from "../../transport/written-bytes.js";
import { isJsonObject } from "../../wire/json.js";
import { PacketType } from "../../wire/packet.js";
import type { Version1Content } from "../../wire/version1.js";
import type { Connection, GreetedConnectionHost } from "../connection.js";
import { ConnectionDeadlines } from "../connection-deadlines.js";
import type { Workload } from "../fair-work.js";
import { ReadAllowance } from "../read-allowance.js";
import { WriteWindow } from "../write-window.js";
import { Version1Caller } from "./caller.js";

export class Version1Connection implements Connection, Workload {
  readonly id: number;
  readonly source: string;
  readonly #socket: ByteStream;
  readonly #host: GreetedConnectionHost;
  readonly #session: Version1ServerSession;
  readonly #maxAnswerBytes: number;
  readonly #valueRoom: ValueRoom;
  readonly #deadlines: ConnectionDeadlines;
  readonly #caller: Version1Caller;
  readonly #allowance: ReadAllowance;
  readonly #writes: WriteWindow;
  readonly #onData = (chunk: Buffer): void => this.#received(chunk);
  readonly #onEnd = (): void => this.#ended();
  readonly #onDrain = (): void => this.#proceed();
  readonly #onError = (error: Error): void => this.cut(`the connection broke: ${error.message}`);
  readonly #onClose = (): void => this.#closed();
  #running = false;
  #peerEnded = false;
  /** Why the connection is closing. Then nothing more is read. */
  #closing: string | undefined;
  /** Counts packets without a good token. Before the first good token, packets that cannot be read count too. */
  #refusals = 0;
  #packets = 0;

  constructor(id: number, socket: ByteStream, source: string, tls: boolean, host: GreetedConnectionHost) {
    this.id = id;
    this.source = source;
    this.#socket = socket;
    this.#host = host;
    this.#maxAnswerBytes = tls ? host.limits.maxVersion1TlsAnswerBytes : host.limits.maxVersion1PlainAnswerBytes;
    this.#session = new Version1ServerSession(host.limits, this.#maxAnswerBytes, host.servesHttp());
    const { maxValueBytes } = this.#session;
    const tooLarge = (bytes: number): IscepError => this.#session.tooLarge(bytes);
    this.#valueRoom = { maxBytes: maxValueBytes, maxScriptResultBytes: maxValueBytes, tooLarge };
    this.#deadlines = new ConnectionDeadlines(host.limits, performance.now(), host.authenticator !== undefined);
    this.#caller = new Version1Caller(host.authenticator, source);
    this.#allowance = new ReadAllowance(host.limits);
    this.#writes = new WriteWindow(socket, host.limits, host.unsent);
    if (host.authenticator === undefined) this.#session.authenticated();
    else host.awaited(this);
    socket.on("data", this.#onData);
    socket.on("end", this.#onEnd);
    socket.on("drain", this.#onDrain);
    socket.on("error", this.#onError);
    socket.on("close", this.#onClose);
  }

  #received(chunk: Buffer): void {
    if (this.#closing !== undefined) {
      if (!this.#allowance.mayDrop(chunk.length)) this.#socket.destroy();
      return;
    }
    if (this.isStranger) this.#allowance.countStranger(chunk.length);
    this.#session.receive(chunk);
    this.#proceed();
  }

  get isStranger(): boolean {
    return !this.#caller.isKnown;
  }

  /** The first bytes have shown another protocol, which goes on with the bytes that have come. */
  #handOver(event: Extract<Version1Event, { kind: "hello" | "http" }>): void {
    this.#closing = "it went on in another protocol";
    this.#writes.release();
    this.#socket.off("data", this.#onData);
    this.#socket.off("end", this.#onEnd);
    this.#socket.off("drain", this.#onDrain);
    this.#socket.off("error", this.#onError);
    this.#socket.off("close", this.#onClose);
    if (this.#host.authenticator !== undefined) this.#host.arrived(this);
    if (event.kind === "hello") this.#host.greeted(this, this.#socket, event);
    else this.#host.askedByHttp(this, this.#socket, event.bytes);
  }

  #ended(): void {
    this.#peerEnded = true;
    this.#proceed();
  }

  #proceed(): void {
    if (!this.#host.work.offer(this)) this.#socket.pause();
  }

  /** Handles packets until the time is up, or until it must wait for a run, more bytes, or a slow reader. */
  work(nowMs: number, untilMs: number): boolean {
    if (this.#closing !== undefined) return false;
    const packets = this.#packets;
    let isTimeUp = false;
    while (!this.#running && this.#closing === undefined && this.#writes.isOpen) {
      const event = this.#session.next();
      if (event === undefined) {
        if (this.#peerEnded) this.#finish("the peer closed");
        break;
      }
      this.#handle(event);
      isTimeUp = performance.now() >= untilMs && this.#session.pendingBytes > 0;
      if (isTimeUp) break;
    }
    if (this.#closing !== undefined) return false;
    if (this.isStranger && this.#allowance.isSpent) {
      this.#finish("too much came before a good token");
      return false;
    }
    // A peer that sends ahead is held back by TCP, not by our memory.
    const isAhead = isTimeUp || (this.#session.pendingBytes > 0 && (this.#running || !this.#writes.isOpen));
    this.#deadlines.progress(nowMs, {
      pendingBytes: this.#session.pendingBytes,
      isHeldBack: isAhead,
      packetCompleted: packets !== this.#packets,
    });
    if (isAhead !== this.#socket.isPaused()) {
      if (isAhead) this.#socket.pause();
      else this.#socket.resume();
    }
    return isTimeUp && !this.#running && this.#writes.isOpen;
  }

  #handle(event: Version1Event): void {
    this.#packets++;
    if (event.kind === "packet") {
      this.#packet(event.type, event.token, event.content);
      return;
    }
    if (event.kind === "hello" || event.kind === "http") {
      this.#handOver(event);
      return;
    }
    if (event.kind === "gone") {
      this.#finish("the peer said that it is gone");
      return;
    }
    this.#host.logRefusedPacket("malformed", event.error.message, this.id, this.source);
    this.#write(this.#session.errorAnswer(event.error.code, event.error.message));
    if (event.fatal) this.#finish(`malformed: ${event.error.message}`);
    else if (this.isStranger) this.#refused();
  }

  #packet(type: number, token: string | undefined, content: Version1Content): void {
    const identity = this.#identify(token);
    if (identity === undefined) {
      this.#unauthorized(token !== undefined);
      return;
    }
    this.#refusals = 0;
    switch (type) {
      case PacketType.ECHO:
        this.#answer(() => this.#session.echoAnswer(content));
        break;
      case PacketType.DISCOVER:
        this.#answer(() => this.#session.discoverAnswer(describeVersion1(this.#host.dispatcher.list(identity))));
        break;
      case PacketType.SEND_CMD:
        this.#call(identity, content);
        break;
      case PacketType.CLOSE_CONNECTION:
        this.#finish("the peer asked to close");
        break;
      default:
        this.#write(this.#session.errorAnswer("protocol", "unknown packet type"));
    }
  }

  #identify(token: string | undefined): Identity | undefined {
    const { isStranger } = this;
    const identity = this.#caller.identify(token);
    if (isStranger && identity !== undefined) {
      this.#session.authenticated();
      this.#deadlines.authenticated();
      this.#host.arrived(this);
    }
    return identity;
  }

  #unauthorized(wrongToken: boolean): void {
    const refusal = this.#host.authenticator?.refusal();
    if (refusal !== undefined) {
      // No other token would do better. The server counted the certificate when the connection came.
      this.#write(unauthorizedAnswer(refusal));
      this.#finish(refusal);
      return;
    }
    if (wrongToken) this.#host.failedToken(this.source);
    this.#host.logRefusedPacket("unauthorized", wrongToken ? "a wrong token" : "no token", this.id, this.source);
    this.#write(unauthorizedAnswer());
    this.#refused();
  }

  #refused(): void {
    if (++this.#refusals >= this.#host.limits.maxFailedTokensPerConnection) this.#finish("too many failed tokens");
  }

  #call(identity: Identity, content: Version1Content): void {
    const { command } = content;
    if (command === listCommandName) {
      this.#list(identity, content.args);
      return;
    }
    // A value that is not a name is not a known command. Only a list or an object gets an error of its own, because the
    // original fails on it too.
    if (typeof command === "object") {
      this.#write(this.#session.errorAnswer("invalid_arguments", "the command must be a string"));
      return;
    }
    const run = this.#host.dispatcher.start(identity, typeof command === "string" ? command : "", content.args, {
      source: this.source,
      // The original's client gives up after 5 s, and its users rely on the long backup that goes on.
      detached: true,
      valueRoom: this.#valueRoom,
    });
    if (run.outcome !== undefined) {
      this.#answerOutcome(run.outcome);
      return;
    }
    this.#running = true;
    run.whenEnded((outcome) => this.#answerLater(() => this.#answerOutcome(outcome)));
  }

  /** Sends the answer for which later packets had to wait. */
  #answerLater(answer: () => void): void {
    this.#running = false;
    if (this.#socket.destroyed) return;
    answer();
    if (this.#closing === undefined) {
      this.#proceed();
    } else {
      this.#deadlines.closing(performance.now());
      this.#socket.end();
    }
  }

  #list(identity: Identity, args: unknown): void {
    const after = isJsonObject(args) && typeof args["after"] === "string" ? args["after"] : undefined;
    // The packet around the page has a header, a hash, and a few keys.
    const room = { bytes: this.#maxAnswerBytes - 512, keys: this.#host.limits.maxJsonKeys / 2 };
    this.#answer(() => {
      const page = this.#host.dispatcher.describe(identity, after, room);
      if (!(page instanceof Promise)) return this.#session.responseAnswer(page);
      this.#running = true;
      const answer = (encode: () => Buffer): void => this.#answerLater(() => this.#answer(encode));
      page.then(
        (found) => answer(() => this.#session.responseAnswer(found)),
        (error: unknown) =>
          answer(() => {
            throw error;
          }),
      );
      return undefined;
    });
  }

  #answerOutcome(outcome: RunOutcome): void {
    if (outcome.status === "completed" || ("value" in outcome && outcome.value !== undefined)) {
      this.#write(this.#session.valueAnswer(outcome.value?.text));
    } else {
      this.#write(this.#session.errorAnswer(outcome.error.code, outcome.error.message));
    }
  }

  /** A refusal becomes an answer too. Undefined: the answer comes later. */
  #answer(encode: () => Buffer | undefined): void {
    let packet: Buffer | undefined;
    try {
      packet = encode();
    } catch (thrown) {
      const { code, message } = toIscepError(thrown);
      packet = code === "unauthorized" ? unauthorizedAnswer() : this.#session.errorAnswer(code, message);
    }
    if (packet !== undefined) this.#write(packet);
  }

  #write(packet: Buffer): void {
    this.#socket.write(packet);
  }

  /** No more packets are read. Answers are still delivered for a while. */
  #finish(reason: string): void {
    if (this.#closing !== undefined) return;
    this.#closing = reason;
    this.#deadlines.closing(performance.now());
    this.#socket.resume();
    if (!this.#running) this.#socket.end();
  }

  cut(reason: string): void {
    this.#closing ??= reason;
    this.#socket.destroy();
  }

  /** Called when the server closes: idle connections end now, and the others after their answer. */
  close(): void {
    this.#finish("the server closed");
  }

  whenClosed(): Promise<void> {
    if (this.#socket.closed) return Promise.resolve();
    return new Promise((resolve) => this.#socket.once("close", () => resolve()));
  }

  checkDeadlines(nowMs: number): void {
    const due = this.#deadlines.due(nowMs, this.#running, writtenBytesOf(this.#socket));
    if (due === undefined) return;
    if (due.how === "tell") this.#write(this.#session.errorAnswer("timeout", due.reason));
    if (due.how === "cut") this.cut(due.reason);
    else this.#finish(due.reason);
  }

  #closed(): void {
    const { logs } = this.#host;
    const { owner } = this.#caller;
    this.#writes.release();
    if (this.isStranger) this.#host.arrived(this);
    logs?.access({
      event: "close",
      connection: this.id,
      source: this.source,
      reason: this.#closing ?? "the connection was cut",
      durationMs: Math.round(performance.now() - this.#deadlines.openedAtMs),
      packets: this.#packets,
      ...(owner === undefined ? {} : { owner }),
    });
    this.#host.closed(this);
  }
}

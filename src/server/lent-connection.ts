/**
 * A connection that the door of HTTP reads and writes. It counts as any other connection: it has its place, its deadlines,
 * and is cut when its place is needed.
 */
import { writtenBytesOf } from "../transport/written-bytes.js";
import type { Socket } from "node:net";
import type { Client } from "../client/client.js";
import type { Connection, ConnectionHost } from "../doors/connection.js";
import { ConnectionDeadlines } from "../doors/connection-deadlines.js";
import type { HttpConnection } from "../doors/built-in-door.js";
import { endWithProblem } from "../doors/http/answer/refuse.js";
import { inProcessClient } from "../doors/in-process/client.js";
import type { InProcessHost } from "../doors/in-process/host.js";
import { PlainCalls } from "../doors/in-process/plain-calls.js";
import { checkPenalty, GivenIdentity, InProcessIdentity } from "../doors/in-process/identity.js";
import { WriteWindow } from "../doors/write-window.js";
import { IscepError, toIscepError } from "../errors.js";

/** A proxy sends requests of many callers over one connection. Only the newest tokens have a client. */
const keptTokens = 8;

/** Most callers make plain calls only, and need no client. */
interface Caller {
  readonly token: string | undefined;
  readonly identity: InProcessIdentity;
  client: Client | undefined;
  readonly plainCalls: PlainCalls;
}

export class LentConnection implements Connection, HttpConnection {
  readonly id: number;
  readonly socket: Socket;
  readonly source: string;
  readonly tls: boolean;
  readonly #connectionHost: ConnectionHost;
  readonly #host: InProcessHost;
  readonly #deadlines: ConnectionDeadlines;
  readonly #writes: WriteWindow;
  /** The newest comes last. */
  #callers: Caller[] = [];
  readonly #followers = new Set<Client>();
  #isStranger: boolean;
  #owner: string | undefined;
  #failedTokens = 0;
  #requests = 0;
  #inFlight = 0;
  /** What had been read when the last request was over. */
  #readBytes = 0;
  #seenBytes = 0;
  #closing: string | undefined;

  constructor(
    id: number,
    socket: Socket,
    source: string,
    tls: boolean,
    connectionHost: ConnectionHost,
    host: InProcessHost,
  ) {
    this.id = id;
    this.socket = socket;
    this.source = source;
    this.tls = tls;
    this.#connectionHost = connectionHost;
    this.#host = { ...host, authenticator: connectionHost.authenticator };
    this.#isStranger = connectionHost.authenticator !== undefined;
    this.#deadlines = new ConnectionDeadlines(host.limits, performance.now(), this.#isStranger);
    this.#writes = new WriteWindow(socket, host.limits, connectionHost.unsent);
    if (this.#isStranger) connectionHost.awaited(this);
    socket.on("close", () => this.#closed());
    socket.on("error", (error) => this.cut(`the connection broke: ${error.message}`));
  }

  get isClosing(): boolean {
    return this.#closing !== undefined;
  }

  client(token: string | undefined, wasGood = false): Client {
    const caller = this.#caller(token, wasGood);
    return (caller.client ??= this.#open(caller));
  }

  plainCaller(token: string | undefined): PlainCalls {
    return this.#caller(token).plainCalls;
  }

  #caller(token: string | undefined, wasGood = false): Caller {
    const newest = this.#callers.at(-1);
    const caller = newest?.token === token && newest !== undefined ? newest : this.#callerOf(token);
    this.#check(caller, wasGood);
    if (caller !== newest) {
      this.#callers = [...this.#callers.filter((other) => other !== caller), caller];
      // Only the newest one waits for an answer.
      if (this.#callers.length > keptTokens) this.#leave(this.#callers.shift());
    }
    return caller;
  }

  #leave(caller: Caller | undefined): void {
    void caller?.client?.close();
    caller?.plainCalls.release();
  }

  clientAs({ owner, commands }: { readonly owner: string; readonly commands: readonly string[] }): Client {
    if (this.#isStranger) this.#finish("a caller without a token was answered");
    const identity = new GivenIdentity(owner, commands);
    return inProcessClient({ token: null, source: this.source }, this.#host.limits, () => this.#host, { identity });
  }

  failed(message: string): void {
    this.#host.failedToken(this.source);
    this.#host.logRefusedPacket("unauthorized", message, this.id, this.source);
    this.#failed();
  }

  #failed(): void {
    if (++this.#failedTokens >= this.#host.limits.maxFailedTokensPerConnection) this.#finish("too many failed tokens");
  }

  checkPenalty(): void {
    checkPenalty(this.#host, this.source);
  }

  metrics(token: string | undefined, wasGood = false): string {
    const caller = this.#callerOf(token);
    this.#check(caller, wasGood);
    if (caller.identity.current()?.mayReadMetrics === true) return this.#host.readMetrics();
    throw new IscepError(
      "unauthorized",
      "this token may not read the metrics; it needs the scope metrics, or runs:all",
    );
  }

  follower(token: string | undefined, wasGood = false): Client {
    const client = this.#open(this.#caller(token, wasGood));
    this.#followers.add(client);
    client.on("closed", () => this.#followers.delete(client));
    return client;
  }

  lasting(token: string | undefined, wasGood = false): Client {
    return this.#open(this.#caller(token, wasGood));
  }

  /** Clients of one token share its identity, because a token that is known to be good is no guess in a further client. */
  #open({ token, identity }: Caller): Client {
    const options = { token: token ?? null, source: this.source };
    return inProcessClient(options, this.#host.limits, () => this.#host, { identity });
  }

  #callerOf(token: string | undefined): Caller {
    const known = this.#callers.find((caller) => caller.token === token);
    if (known !== undefined) return known;
    const { source } = this;
    const identity = new InProcessIdentity(token, source);
    return { token, identity, client: undefined, plainCalls: new PlainCalls({ host: this.#host, identity, source }) };
  }

  /** @throws IscepError */
  #check({ token, identity }: Caller, wasGood = false): void {
    try {
      identity.check(wasGood ? { ...this.#host, failedToken: () => {} } : this.#host);
    } catch (error) {
      const reason = this.#connectionHost.authenticator?.refusal();
      if (reason !== undefined) throw new IscepError("unauthorized", reason, { cause: error });
      // Only a wrong token is a failure: not a missing one, and not one that must wait because others sent wrong tokens.
      if (!wasGood && token !== undefined && toIscepError(error).code === "unauthorized") this.#failed();
      throw error;
    }
    this.identified(identity.current()?.owner);
  }

  identified(owner: string | undefined): void {
    this.#owner = owner;
    this.#failedTokens = 0;
    if (!this.#isStranger) return;
    this.#isStranger = false;
    this.#deadlines.authenticated();
    this.#connectionHost.arrived(this);
  }

  requestBegan(): void {
    this.#requests++;
    this.#inFlight++;
    if (this.#inFlight > this.#host.limits.maxPipelinedRequests) this.cut("too many requests without an answer");
    else this.#boundStranger();
  }

  /** A stranger's only body may be as long as all that a stranger may send, and has a head in front of it. */
  #boundStranger(): void {
    const { maxUnauthenticatedBytes, maxHttpHeadBytes } = this.#host.limits;
    if (this.#isStranger && this.socket.bytesRead > maxUnauthenticatedBytes + maxHttpHeadBytes) {
      this.cut("too much came before a good token");
    }
  }

  requestEnded(): void {
    this.#inFlight--;
    this.#readBytes = this.socket.bytesRead;
    this.#progress(performance.now(), true);
    if (this.#closing !== undefined) this.#close(this.#closing);
  }

  malformed(message: string): void {
    this.#host.logRefusedPacket("malformed", message, this.id, this.source);
    this.#beginClosing(`malformed: ${message}`);
  }

  endAfterAnswer(reason: string): void {
    this.#finish(reason);
  }

  checkDeadlines(nowMs: number): void {
    const { bytesRead } = this.socket;
    if (bytesRead !== this.#seenBytes) this.#progress(nowMs, false);
    this.#boundStranger();
    if (this.socket.destroyed) return;
    this.#writes.count();
    const due = this.#deadlines.due(nowMs, this.#inFlight > 0, writtenBytesOf(this.socket));
    if (due === undefined) return;
    if (due.how === "cut" || this.#inFlight > 0) this.cut(due.reason);
    else if (due.how === "tell") this.#tell(due.reason);
    else this.#finish(due.reason);
  }

  #tell(reason: string): void {
    this.#beginClosing(reason);
    endWithProblem(this.socket, new IscepError("timeout", reason), 408);
  }

  #progress(nowMs: number, packetCompleted: boolean): void {
    const { bytesRead } = this.socket;
    this.#seenBytes = bytesRead;
    const pendingBytes = this.#inFlight > 0 ? 0 : bytesRead - this.#readBytes;
    this.#deadlines.progress(nowMs, { pendingBytes, isHeldBack: false, packetCompleted });
  }

  /** Called when the server closes: an idle connection ends now, and another one after its answers. */
  close(): void {
    this.#finish("the server closed");
  }

  #finish(reason: string): void {
    if (this.#closing === undefined) this.#close(reason);
  }

  #close(reason: string): void {
    this.#beginClosing(reason);
    if (this.#inFlight === 0) this.socket.end();
  }

  /** The time that the peer has to close counts from the latest call. */
  #beginClosing(reason: string): void {
    this.#closing ??= reason;
    this.#deadlines.closing(performance.now());
  }

  cut(reason: string): void {
    this.#closing ??= reason;
    this.socket.destroy();
  }

  whenClosed(): Promise<void> {
    if (this.socket.closed) return Promise.resolve();
    return new Promise((resolve) => this.socket.once("close", () => resolve()));
  }

  #closed(): void {
    for (const caller of this.#callers) this.#leave(caller);
    for (const client of this.#followers) void client.close();
    this.#callers = [];
    this.#writes.release();
    if (this.#isStranger) this.#connectionHost.arrived(this);
    this.#host.logs?.access({
      event: "close",
      connection: this.id,
      source: this.source,
      reason: this.#closing ?? "the peer closed",
      durationMs: Math.round(performance.now() - this.#deadlines.openedAtMs),
      packets: this.#requests,
      ...(this.#owner === undefined ? {} : { owner: this.#owner }),
    });
    this.#connectionHost.closed(this);
  }
}

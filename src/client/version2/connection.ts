/**
 * One authenticated session on one connection: requests go out, answers and output come back. It knows nothing of what
 * happens to calls.
 */
import { IscepError, isErrorCode, toIscepError } from "../../errors.js";
import { forever } from "../../limits/limit.js";
import type { Limits } from "../../limits/limits.js";
import { Outbox } from "../../session/outbox.js";
import { authenticationMessage, clientProof, isServerProof, packetKeys } from "../../session/proof.js";
import { requestText, Version2ClientSession, type Version2ClientEvent } from "../../session/version2-client.js";
import { isKeyed, needsKey } from "../../session/version2-choices.js";
import type { SessionLimits } from "../../session/version2-hello.js";
import { notificationText } from "../../session/version2-server.js";
import { ReceiveWindow, SendWindow } from "../../session/window.js";
import type { ByteStream } from "../../transport/byte-stream.js";
import { carrierOf, channelBinding } from "../../transport/channel-binding.js";
import { isJsonObject } from "../../wire/json.js";
import { packetMac } from "../../wire/packet-mac.js";
import { encodeDataPacket } from "../../wire/version2.js";
import type { Greeted } from "../protocol/negotiate.js";
import { checkRequestSize, type ClientConnection } from "./client-connection.js";
import { proofKeysOf } from "./proof-keys.js";

export interface Version2ClientConnectionOptions {
  readonly socket: ByteStream;
  readonly negotiated: Greeted;
  readonly token: string | undefined;
  readonly limits: Limits;
  onEvent(event: Version2ClientEvent): void;
  /**
   * Called once, when nothing more will come. `nothingRan` says that the server refused our identity, and so read no
   * call that was sent.
   */
  onGone(error: IscepError, nothingRan: boolean): void;
}

/** The ids of `authenticate` and `ping`. Calls count from 3. */
const authenticateId = 1;
const pingId = 2;
export const firstCallId = 3;

export class Version2ClientConnection implements ClientConnection {
  readonly limits: SessionLimits;
  readonly #socket: ByteStream;
  readonly #session: Version2ClientSession;
  readonly #outbox: Outbox;
  readonly #options: Version2ClientConnectionOptions;
  readonly #window: ReceiveWindow;
  readonly inputWindow: SendWindow;
  readonly #ping: NodeJS.Timeout;
  #checkServer: ((proof: Buffer) => boolean) | undefined;
  /**
   * What waits until the server is proven, when packets have a key: as nothing is sent before, an answer without the
   * key means that nothing ran.
   */
  #held: (() => void)[] | undefined;
  #proofTimer: NodeJS.Timeout | undefined;
  #flushIsScheduled = false;
  #grantsAreScheduled = false;
  #heard = true;
  #missedPings = 0;
  #gone = false;
  #goingAway: IscepError | undefined;

  /** @throws IscepError `connect_failed` when the connection has broken since the greeting */
  constructor(options: Version2ClientConnectionOptions) {
    const { socket, negotiated, limits } = options;
    const following = negotiated.release();
    if (options.token !== undefined && needsKey(carrierOf(socket, false)) && !isKeyed(negotiated.hello)) {
      socket.destroy();
      throw new IscepError(
        "not_trusted",
        "the server did not ask for the token, or its packets would have no key; something stands between, or it has no tokens: then give none",
      );
    }
    this.limits = negotiated.hello.limits;
    this.#options = options;
    this.#socket = socket;
    this.#session = new Version2ClientSession(limits, negotiated.hash);
    const { maxPacketBytes } = this.limits;
    this.#outbox = new Outbox({ flushBytes: limits.flushBytes, maxPacketBytes }, negotiated.hash);
    this.#window = new ReceiveWindow(this.limits.connectionWindowBytes);
    this.inputWindow = new SendWindow(this.limits.connectionWindowBytes);
    socket.on("data", (chunk: Buffer) => this.#received(chunk));
    const closed = (): void => {
      // An error costs more than the rest of the end of a connection.
      if (!this.#gone) this.#ended(this.#goingAway ?? closedByServer());
    };
    socket.on("end", closed);
    socket.on("close", closed);
    socket.on("error", (error: Error) => {
      this.#ended(new IscepError("lost", `the connection broke: ${error.message}`, { cause: error }));
    });
    // The interval is a little longer than the server asks for, because pings may arrive closer together than they were sent.
    const pingIntervalMs = Math.min(forever, Math.max(limits.pingIntervalMs, 1.2 * this.limits.minPingIntervalMs));
    this.#ping = setInterval(() => this.#checkAlive(), pingIntervalMs);
    this.#ping.unref();
    if (negotiated.hello.authentication === "token") this.#authenticate();
    // These bytes wait until the caller of this constructor has the session.
    if (following.length > 0) process.nextTick(() => this.#received(following));
  }

  get isGoingAway(): boolean {
    return this.#goingAway !== undefined;
  }

  #authenticate(): void {
    const { token, negotiated } = this.#options;
    // Without a token, the server answers each call with unauthorized, as in version 1.
    if (token === undefined) return;
    const keys = proofKeysOf(token);
    const binding = channelBinding(this.#socket);
    const message = authenticationMessage(negotiated.clientHello, negotiated.serverHello, binding);
    this.#checkServer = (proof) => isServerProof(keys.serverKey, proof, message);
    const mac = isKeyed(negotiated.hello) ? packetKeys(keys.storedKey, message, negotiated.hello.hash) : undefined;
    if (mac !== undefined) this.#session.expectMac(packetMac(mac.server));
    const params = { token: keys.reference, proof: clientProof(keys, message).toString("base64url") };
    // Calls may follow in the same packet, because the server reads them only after this.
    this.send(requestText(authenticateId, "authenticate", params, this.#options.limits));
    if (mac === undefined) return;
    this.#flush();
    this.#outbox.hash = packetMac(mac.client);
    this.#held = [];
    this.#proofTimer = setTimeout(() => this.#unproven(), this.#options.limits.connectTimeoutMs);
  }

  #unproven(): void {
    const { connectTimeoutMs } = this.#options.limits;
    const message = `the server greeted, and did not prove within ${connectTimeoutMs} ms that it knows the token`;
    this.#ended(new IscepError("connect_failed", message));
  }

  #authenticated(event: Version2ClientEvent): void {
    if (event.kind === "error") {
      this.#ended(event.error, true);
      return;
    }
    const proof = event.kind === "result" && isJsonObject(event.result) ? event.result["proof"] : undefined;
    const proven = typeof proof === "string" && this.#checkServer?.(Buffer.from(proof, "base64url")) === true;
    if (proven && !this.#session.awaitsMac) {
      this.#checkServer = undefined;
      clearTimeout(this.#proofTimer);
      const held = this.#held ?? [];
      this.#held = undefined;
      for (const send of held) send();
    } else
      this.#ended(
        new IscepError("not_trusted", "the server could not prove that it knows the token; something stands between"),
      );
  }

  send(text: string): void {
    checkRequestSize(text, this.limits, this.#options.limits);
    if (this.#held !== undefined) {
      this.#held.push(() => this.send(text));
      return;
    }
    // A large packet is sent apart from the proof, because before the proof the server accepts no large packet.
    if (text.length > this.#options.limits.flushBytes) this.#flush();
    if (this.#outbox.add(text)) this.#flush();
    else if (!this.#flushIsScheduled) {
      this.#flushIsScheduled = true;
      process.nextTick(() => this.#flush());
    }
  }

  sendInput(call: number, offset: number, bytes: Uint8Array): void {
    if (this.#held !== undefined) {
      this.#held.push(() => this.sendInput(call, offset, bytes));
      return;
    }
    this.#flush();
    if (!this.#gone) this.#socket.write(encodeDataPacket(call, "stdin", offset, bytes, this.#outbox.hash));
  }

  #flush(): void {
    this.#flushIsScheduled = false;
    const packet = this.#outbox.takePacket();
    if (packet !== undefined && !this.#gone) this.#socket.write(packet);
  }

  grant(stream: number, bytes: number): void {
    // Each write wakes the server, so what all packets of this turn of the event loop allow leaves together.
    if (this.#outbox.add(notificationText("window", { stream, bytes }))) this.#flush();
    else if (!this.#grantsAreScheduled) {
      this.#grantsAreScheduled = true;
      setImmediate(() => {
        this.#grantsAreScheduled = false;
        this.#flush();
      });
    }
  }

  consumed(bytes: number): void {
    const grant = this.#window.consume(bytes);
    if (grant > 0) this.grant(0, grant);
  }

  #received(chunk: Buffer): void {
    if (this.#gone) return;
    this.#heard = true;
    try {
      this.#session.receive(chunk);
      for (let event = this.#session.next(); event !== undefined; event = this.#session.next()) {
        this.#handle(event);
        if (this.#gone) return;
      }
    } catch (error) {
      this.#ended(toIscepError(error, "protocol"));
    }
  }

  #handle(event: Version2ClientEvent): void {
    if ((event.kind === "result" || event.kind === "error") && event.id < firstCallId) {
      if (event.id === authenticateId) this.#authenticated(event);
      return;
    }
    if (event.kind === "data") this.#window.receive(event.bytes.length);
    if (event.kind === "notification" && event.method === "goaway") {
      const { message, code: told } = event.params;
      const reason = typeof message === "string" ? message : "it gave no reason";
      const code = told === "unauthorized" ? "unauthorized" : "lost";
      const cause = new IscepError(typeof told === "string" && isErrorCode(told) ? told : "lost", reason);
      this.#goingAway = new IscepError(code, `the server ended the session: ${reason}`, { cause });
      // Without a token, everything that was sent was refused unread.
      const { token, negotiated } = this.#options;
      if (code === "unauthorized" && token === undefined && negotiated.hello.authentication === "token")
        this.#ended(this.#goingAway, true);
      return;
    }
    // What the server says counts only after it has proven itself.
    if (this.#checkServer !== undefined) {
      this.#ended(new IscepError("not_trusted", "the server answered before it had proven that it knows the token"));
      return;
    }
    this.#options.onEvent(event);
  }

  #checkAlive(): void {
    if (this.#heard) this.#missedPings = 0;
    else if (++this.#missedPings >= 2) {
      this.#ended(new IscepError("lost", "the server did not answer two pings in a row"));
      return;
    }
    this.send(requestText(pingId, "ping", {}, this.#options.limits));
    this.#heard = false;
  }

  /** Cuts the connection; `onGone` is not called. */
  destroy(): void {
    this.#stop();
    this.#socket.destroy();
  }

  /** Ends in good order: everything is still sent. Resolves when the socket is closed. */
  end(): Promise<void> {
    this.#flush();
    this.#stop();
    if (this.#socket.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#socket.destroy(), this.#options.limits.lingerTimeoutMs);
      this.#socket.once("close", () => {
        clearTimeout(timer);
        resolve();
      });
      this.#socket.end();
    });
  }

  #stop(): void {
    this.#gone = true;
    clearInterval(this.#ping);
    clearTimeout(this.#proofTimer);
  }

  #ended(error: IscepError, nothingRan = false): void {
    if (this.#gone) return;
    this.#stop();
    this.#socket.destroy();
    if (this.#held === undefined) this.#options.onGone(error, nothingRan);
    else this.#options.onGone(beforeProof(error), true);
  }
}

/** The error of a connection that ended before the server's proof. No request was sent, so another server may be asked. */
function beforeProof(error: IscepError): IscepError {
  if (error.code === "unauthorized" || error.code === "not_trusted" || error.code === "connect_failed") return error;
  const message = "the connection ended before the server had proven that it knows the token; nothing was sent to it";
  return new IscepError("connect_failed", message, { cause: error });
}

function closedByServer(): IscepError {
  return new IscepError(
    "lost",
    "the server closed the connection before its answer; the command may have run, nobody knows",
  );
}

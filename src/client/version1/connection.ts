/** One connection to a server of version 1. Only one request is out at a time, and the next packet answers it. */
import { IscepError, toIscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import { Version1ClientSession, type Version1Answer, type Version1RequestType } from "../../session/version1-client.js";
import type { ByteStream } from "../../transport/byte-stream.js";

export interface Version1ConnectionOptions {
  readonly socket: ByteStream;
  readonly limits: Limits;
  /**
   * Called with the answer to the request that is out. If it is not `usable`, the connection has been cut, and `onGone`
   * does not follow.
   */
  onAnswer(answer: Version1Answer, usable: boolean): void;
  /** Called once, when no answer will come any more. */
  onGone(error: IscepError): void;
}

export class Version1ClientConnection {
  readonly #socket: ByteStream;
  readonly #session: Version1ClientSession;
  readonly #options: Version1ConnectionOptions;
  #asked = false;
  #answered = false;
  #gone = false;

  constructor(options: Version1ConnectionOptions) {
    this.#options = options;
    this.#socket = options.socket;
    this.#session = new Version1ClientSession(options.limits);
    this.#socket.on("data", (chunk: Buffer) => this.#received(chunk));
    this.#socket.on("end", () => this.#ended(undefined));
    this.#socket.on("close", () => this.#ended(undefined));
    this.#socket.on("error", (error: Error) => {
      this.#ended(new IscepError("lost", `the connection broke: ${error.message}`, { cause: error }));
    });
  }

  send(type: Version1RequestType, packet: Buffer): void {
    this.#session.sent(type);
    this.#asked = true;
    // The packet leaves in one write, because the original reads a packet with one recv.
    this.#socket.write(packet);
  }

  /** Cuts the connection; `onGone` is not called. */
  destroy(): void {
    this.#gone = true;
    this.#socket.destroy();
  }

  /** Ends in good order after `lastPacket`, and cuts after `lingerTimeoutMs`. Resolves when the socket is closed. */
  end(lastPacket: Buffer, lingerTimeoutMs: number): Promise<void> {
    this.#gone = true;
    if (this.#socket.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#socket.destroy(), lingerTimeoutMs);
      this.#socket.once("close", () => {
        clearTimeout(timer);
        resolve();
      });
      this.#socket.end(lastPacket);
    });
  }

  #received(chunk: Buffer): void {
    if (this.#gone) return;
    if (!this.#asked) {
      // No request is out. The server says why it will close, or this is a late answer.
      this.#ended(undefined);
      return;
    }
    let answer: Version1Answer | undefined;
    try {
      this.#session.receive(chunk);
      answer = this.#session.next();
    } catch (error) {
      this.#ended(toIscepError(error, "protocol"));
      return;
    }
    if (answer === undefined) return;
    this.#asked = false;
    this.#answered = true;
    // Bytes that come before the next request is sent would look like its answer.
    const usable = this.#session.pendingBytes === 0;
    if (!usable) this.destroy();
    this.#options.onAnswer(answer, usable);
  }

  #ended(error: IscepError | undefined): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#socket.destroy();
    this.#options.onGone(error ?? closedByServer(this.#answered));
  }
}

function closedByServer(hadAnswered: boolean): IscepError {
  // A server with TLS closes a cleartext connection, and cannot say why.
  const hint = hadAnswered
    ? ""
    : ". It never answered on this connection: perhaps it expects TLS (an address that begins with iscep://), or is no iscep server";
  return new IscepError(
    "lost",
    `the server closed the connection before its answer; the command may have run, nobody knows${hint}`,
  );
}

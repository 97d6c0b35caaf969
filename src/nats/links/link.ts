/**
 * A stream of bytes over messages of a broker, which may lose messages. Each message says its offset, so that a gap is
 * seen and breaks the link. The receiver grants how many bytes may be on their way, so that nothing piles up in the
 * broker.
 */
import { Duplex } from "node:stream";
import { IscepError, toIscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import type { ByteStream } from "../../transport/byte-stream.js";
import { breakMessage, bytesMessage, creditMessage, endMessage, linkHeaderBytes, readLinkMessage } from "./message.js";
import type { LinkWindows } from "./windows.js";

/** How many bytes each side may send before the first credit. */
export const firstWindowBytes = 16 * 1024;

/** Takes the messages of one link to the other side. */
export interface LinkCarrier {
  /** The subject on which the link was opened: that of its instance. */
  readonly session: string;
  /** The largest message that it takes now. */
  readonly maxMessageBytes: number;
  /** False when the broker is behind. Then `Link.proceed` is called later. */
  readonly hasRoom: boolean;
  send(message: Buffer): void;
  /** Like `send`, but the message waits while the broker is gone. */
  farewell(message: Buffer): void;
  /** The link is over: nothing more is sent. Called once. */
  ended(): void;
}

export type LinkLimits = Pick<Limits, "natsLinkWindowBytes" | "natsMessageBytes">;

export class Link extends Duplex implements ByteStream {
  readonly carrier = "nats";
  readonly #carrier: LinkCarrier;
  readonly #windows: LinkWindows;
  readonly #limits: LinkLimits;
  // What we send.
  #sent = 0;
  #peerConsumed = 0;
  #peerWindow = firstWindowBytes;
  #waiting: readonly Buffer[] = [];
  /** Where the unsent part of the first waiting chunk begins. */
  #waitingFrom = 0;
  #waitingBytes = 0;
  #taken: ((error?: Error | null) => void) | undefined;
  // What we receive.
  #received = 0;
  #window = firstWindowBytes;
  /** The peer may send up to this offset. */
  #granted = firstWindowBytes;
  /** At least half of the window is used, so a credit goes with the next bytes. */
  #owesCredit = false;
  /** At least three quarters are used, so a credit goes in this turn of the event loop, also without bytes. */
  #isCreditDue = false;
  #hasEnded = false;
  #broken: string | undefined;

  constructor(carrier: LinkCarrier, windows: LinkWindows, limits: LinkLimits) {
    super({ allowHalfOpen: true, decodeStrings: true, readableHighWaterMark: limits.natsLinkWindowBytes });
    this.#carrier = carrier;
    this.#windows = windows;
    this.#limits = limits;
    // An error without a listener ends the process, and no owner listens yet.
    this.on("error", () => {});
  }

  /** The sent part of the present chunk counts twice until the whole chunk is sent, so that a slow peer is seen to read. */
  get bytesWritten(): number {
    return this.#sent + this.writableLength;
  }

  /** Each side knows the subject by itself: the client has chosen it, and the instance has subscribed to it. */
  get boundTo(): string {
    return this.#carrier.session;
  }

  get bytesRead(): number {
    return this.#received;
  }

  /** Tells the other side how much it may send. */
  greet(): void {
    this.#carrier.send(creditMessage(0, this.#window));
  }

  /** A message of the other side has come. */
  receive(data: Uint8Array): void {
    if (this.destroyed) return;
    try {
      const message = readLinkMessage(data);
      switch (message.kind) {
        case "bytes":
          this.#receiveBytes(message.offset, message.bytes);
          break;
        case "credit":
          this.#receiveCredit(message.consumed, message.window);
          break;
        case "end":
          if (message.offset !== this.#received) throw gap(this.#received, message.offset);
          this.#hasEnded = true;
          this.push(null);
          break;
        case "break":
          this.#broken = message.reason;
          this.destroy(new IscepError("lost", `the other side broke the link: ${message.reason}`));
      }
    } catch (error) {
      this.break(toIscepError(error, "protocol"));
    }
  }

  #receiveBytes(offset: number, bytes: Buffer): void {
    if (this.#hasEnded) throw new IscepError("protocol", "bytes came behind the end of the link");
    if (offset !== this.#received) throw gap(this.#received, offset);
    const end = offset + bytes.length;
    if (end > this.#granted) {
      throw new IscepError("protocol", `bytes up to ${end} came, and the link had granted ${this.#granted}`);
    }
    this.#received = end;
    this.push(bytes);
    this.#grant();
  }

  #receiveCredit(consumed: number, window: number): void {
    if (consumed < this.#peerConsumed || consumed > this.#sent) {
      throw new IscepError("protocol", `${consumed} bytes cannot be consumed of ${this.#sent} that were sent`);
    }
    this.#peerConsumed = consumed;
    this.#peerWindow = Math.min(window, this.#limits.natsLinkWindowBytes);
    this.proceed();
  }

  /**
   * Grants more when half to three quarters of the window are used. The window becomes twice as large each time, as
   * long as all links together have not too much.
   */
  #grant(): void {
    if (this.#hasEnded || this.destroyed) return;
    const consumed = this.#received - this.readableLength;
    const left = this.#granted - consumed;
    this.#owesCredit = 2 * left <= this.#window;
    if (4 * left > this.#window || this.#isCreditDue) return;
    this.#isCreditDue = true;
    setImmediate(() => this.#sendCredit());
  }

  /** A system call costs more than all else here, so the credit goes with bytes if some are sent in time. */
  #sendCredit(): void {
    if (!this.#owesCredit || this.destroyed) return;
    this.#owesCredit = false;
    this.#isCreditDue = false;
    const consumed = this.#received - this.readableLength;
    const most = this.#limits.natsLinkWindowBytes;
    if (this.#window < most) {
      const more = Math.min(this.#window, most - this.#window);
      if (this.#windows.take(more)) this.#window += more;
    }
    this.#granted = consumed + this.#window;
    this.#carrier.send(creditMessage(consumed, this.#window));
  }

  override read(size?: number): Buffer | null {
    const bytes: Buffer | null = super.read(size) as Buffer | null;
    if (bytes !== null) this.#grant();
    return bytes;
  }

  override _read(): void {
    // Bytes come when the peer sends them.
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#take([chunk], callback);
  }

  override _writev(chunks: { chunk: Buffer }[], callback: (error?: Error | null) => void): void {
    this.#take(
      chunks.map(({ chunk }) => chunk),
      callback,
    );
  }

  #take(chunks: readonly Buffer[], callback: (error?: Error | null) => void): void {
    this.#waiting = chunks;
    this.#waitingFrom = 0;
    this.#waitingBytes = chunks.reduce((sum, { length }) => sum + length, 0);
    this.#taken = callback;
    this.proceed();
  }

  /** Sends as much as the other side has granted and the broker takes. */
  proceed(): void {
    if (this.#taken === undefined || this.destroyed) return;
    while (this.#waitingBytes > 0) {
      const granted = this.#peerConsumed + this.#peerWindow - this.#sent;
      if (granted <= 0 || !this.#carrier.hasRoom) return;
      const most = Math.min(this.#limits.natsMessageBytes, this.#carrier.maxMessageBytes) - linkHeaderBytes;
      this.#send(Math.min(this.#waitingBytes, granted, Math.max(1, most)));
    }
    const taken = this.#taken;
    this.#taken = undefined;
    this.#waiting = [];
    taken();
  }

  #send(length: number): void {
    const message = bytesMessage(this.#sent, length);
    let at = linkHeaderBytes;
    while (at < message.length) {
      const chunk = this.#waiting[0];
      if (chunk === undefined) throw new IscepError("internal", "a link has fewer bytes than it counted");
      const copied = chunk.copy(message, at, this.#waitingFrom);
      at += copied;
      this.#waitingFrom += copied;
      if (this.#waitingFrom < chunk.length) continue;
      this.#waiting = this.#waiting.slice(1);
      this.#waitingFrom = 0;
    }
    this.#sent += length;
    this.#waitingBytes -= length;
    this.#sendCredit();
    this.#carrier.send(message);
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#carrier.send(endMessage(this.#sent));
    callback();
  }

  /** Ends the link with this reason, which the other side hears if it can. */
  break(error: IscepError): void {
    this.destroy(error);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#windows.release(this.#window - firstWindowBytes);
    const isOver = this.#hasEnded && this.writableFinished;
    if (!isOver && this.#broken === undefined) this.#carrier.farewell(breakMessage(error?.message ?? "it was closed"));
    this.#carrier.ended();
    callback(error);
  }
}

function gap(expected: number, offset: number): IscepError {
  return new IscepError("protocol", `bytes from ${expected} on were expected on the link, and ${offset} came`);
}

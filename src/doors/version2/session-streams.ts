/** Output on its way to the caller of one version 2 session, by the call that asked for it. It may come after the answer. */
import { toIscepError, type IscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import type { RunOutput } from "../../runs/streams/output.js";
import { SendWindow } from "../../session/window.js";
import type { FollowedCall } from "./followed-call.js";
import { OutputStream, type OutputCarrier, type OutputStreamHost } from "./output-stream.js";
import { SparseMap } from "./sparse-map.js";

/** What streams need from the calls of their session. */
export interface SessionStreamsHost {
  /** The call that asked for this output, while it has no answer. */
  unansweredCall(id: number): FollowedCall | undefined;
  /** The rest of the output of this call cannot be read any more: its disk has failed, or it is no longer kept. */
  outputBroke(id: number, error: IscepError): void;
  streamEnded(): void;
}

export interface SessionStreamsPlace {
  readonly limits: Limits;
  readonly carrier: OutputCarrier;
  /** Asks for `flush` at the end of this turn of the event loop. */
  flushSoon(): void;
}

export class SessionStreams implements OutputStreamHost {
  readonly #place: SessionStreamsPlace;
  readonly #calls: SessionStreamsHost;
  readonly #streams = new SparseMap<number, OutputStream>();
  readonly connectionWindow: SendWindow;
  // Many connections ask for no output.
  #scheduled: Set<OutputStream> | undefined;

  constructor(place: SessionStreamsPlace, calls: SessionStreamsHost) {
    this.#place = place;
    this.#calls = calls;
    this.connectionWindow = new SendWindow(place.limits.connectionWindowBytes);
  }

  get maxDataBytes(): number {
    return this.#place.limits.maxDataBytes;
  }

  get carrier(): OutputCarrier {
    return this.#place.carrier;
  }

  get size(): number {
    return this.#streams.size;
  }

  has(id: number): boolean {
    return this.#streams.has(id);
  }

  /** @throws IscepError `output_gone`, `invalid_arguments` for an offset that cannot be read from */
  open(id: number, output: RunOutput, offset: number): void {
    const stream = new OutputStream(id, output, offset, this.#place.limits.streamWindowBytes, this);
    this.#streams.set(id, stream);
    this.schedule(stream);
  }

  /** The caller reads no more of this output. Its call goes on, and gets progress. */
  leave(id: number): void {
    // The stream may have ended meanwhile.
    if (this.drop(id) !== undefined) this.#calls.streamEnded();
  }

  drop(id: number): OutputStream | undefined {
    const stream = this.#streams.get(id);
    if (stream === undefined) return undefined;
    stream.close();
    this.#streams.delete(id);
    this.#scheduled?.delete(stream);
    return stream;
  }

  /** The call has its answer, so its stream ends when all of the output has been sent. */
  answered(id: number): void {
    const stream = this.#streams.get(id);
    if (stream !== undefined) this.schedule(stream);
  }

  /**
   * @param id 0 is the connection, whose streams the caller of this then pumps
   * @throws IscepError `protocol` when more is granted than was ever used
   */
  grant(id: number, bytes: number): void {
    if (id === 0) {
      this.connectionWindow.grant(bytes);
      for (const one of this.#streams.values()) this.#resume(one);
      return;
    }
    const target = this.#streams.get(id);
    // The stream may have ended while the grant was on its way.
    if (target === undefined) return;
    target.window.grant(bytes);
    this.#resume(target);
    this.schedule(target);
  }

  #resume(stream: OutputStream): void {
    const call = this.#calls.unansweredCall(stream.id);
    if (stream.resume() && call !== undefined) call.run.holders.hold(call);
  }

  /** A reader that grants nothing, for as long as a socket may be stalled, holds neither its run nor the writer any longer. */
  checkStalls(nowMs: number): void {
    for (const stream of this.#streams.values()) {
      if (!stream.isStalled(nowMs, this.#place.limits.writeStallTimeoutMs)) continue;
      const call = this.#calls.unansweredCall(stream.id);
      call?.run.holders.release(call);
    }
  }

  schedule(stream: OutputStream): void {
    (this.#scheduled ??= new Set()).add(stream);
    this.#place.flushSoon();
  }

  /** Pumps the streams that were scheduled since the last time. */
  flush(): void {
    const scheduled = this.#scheduled;
    if (scheduled === undefined) return;
    this.#scheduled = undefined;
    for (const stream of scheduled) this.#pump(stream);
  }

  pumpAll(): void {
    for (const stream of this.#streams.values()) this.#pump(stream);
  }

  #pump(stream: OutputStream): void {
    try {
      stream.pump();
    } catch (thrown) {
      this.drop(stream.id);
      this.#calls.outputBroke(stream.id, toIscepError(thrown));
      return;
    }
    if (!stream.isDone || this.#calls.unansweredCall(stream.id) !== undefined) return;
    this.drop(stream.id);
    this.#calls.streamEnded();
  }

  release(): void {
    for (const stream of this.#streams.values()) stream.close();
    this.#streams.clear();
    this.#scheduled = undefined;
  }
}

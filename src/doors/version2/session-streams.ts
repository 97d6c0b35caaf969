/** Output on its way to the caller of one version 2 session, by the call that asked for it. It may come after the answer. */
import type { IscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import type { RunOutput } from "../../runs/streams/output.js";
import { SendWindow } from "../../session/window.js";
import type { FollowedCall } from "./followed-call.js";
import { OutputStream, type OutputStreamHost } from "./output-stream.js";
import type { OutputCarrier } from "./session-writer.js";
import { SparseMap } from "./sparse-map.js";

/** What streams need from the calls of their session. */
export interface SessionStreamsHost {
  /** The call that asked for this output, while it has no answer. */
  unansweredCall(id: number): FollowedCall | undefined;
  /** The rest of the output of this call cannot be read any more: its disk has failed, or it is no longer kept. */
  outputBroke(id: number, error: IscepError): void;
  streamEnded(): void;
}

export class SessionStreams implements OutputStreamHost {
  readonly #limits: Limits;
  readonly carrier: OutputCarrier;
  readonly #calls: SessionStreamsHost;
  readonly #streams = new SparseMap<number, OutputStream>();
  readonly connectionWindow: SendWindow;

  constructor(limits: Limits, carrier: OutputCarrier, calls: SessionStreamsHost) {
    this.#limits = limits;
    this.carrier = carrier;
    this.#calls = calls;
    this.connectionWindow = new SendWindow(limits.connectionWindowBytes);
  }

  get maxDataBytes(): number {
    return this.#limits.maxDataBytes;
  }

  get size(): number {
    return this.#streams.size;
  }

  has(id: number): boolean {
    return this.#streams.has(id);
  }

  /** @throws IscepError `output_gone`, `invalid_arguments` for an offset that cannot be read from */
  open(id: number, output: RunOutput, offset: number): void {
    const stream = new OutputStream(id, output, offset, this.#limits.streamWindowBytes, this);
    this.#streams.set(id, stream);
    stream.pumpSoon();
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
    return stream;
  }

  /** The call has its answer, so its stream ends when all of the output has been sent. */
  answered(id: number): void {
    this.#streams.get(id)?.pumpSoon();
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
    target.pumpSoon();
  }

  #resume(stream: OutputStream): void {
    const call = this.#calls.unansweredCall(stream.id);
    if (stream.resume() && call !== undefined) call.run.holders.hold(call);
  }

  /** A reader that grants nothing, for as long as a socket may be stalled, holds neither its run nor the writer any longer. */
  checkStalls(nowMs: number): void {
    for (const stream of this.#streams.values()) {
      if (!stream.isStalled(nowMs, this.#limits.writeStallTimeoutMs)) continue;
      const call = this.#calls.unansweredCall(stream.id);
      call?.run.holders.release(call);
    }
  }

  pumpAll(): void {
    for (const stream of this.#streams.values()) stream.takeTurn();
  }

  sent({ id }: OutputStream): void {
    if (this.#calls.unansweredCall(id) !== undefined) return;
    this.drop(id);
    this.#calls.streamEnded();
  }

  broke({ id }: OutputStream, error: IscepError): void {
    this.drop(id);
    this.#calls.outputBroke(id, error);
  }

  release(): void {
    for (const stream of this.#streams.values()) stream.close();
    this.#streams.clear();
  }
}

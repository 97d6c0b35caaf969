/**
 * Sends cancels no faster than the server allows. The server ends the session of a client that cancels too many young
 * runs. A cancel that must wait is sent when its run is old enough, and never if its answer comes first.
 */
import { earlyCancelAgeMs, earlyCancelPeriodMs } from "../../session/version2-hello.js";
import type { PendingCall } from "./pending-call.js";

export class CancelPace {
  readonly #send: (call: PendingCall) => void;
  readonly #told = new Set<PendingCall>();
  readonly #held = new Set<PendingCall>();
  /** When each cancel of a young run was sent, if it still counts. */
  #early: number[] = [];
  #most = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(send: (call: PendingCall) => void) {
    this.#send = send;
  }

  /**
   * A new connection, on which nothing was cancelled.
   * @param maxEarlyCancels how many cancels its server allows in a period
   */
  begin(maxEarlyCancels: number): void {
    this.end();
    this.#early = [];
    // Only half is used, because cancels that are sent far apart may arrive close together.
    this.#most = Math.floor(maxEarlyCancels / 2);
  }

  /**
   * Sends a cancel once for each call and connection, now or when there is room. It may be asked again when the call
   * has started.
   */
  ask(call: PendingCall): void {
    if (this.#told.has(call)) return;
    this.#held.add(call);
    this.#sendDue();
  }

  /** The call has an answer, so there is nothing left to cancel. */
  forget(call: PendingCall): void {
    if (this.#told.size > 0) this.#told.delete(call);
    if (this.#held.size > 0) this.#held.delete(call);
  }

  /** The connection is gone. */
  end(): void {
    clearTimeout(this.#timer);
    this.#told.clear();
    this.#held.clear();
  }

  #sendDue(): void {
    const nowMs = performance.now();
    this.#early = this.#early.filter((sentMs) => nowMs - sentMs < earlyCancelPeriodMs);
    let nextMs = (this.#early[0] ?? Number.POSITIVE_INFINITY) + earlyCancelPeriodMs;
    for (const call of this.#held) {
      const ripeMs = (call.startedAtMs ?? Number.POSITIVE_INFINITY) + earlyCancelAgeMs;
      if (ripeMs > nowMs && this.#early.length >= this.#most) {
        nextMs = Math.min(nextMs, ripeMs);
        continue;
      }
      if (ripeMs > nowMs) this.#early.push(nowMs);
      this.#held.delete(call);
      this.#told.add(call);
      this.#send(call);
    }
    clearTimeout(this.#timer);
    if (this.#held.size === 0 || nextMs === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(() => this.#sendDue(), Math.max(1, Math.ceil(nextMs - nowMs)));
    this.#timer.unref();
  }
}

import type { Limits } from "../../limits/limits.js";
import { earlyCancelAgeMs, earlyCancelPeriodMs } from "../../session/version2-hello.js";

/** Counts what a peer can send without cost: pings, unknown messages, and cancels of young runs. */
export class RequestFloods {
  readonly #limits: Limits;
  #earlyPings = 0;
  #lastPingMs = Number.NEGATIVE_INFINITY;
  #unknown = 0;
  #earlyCancels = 0;
  #cancelsSinceMs = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Real work came, so pings are welcome again. */
  worked(): void {
    this.#earlyPings = 0;
  }

  /** The reason to close the connection, when there is one. */
  ping(nowMs: number): string | undefined {
    const early = nowMs - this.#lastPingMs < this.#limits.minPingIntervalMs;
    this.#lastPingMs = nowMs;
    if (!early) return undefined;
    return ++this.#earlyPings > this.#limits.maxEarlyPings
      ? "too many pings on a connection that does nothing else"
      : undefined;
  }

  unknown(): string | undefined {
    return ++this.#unknown > this.#limits.maxUnknownMessages
      ? "too many messages that this version does not know"
      : undefined;
  }

  cancel(runAgeMs: number, nowMs: number): string | undefined {
    if (runAgeMs >= earlyCancelAgeMs) return undefined;
    if (nowMs - this.#cancelsSinceMs > earlyCancelPeriodMs) {
      this.#cancelsSinceMs = nowMs;
      this.#earlyCancels = 0;
    }
    return ++this.#earlyCancels > this.#limits.maxEarlyCancels
      ? "too many cancels of runs that had just begun"
      : undefined;
  }
}

/**
 * Says how long a client waits before it connects again: not at first, then longer and longer, and never all clients at
 * once.
 */
import type { Limits } from "../../limits/limits.js";

export class BackOff {
  readonly #limits: Pick<Limits, "reconnectMinDelayMs" | "reconnectMaxDelayMs">;
  #delayMs = 0;

  constructor(limits: Pick<Limits, "reconnectMinDelayMs" | "reconnectMaxDelayMs">) {
    this.#limits = limits;
  }

  /** The connection was useful. A connection that breaks at once is no reason to hurry. */
  reset(): void {
    this.#delayMs = 0;
  }

  /** How long to wait now. The next wait is twice as long, up to `reconnectMaxDelayMs`. */
  nextDelayMs(): number {
    const { reconnectMinDelayMs, reconnectMaxDelayMs } = this.#limits;
    // The jitter spreads the clients of a restarted server.
    const delayMs = this.#delayMs * (0.5 + Math.random() / 2);
    this.#delayMs = Math.min(reconnectMaxDelayMs, Math.max(reconnectMinDelayMs, 2 * this.#delayMs));
    return delayMs;
  }
}

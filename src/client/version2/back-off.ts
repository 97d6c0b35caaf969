/** How long a client waits before it tries to come back: not at first, then longer and longer, and never all at once. */
import type { Limits } from "../../limits/limits.js";

export class BackOff {
  readonly #limits: Pick<Limits, "reconnectMinDelayMs" | "reconnectMaxDelayMs">;
  #delayMs = 0;

  constructor(limits: Pick<Limits, "reconnectMinDelayMs" | "reconnectMaxDelayMs">) {
    this.#limits = limits;
  }

  /** The connection was good for something. One that is only made, and breaks at once, is no reason to hurry. */
  reset(): void {
    this.#delayMs = 0;
  }

  /** How long to wait now; the next time it is twice as long, and never longer than `reconnectMaxDelayMs`. */
  nextDelayMs(): number {
    const { reconnectMinDelayMs, reconnectMaxDelayMs } = this.#limits;
    // Jitter, so that the clients of a server that restarts do not come back in one moment.
    const delayMs = this.#delayMs * (0.5 + Math.random() / 2);
    this.#delayMs = Math.min(reconnectMaxDelayMs, Math.max(reconnectMinDelayMs, 2 * this.#delayMs));
    return delayMs;
  }
}

/**
 * Connects again to a server when the connection is gone. It tries at growing intervals, as long as something waits for
 * it.
 */
import { setTimeout as pause } from "node:timers/promises";
import { isIscepError, toIscepError, type IscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import type { ConnectionEvents } from "../protocol/connection-events.js";
import { BackOff } from "./back-off.js";

export interface ReconnectionOptions<Connection extends { destroy(): void }> {
  readonly limits: Limits;
  readonly events?: ConnectionEvents | undefined;
  /** @throws IscepError */
  open(abandoned: AbortSignal): Promise<Connection>;
  arrived(connection: Connection): void;
  /** Called when an attempt has failed. Returns true when something still waits for the next one. */
  failed(error: IscepError, gaveUp: boolean): boolean;
}

export class Reconnection<Connection extends { destroy(): void }> {
  readonly #options: ReconnectionOptions<Connection>;
  readonly #backOff: BackOff;
  #isClosed = false;
  /** Ends the attempt that is under way. Most clients never connect again. */
  #attempt: AbortController | undefined;
  #isUnderWay = false;
  #arrivedAtMs = performance.now();
  /** How many connections, one after the other, ended by what will probably happen again. */
  #breaches = 0;

  constructor(options: ReconnectionOptions<Connection>) {
    this.#options = options;
    this.#backOff = new BackOff(options.limits);
  }

  /** The server has answered, or sent something useful. */
  worked(): void {
    if (this.#breaches === 0) this.#backOff.reset();
  }

  /** True when another connection would end as this one did. Ask once for each connection that is gone. */
  isUseless(error: IscepError): boolean {
    const { maxProtocolFaults, reconnectTimeoutMs } = this.#options.limits;
    if (error.code === "unauthorized" || error.code === "not_trusted") return true;
    const isBreach =
      failsAgain(error) || (error.code === "lost" && isIscepError(error.cause) && failsAgain(error.cause));
    // A connection that was useful for long makes up for the earlier ones.
    if (!isBreach || performance.now() - this.#arrivedAtMs > reconnectTimeoutMs) this.#breaches = 0;
    return isBreach && ++this.#breaches >= maxProtocolFaults;
  }

  /** @param reason why the connection is gone; undefined when no call was waiting on one */
  begin(reason: IscepError | undefined): void {
    if (this.#isUnderWay || this.#isClosed) return;
    this.#isUnderWay = true;
    if (reason !== undefined) this.#options.events?.tell("reconnecting", reason);
    void this.#comeBack(reason !== undefined).finally(() => (this.#isUnderWay = false));
  }

  async #comeBack(wasThere: boolean): Promise<void> {
    const { limits, events } = this.#options;
    const { signal } = (this.#attempt = new AbortController());
    const startedMs = performance.now();
    for (;;) {
      const delayMs = this.#backOff.nextDelayMs();
      // It rejects only when the client is closed.
      if (delayMs > 0) await pause(delayMs, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      try {
        const connection = await this.#options.open(signal);
        if (signal.aborted) {
          connection.destroy();
          return;
        }
        this.#arrivedAtMs = performance.now();
        if (wasThere) events?.tell("connected");
        this.#options.arrived(connection);
        return;
      } catch (thrown) {
        if (signal.aborted) return;
        const gaveUp = performance.now() - startedMs > limits.reconnectTimeoutMs;
        if (!this.#options.failed(toIscepError(thrown, "connect_failed"), gaveUp)) return;
      }
    }
  }

  close(): void {
    this.#isClosed = true;
    // An error as the reason would have a stack, which nobody reads.
    this.#attempt?.abort("the client is closed");
  }
}

/** One side broke the protocol, or sent what is too large for the other one. The same calls would lead to it again. */
function failsAgain({ code }: IscepError): boolean {
  return code === "protocol" || code === "too_large" || code === "invalid_arguments";
}

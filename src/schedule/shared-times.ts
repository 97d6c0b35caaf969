/** Asks whether this server starts a planned time that other servers have too, until somebody can answer. */
import { textOfThrown } from "../errors.js";

/** A planned time of a schedule that several servers have. */
export interface ScheduledTime {
  readonly command: string;
  /** Unix time in milliseconds. */
  readonly plannedMs: number;
  /** True when the time must be left out while the last run of this schedule goes on, in any of the servers. */
  readonly isAlone: boolean;
}

export type ScheduleClaim =
  /** This server starts the time, and no other one does. Call `ended` when its run is over. */
  | { readonly kind: "ours"; ended(): void }
  /** Another server has the time. */
  | { readonly kind: "others" }
  /** No server starts it, because the last run goes on in that one. */
  | { readonly kind: "underWay"; readonly where: string };

export interface SharedTimesOptions {
  /** Rejects when this cannot be known now. */
  claim(time: ScheduledTime): Promise<ScheduleClaim>;
  /** It was not known in time which server starts it, so it is not started here. */
  unknown(time: ScheduledTime, reason: string): void;
  /** How long the server asks, and how often. */
  readonly askMs: number;
  readonly pauseMs: number;
}

export class SharedTimes {
  readonly #options: SharedTimesOptions;
  readonly #waiting = new Map<NodeJS.Timeout, () => void>();
  #isClosed = false;

  constructor(options: SharedTimesOptions) {
    this.#options = options;
  }

  /** Resolves to undefined when this cannot be known, after `unknown` was called. */
  async ask(time: ScheduledTime): Promise<ScheduleClaim | undefined> {
    const { askMs, pauseMs } = this.#options;
    const endsAtMs = performance.now() + askMs;
    for (;;) {
      try {
        const claim = await this.#options.claim(time);
        // A server that closes starts nothing. It has claimed the time, so no other server starts it either.
        if (!this.#isClosed || claim.kind !== "ours") return claim;
        claim.ended();
        this.#options.unknown(time, "the server closed at that moment");
        return undefined;
      } catch (error) {
        if (this.#isClosed || performance.now() + pauseMs > endsAtMs) {
          this.#options.unknown(time, textOfThrown(error));
          return undefined;
        }
      }
      await this.#pause(pauseMs);
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(timer);
        resolve();
      }, ms);
      this.#waiting.set(timer, resolve);
    });
  }

  close(): void {
    this.#isClosed = true;
    for (const [timer, resolve] of this.#waiting) {
      clearTimeout(timer);
      resolve();
    }
    this.#waiting.clear();
  }
}

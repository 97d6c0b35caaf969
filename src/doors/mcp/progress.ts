/** Tells a client how a run goes on. Many clients count their timeout from the last such message. */
import type { ServerContext } from "@modelcontextprotocol/server";
import { modelLine } from "./model-text.js";

export interface ProgressLimits {
  readonly mcpProgressIntervalMs: number;
  readonly mcpNewsIntervalMs: number;
}

/** Each message must be larger than the one before, also when there is no news. */
const smallestStep = 1e-6;

export class ProgressReports {
  readonly #notify: ServerContext["mcpReq"]["notify"];
  readonly #token: string | number;
  readonly #limits: ProgressLimits;
  readonly #describe: () => string;
  readonly #startedMs = performance.now();
  #sentMs = performance.now();
  #value = 0;
  #fraction: number | undefined;
  #message: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  /**
   * Returns undefined when the client did not ask for progress. @param describe what to say of a run that reports
   * nothing itself
   */
  static of(context: ServerContext, limits: ProgressLimits, describe: () => string): ProgressReports | undefined {
    const token = context.mcpReq._meta?.progressToken;
    return token === undefined ? undefined : new ProgressReports(context, token, limits, describe);
  }

  private constructor(context: ServerContext, token: string | number, limits: ProgressLimits, describe: () => string) {
    this.#notify = context.mcpReq.notify;
    this.#token = token;
    this.#limits = limits;
    this.#describe = describe;
    this.#arm(limits.mcpProgressIntervalMs);
  }

  /** The command has said how far it is, from 0 to 1. */
  report(fraction: number, message: string | undefined): void {
    this.#fraction = Math.max(fraction, this.#fraction ?? 0);
    this.#message = message;
    this.news();
  }

  /** The run waits for its turn. */
  queued(place: number): void {
    this.#message = place === 0 ? undefined : `waiting for its turn, at place ${place}`;
    this.news();
  }

  /** There is something new to tell. */
  news(): void {
    const sinceMs = performance.now() - this.#sentMs;
    this.#arm(Math.max(0, this.#limits.mcpNewsIntervalMs - sinceMs));
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#isOver = true;
  }

  #arm(delayMs: number): void {
    if (this.#isOver) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#send(), delayMs);
  }

  #send(): void {
    this.#sentMs = performance.now();
    this.#value = Math.max(this.#value + smallestStep, this.#fraction ?? 0);
    const seconds = Math.round((this.#sentMs - this.#startedMs) / 1_000);
    const params = {
      progressToken: this.#token,
      progress: this.#value,
      ...(this.#fraction === undefined ? {} : { total: Math.max(1, this.#value) }),
      message: modelLine(this.#message ?? this.#describe()) || `running for ${seconds} s`,
    };
    // A client that is gone does not hear it. Then the request is aborted, which is handled where it waits.
    this.#notify({ method: "notifications/progress", params }).catch(() => {});
    this.#arm(this.#limits.mcpProgressIntervalMs);
  }
}

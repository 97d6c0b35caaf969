/** A run as its caller holds it: until one of several servers has taken it, and then to its end there. */
import { IscepError, toIscepError } from "../../errors.js";
import type { Outcome } from "../../model/outcome.js";
import { withCallSite } from "../protocol/call-site.js";
import { outcomeOfError, valueOfOutcome } from "../protocol/answer.js";
import type { RunHandle, TerminalSize } from "../protocol/run-handle.js";
import type { OutputChunk } from "../protocol/run-output.js";

export interface HandedRunOptions {
  /** For messages. undefined: the caller attached to a run. */
  readonly command?: string;
  /** The id, if it is known before a server has the run. */
  readonly id?: Promise<string>;
  /** Disposing of the handle ends the run. */
  readonly ends: boolean;
  /**
   * Makes the next attempt, after the last one was refused with this outcome. An outcome that it returns instead, or an
   * error that it throws, becomes the outcome of the run.
   */
  next(refused: Outcome | undefined): Promise<RunHandle | Outcome>;
  /** The run has its outcome. */
  ended?(): void;
}

export class HandedRun implements RunHandle {
  readonly outcome: Promise<Outcome>;
  readonly output: AsyncIterable<OutputChunk>;
  /** Its caller has asked for the id, so the run must stay where it is. */
  isPinned = false;
  /** Set while the current attempt is being taken back. */
  taking: Promise<unknown> | undefined;
  readonly #options: HandedRunOptions;
  readonly #attempts: RunHandle[] = [];
  /** Attempts that were refused. Their ids lead nowhere when another attempt follows. */
  readonly #refused = new WeakSet<RunHandle>();
  readonly #listeners: ((run: RunHandle) => void)[] = [];
  #size: TerminalSize | undefined;
  #isCancelled = false;
  /** True when the caller has let go of the handle. */
  #isDiscarded = false;
  #ended: Outcome | undefined;
  #wake: (() => void)[] = [];

  constructor(options: HandedRunOptions) {
    this.#options = options;
    this.outcome = this.#carry();
    this.output = { [Symbol.asyncIterator]: () => this.#read() };
  }

  get current(): RunHandle | undefined {
    return this.#attempts.at(-1);
  }

  async #carry(): Promise<Outcome> {
    const outcome = await this.#tryAll().catch((error: unknown) => outcomeOfError(toIscepError(error), {}));
    this.#ended = outcome;
    this.#news();
    this.#options.ended?.();
    return outcome;
  }

  async #tryAll(): Promise<Outcome> {
    let refused: Outcome | undefined;
    for (;;) {
      if (this.#isCancelled) {
        return { status: "cancelled", error: new IscepError("cancelled", "the run was cancelled before it began") };
      }
      const next = await this.#options.next(refused);
      if ("status" in next) return next;
      this.#take(next);
      const outcome = await next.outcome;
      if (outcome.status !== "rejected" || (this.#isCancelled && !this.#options.ends)) return outcome;
      refused = outcome;
      this.#refused.add(next);
    }
  }

  #take(attempt: RunHandle): void {
    this.#attempts.push(attempt);
    for (const listen of this.#listeners) listen(attempt);
    if (this.#size !== undefined) attempt.resize(this.#size);
    if (this.#isCancelled) attempt.cancel();
    if (this.#isDiscarded) void attempt[Symbol.asyncDispose]();
    this.#news();
  }

  #news(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }

  /** Resolves to undefined when the run ended before there were so many attempts. */
  async #attempt(index: number): Promise<RunHandle | undefined> {
    while (this.#attempts.length <= index && this.#ended === undefined) {
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
    return this.#attempts[index];
  }

  /** A refused attempt printed nothing. */
  async *#read(): AsyncGenerator<OutputChunk, void, void> {
    for (let index = 0; ; index++) {
      const attempt = await this.#attempt(index);
      if (attempt === undefined) return;
      yield* attempt.output;
      if ((await attempt.outcome).status !== "rejected") return;
    }
  }

  get id(): Promise<string> {
    this.isPinned = true;
    if (this.#options.id !== undefined) return this.#options.id;
    const id = this.#id();
    id.catch(() => {});
    return id;
  }

  async #id(): Promise<string> {
    await this.taking;
    let known: string | undefined;
    for (let index = Math.max(0, this.#attempts.length - 1); ; index++) {
      const attempt = await this.#attempt(index);
      if (attempt === undefined) break;
      try {
        known = await attempt.id;
        if (!this.#refused.has(attempt)) return known;
      } catch (error) {
        if ((await attempt.outcome).status !== "rejected") throw error;
      }
    }
    if (known !== undefined) return known;
    const outcome = await this.outcome;
    throw "error" in outcome ? outcome.error : new IscepError("run_not_found");
  }

  get value(): Promise<unknown> {
    const { command } = this.#options;
    const value = this.outcome.then((outcome) => {
      try {
        return valueOfOutcome(outcome);
      } catch (error) {
        throw command === undefined ? error : withCallSite(error, command);
      }
    });
    value.catch(() => {});
    return value;
  }

  onProgress(listener: (fraction: number, message: string | undefined) => void): void {
    this.#listen((run) => run.onProgress(listener));
  }

  onQueued(listener: (position: number) => void): void {
    this.#listen((run) => run.onQueued(listener));
  }

  #listen(listen: (run: RunHandle) => void): void {
    this.#listeners.push(listen);
    const { current } = this;
    if (current !== undefined) listen(current);
  }

  resize(size: TerminalSize): void {
    this.#size = size;
    this.current?.resize(size);
  }

  cancel(): void {
    this.#isCancelled = true;
    this.current?.cancel();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // This waits for no later attempt, because a call in a queue may wait for days. A later attempt is let go of when
    // it is made.
    this.#isDiscarded = true;
    if (this.#options.ends) this.#isCancelled = true;
    await this.current?.[Symbol.asyncDispose]();
    if (this.#options.ends) await this.outcome;
    else await this.#options.id?.catch(() => {});
  }
}

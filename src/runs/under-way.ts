/** The runs that go on and those that wait, and who waits until there are none. */
import { IscepError } from "../errors.js";
import type { Limits } from "../limits/limits.js";
import { closingError } from "./run/endings.js";
import type { Run } from "./run/run.js";
import type { Work } from "./run/work.js";

type CheckLimits = Pick<Limits, "maxRuns" | "maxQueuedRuns" | "maxCheckedArgumentsBytes">;

export class UnderWay {
  /** Runs whose arguments are still being checked, and how many bytes these take. */
  readonly #checking = new Map<Run, number>();
  #checkedBytes = 0;
  /** Work that waits, or lasts longer than the turn of the event loop in which it began. */
  readonly #works = new Set<Work>();
  #onIdle: (() => void) | undefined;
  #isClosing = false;

  /** Work that several runs share counts once. */
  get count(): number {
    return this.#checking.size + this.#works.size;
  }

  /** Nothing more may begin. */
  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** A run whose check takes time holds its arguments. So no more are checked than could begin or wait then. */
  mayCheck({ maxRuns, maxQueuedRuns, maxCheckedArgumentsBytes }: CheckLimits): boolean {
    return this.#checking.size < maxRuns + maxQueuedRuns && this.#checkedBytes < maxCheckedArgumentsBytes;
  }

  get #runs(): Run[] {
    return [...this.#checking.keys(), ...[...this.#works].flatMap(({ runs }) => runs)];
  }

  checks(run: Run, bytes: number): void {
    this.#checking.set(run, bytes);
    this.#checkedBytes += bytes;
  }

  checked(run: Run): void {
    this.#checkedBytes -= this.#checking.get(run) ?? 0;
    this.#checking.delete(run);
    this.#tellIfIdle();
  }

  add(work: Work): void {
    this.#works.add(work);
  }

  delete(work: Work): void {
    if (this.#works.delete(work)) this.#tellIfIdle();
  }

  /** The runs of the work have their outcomes, or one of them waits for the last output. */
  settle(work: Work): void {
    if (this.#works.has(work) && work.isSettled) this.delete(work);
  }

  #tellIfIdle(): void {
    if (this.count === 0) this.#onIdle?.();
  }

  /**
   * From now on `isClosing`. What has not begun is refused, and what goes on is stopped after `graceMs`. Resolves when
   * all have ended, and at the latest `endMs` after the grace, with what is left of `endMs`.
   */
  async close(graceMs: number, endMs: number): Promise<number> {
    this.#isClosing = true;
    for (const run of this.#runs) if (run.state !== "running") run.abort(closingError());
    if (await this.#idle(graceMs)) return endMs;
    for (const run of this.#runs) run.abort(new IscepError("cancelled", "the server was closed"));
    const endsAtMs = performance.now() + endMs;
    await this.#idle(endMs);
    return Math.max(0, endsAtMs - performance.now());
  }

  /** Resolves to true when there are none, and to false after `timeoutMs`. */
  #idle(timeoutMs: number): Promise<boolean> {
    if (this.count === 0) return Promise.resolve(true);
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), timeoutMs);
      this.#onIdle = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }
}

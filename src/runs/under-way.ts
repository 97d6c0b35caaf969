/** The runs that go on and those that wait, and who waits until there are none. */
import type { Run } from "./run/run.js";
import type { Work } from "./run/work.js";

export class UnderWay {
  /** Runs whose arguments are still being checked. */
  readonly #checking = new Set<Run>();
  /** Work that waits, or lasts longer than the turn of the event loop in which it began. */
  readonly #works = new Set<Work>();
  #onIdle: (() => void) | undefined;

  /** Work that several runs share counts once. */
  get count(): number {
    return this.#checking.size + this.#works.size;
  }

  /** How many runs wait for the check of their arguments. */
  get checking(): number {
    return this.#checking.size;
  }

  get runs(): Run[] {
    return [...this.#checking, ...[...this.#works].flatMap(({ runs }) => runs)];
  }

  checks(run: Run): void {
    this.#checking.add(run);
  }

  checked(run: Run): void {
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

  /** Resolves to true when there are none, and to false after `timeoutMs`. */
  idle(timeoutMs: number): Promise<boolean> {
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

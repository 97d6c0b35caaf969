/** What this tab remembers of its runs: in its session storage, so a reload keeps it, and nobody else has it. */
import { isRecord } from "../forms/field.js";

const maxRuns = 50;

export class TabMemory {
  readonly #key: string;

  constructor(key: string) {
    this.#key = key;
  }

  get(run: string): unknown {
    return this.#all()[run];
  }

  /** The oldest ones are forgotten when there are too many. */
  set(run: string, value: unknown): void {
    const others = Object.entries(this.#all()).filter(([name]) => name !== run);
    this.#store(Object.fromEntries([...others.slice(1 - maxRuns), [run, value]]));
  }

  forget(): void {
    this.#store({});
  }

  #all(): Readonly<Record<string, unknown>> {
    try {
      const value: unknown = JSON.parse(sessionStorage.getItem(this.#key) ?? "{}");
      return isRecord(value) ? value : {};
    } catch {
      // Storage may be switched off, or hold something else. Then nothing is remembered.
      return {};
    }
  }

  #store(runs: Readonly<Record<string, unknown>>): void {
    try {
      sessionStorage.setItem(this.#key, JSON.stringify(runs));
    } catch {
      // Storage may be switched off or full. The page works without it.
    }
  }
}

import { IscepError, isIscepError } from "../errors.js";
import { defaultLimits } from "../limits/limits.js";

/**
 * Collects the faults of a configuration. Reading goes on after a fault where it can, so that a person can mend all of
 * them at once.
 */
export class ConfigurationProblems {
  readonly #shown: IscepError[] = [];
  #more = 0;

  /** undefined when it threw a fault of the configuration. Any other error is thrown on. */
  attempt<Value>(read: () => Value): Value | undefined {
    try {
      return read();
    } catch (error) {
      this.add(error);
      return undefined;
    }
  }

  get count(): number {
    return this.#shown.length + this.#more;
  }

  /** @throws errors that are not faults of the configuration */
  add(error: unknown): void {
    if (!isIscepError(error) || error.code !== "configuration") throw error;
    if (this.#shown.length < defaultLimits.maxShownProblems) this.#shown.push(error);
    else this.#more++;
  }

  /** @throws IscepError `configuration` with a line for each fault; `details.problems` has them one by one */
  throwIfAny(): void {
    const [first] = this.#shown;
    if (first === undefined) return;
    if (this.#shown.length === 1) throw first;
    const problems = this.#shown.map(({ message }) => message);
    const rest = this.#more === 0 ? [] : [`and ${this.#more} more`];
    throw new IscepError("configuration", [...problems, ...rest].join("\n"), {
      cause: first,
      details: { problems: [...problems, ...rest] },
    });
  }
}

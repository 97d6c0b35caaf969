import { IscepError, isIscepError } from "../errors.js";
import { defaultLimits } from "../limits/limits.js";

/** Faults of a configuration. Reading goes on after one where it can, so that a file need not be mended one fault at a time. */
export class ConfigurationProblems {
  readonly #shown: IscepError[] = [];
  #more = 0;

  /** Undefined when it threw what is wrong with the configuration. Anything else that is thrown goes on. */
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

  /** @throws what is no fault of the configuration */
  add(error: unknown): void {
    if (!isIscepError(error) || error.code !== "configuration") throw error;
    if (this.#shown.length < defaultLimits.maxShownProblems) this.#shown.push(error);
    else this.#more++;
  }

  /** @throws IscepError `configuration` that tells all of them, a line each; `details.problems` has them one by one */
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

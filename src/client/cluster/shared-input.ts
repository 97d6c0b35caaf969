/** Standard input that is read by one of several attempts, and survives those that were refused before they read. */
import { Readable } from "node:stream";
import { closeSource, quietly, type StdinSource } from "../protocol/input-sender.js";

export class SharedInput {
  /** The source that each attempt gets. */
  readonly source: StdinSource;
  readonly #given: StdinSource;
  #chunks: AsyncIterator<string | Uint8Array> | undefined;

  constructor(given: StdinSource) {
    this.#given = given;
    const over = Promise.resolve({ done: true, value: undefined } as const);
    const isWhole = typeof given === "string" || given instanceof Uint8Array;
    const chunks: AsyncIterator<string | Uint8Array> = {
      next: () => this.#begin().next(),
      // An attempt that ends closes what it was given. The source itself is closed when all are over.
      return: () => over,
      // Another client has taken the input over, which no other attempt changes.
      throw: (fault: unknown) => this.#begin().throw?.(fault) ?? over,
    };
    this.source = isWhole ? given : { [Symbol.asyncIterator]: () => chunks };
  }

  #begin(): AsyncIterator<string | Uint8Array> {
    const given = this.#given;
    if (typeof given === "string" || given instanceof Uint8Array) throw new TypeError("a whole text has no iterator");
    return (this.#chunks ??= given[Symbol.asyncIterator]());
  }

  /** The run has its outcome. */
  close(): void {
    if (this.#chunks === undefined) {
      closeSource(this.#given);
      return;
    }
    if (this.#given instanceof Readable) this.#given.destroy();
    quietly(() => this.#chunks?.return?.());
  }
}

import type { CommandContext, CommandOutput } from "../../model/command.js";
import type { Identity } from "../../model/identity.js";
import { noInput } from "../streams/input.js";
import { checkProgress, checkWrite } from "./reports.js";
import type { Work } from "./work.js";

/** A write of nothing takes time too. */
const writeCostBytes = 32;

/** What a function gets. */
export class WorkContext implements CommandContext {
  readonly #work: Work;
  /** Since the event loop had its turn. */
  #writtenBytes = 0;

  constructor(work: Work) {
    this.#work = work;
  }

  get runId(): string {
    return this.#work.first.id;
  }

  get traceparent(): string | undefined {
    return this.#work.first.trace?.traceparent;
  }

  get identity(): Pick<Identity, "owner" | "tokenId"> {
    return this.#work.first.identity;
  }

  get signal(): AbortSignal {
    return this.#work.signal;
  }

  // These work without `this`, because commands take the context apart.
  get output(): CommandOutput {
    return {
      write: (channel, data) => {
        checkWrite(channel, data);
        return this.#work.write(channel, data) ?? this.#turn(data.length);
      },
    };
  }

  /** A loop that awaits its writes does not hold up others, also when no reader makes it wait. */
  #turn(length: number): Promise<void> | undefined {
    this.#writtenBytes += length + writeCostBytes;
    if (this.#writtenBytes < this.#work.functionWriteBytes) return undefined;
    this.#writtenBytes = 0;
    return new Promise((resolve) => setImmediate(resolve));
  }

  get stdin(): AsyncIterable<Uint8Array> {
    return this.#work.first.input ?? noInput;
  }

  get progress(): CommandContext["progress"] {
    const work = this.#work;
    return (fraction, message) => {
      checkProgress(fraction, message);
      work.progress({ fraction, message });
    };
  }
}

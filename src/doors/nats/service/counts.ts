/** Counts the requests of each endpoint. */
import type { ErrorCode } from "../../../errors.js";
import { errorTable } from "../../../errors.js";

export interface EndpointCounts {
  readonly requests: number;
  readonly errors: number;
  /** The HTTP status and the code of the error. Its words may tell what only its caller may know. */
  readonly lastError: string;
  readonly processingNs: number;
}

const nothing: EndpointCounts = { requests: 0, errors: 0, lastError: "", processingNs: 0 };

export class ServiceCounts {
  readonly #counts = new Map<string, EndpointCounts>();
  #all = nothing;

  /** @param error undefined when all went well */
  count(command: string, isRegistered: boolean, durationMs: number, error: ErrorCode | undefined): void {
    this.#all = counted(this.#all, durationMs, error);
    // Names that callers invent must not grow the table.
    if (isRegistered) this.#counts.set(command, counted(this.of(command), durationMs, error));
  }

  get all(): EndpointCounts {
    return this.#all;
  }

  of(command: string): EndpointCounts {
    return this.#counts.get(command) ?? nothing;
  }

  /** The counts of other commands are forgotten. */
  keepOnly(commands: ReadonlySet<string>): void {
    for (const command of this.#counts.keys()) if (!commands.has(command)) this.#counts.delete(command);
  }
}

function counted(before: EndpointCounts, durationMs: number, error: ErrorCode | undefined): EndpointCounts {
  return {
    requests: before.requests + 1,
    errors: before.errors + (error === undefined ? 0 : 1),
    lastError: error === undefined ? before.lastError : `${errorTable[error].http}:${error}`,
    processingNs: before.processingNs + Math.round(durationMs * 1e6),
  };
}

/** Requests that one client has waiting, in the order in which they were made. */
import { IscepError } from "../errors.js";
import type { Version1RequestType } from "../session/version1-client.js";

/** One request on its way to its answer. */
export interface PendingRequest {
  readonly type: Version1RequestType;
  readonly packet: Buffer;
  resolve(value: unknown): void;
  reject(error: IscepError): void;
}

/**
 * A queue that forgets requests cheaply: a deque of its own would have to search for the one that timed out.
 */
export class RequestQueue {
  readonly #requests = new Set<PendingRequest>();
  readonly #max: number;

  constructor(maxQueuedCalls: number) {
    this.#max = maxQueuedCalls;
  }

  get size(): number {
    return this.#requests.size;
  }

  /** @throws IscepError `busy` when it is full. */
  add(request: PendingRequest): void {
    if (this.#requests.size >= this.#max) {
      throw new IscepError("busy", `${this.#max} calls wait on this client already; await some of them first`);
    }
    this.#requests.add(request);
  }

  take(): PendingRequest | undefined {
    const [next] = this.#requests;
    if (next !== undefined) this.#requests.delete(next);
    return next;
  }

  delete(request: PendingRequest): boolean {
    return this.#requests.delete(request);
  }

  takeAll(): PendingRequest[] {
    const all = [...this.#requests];
    this.#requests.clear();
    return all;
  }
}

/** The requests of one client: the one that is out, and those that wait, in the order in which they were made. */
import { IscepError } from "../../errors.js";
import type { Version1RequestType } from "../../session/version1-client.js";
import { watchSignal } from "../protocol/watch-signal.js";

/** One request on its way to its answer. */
export class PendingRequest {
  readonly type: Version1RequestType;
  readonly packet: Buffer;
  readonly timeoutMs: number;
  /** The time by performance.now(). */
  readonly deadlineMs: number;
  readonly #resolve: (value: unknown) => void;
  readonly #reject: (error: IscepError) => void;
  #unwatch: (() => void) | undefined;

  constructor(
    type: Version1RequestType,
    packet: Buffer,
    timeoutMs: number,
    resolve: (value: unknown) => void,
    reject: (error: IscepError) => void,
  ) {
    this.type = type;
    this.packet = packet;
    this.timeoutMs = timeoutMs;
    this.deadlineMs = performance.now() + timeoutMs;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Calls `aborted` at most once, and not after the request was settled. */
  watch(signal: AbortSignal, aborted: () => void): void {
    this.#unwatch = watchSignal(signal, aborted);
  }

  resolve(value: unknown): void {
    this.#settle();
    this.#resolve(value);
  }

  reject(error: IscepError): void {
    this.#settle();
    this.#reject(error);
  }

  #settle(): void {
    this.#unwatch?.();
  }
}

/** A queue that can cheaply remove a request from its middle, when that timed out. */
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

  [Symbol.iterator](): IterableIterator<PendingRequest> {
    return this.#requests.values();
  }
}

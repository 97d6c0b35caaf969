/** A call of which only the value counts. It is made most often, so it is one object, without closures. */
import type { IscepError } from "../../errors.js";
import { isJsonObject, type JsonObject } from "../../wire/json.js";
import type { CallOptions } from "../protocol/options.js";
import type { CallRequest } from "./pending-call.js";

export class PlainCall implements CallRequest {
  readonly method = "call";
  readonly command: string;
  readonly args: unknown;
  readonly more: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly hasKey: boolean;
  readonly promise: Promise<unknown>;
  readonly #resolve: (value: unknown) => void;
  readonly #reject: (error: IscepError) => void;

  constructor(command: string, args: unknown, more: string, timeoutMs: number, options: CallOptions | undefined) {
    this.command = command;
    this.args = args;
    this.more = more;
    this.timeoutMs = timeoutMs;
    this.signal = options?.signal;
    this.hasKey = options?.idempotencyKey !== undefined;
    this.promise = new Promise(take);
    this.#resolve = takenResolve;
    this.#reject = takenReject;
  }

  resolve(result: unknown): void {
    this.#resolve(valueOf(result));
  }

  reject(error: IscepError, data: JsonObject): void {
    // A script that failed or was killed still gives its result, as over version 1.
    if (data["value"] !== undefined) this.#resolve(data["value"]);
    else this.#reject(error);
  }
}

let takenResolve: (value: unknown) => void = () => {};
let takenReject: (error: IscepError) => void = () => {};

/** One function for all promises, which calls it at once. A closure for each would be another object for each call. */
function take(resolve: (value: unknown) => void, reject: (error: IscepError) => void): void {
  takenResolve = resolve;
  takenReject = reject;
}

export function valueOf(result: unknown): unknown {
  return isJsonObject(result) ? (result["value"] ?? null) : null;
}

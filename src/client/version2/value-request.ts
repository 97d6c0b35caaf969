/** The request of a call of which only the value counts. */
import type { IscepError } from "../../errors.js";
import type { JsonObject } from "../../wire/json.js";
import { valueOfResult } from "../protocol/answer.js";
import type { CallOptions } from "../protocol/options.js";
import type { CallRequest } from "./pending-call.js";

export abstract class ValueRequest implements CallRequest {
  readonly method = "call";
  readonly command: string;
  readonly args: unknown;
  readonly more: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly hasKey: boolean;

  constructor(command: string, args: unknown, more: string, timeoutMs: number, options: CallOptions | undefined) {
    this.command = command;
    this.args = args;
    this.more = more;
    this.timeoutMs = timeoutMs;
    this.signal = options?.signal;
    this.hasKey = options?.idempotencyKey !== undefined;
  }

  resolve(result: unknown): void {
    this.completed(valueOfResult(result));
  }

  reject(error: IscepError, data: JsonObject): void {
    // A script that failed or was killed still gives its result, as over version 1.
    if (data["value"] !== undefined) this.completed(data["value"]);
    else this.failed(error, data);
  }

  protected abstract completed(value: unknown): void;
  protected abstract failed(error: IscepError, data: JsonObject): void;
}

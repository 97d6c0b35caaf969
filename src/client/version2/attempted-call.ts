/** A call of which only the value is wanted. Its maker may give it to another server if this one refuses it. */
import type { IscepError } from "../../errors.js";
import type { JsonObject } from "../../wire/json.js";
import type { CallOptions } from "../protocol/options.js";
import type { CallRequest, PendingCall } from "./pending-call.js";
import { valueOf } from "./plain-call.js";

export interface AttemptListener {
  completed(value: unknown): void;
  /** @param neverBegan the command did not begin, and will not */
  failed(error: IscepError, neverBegan: boolean): void;
}

interface Starter {
  start(request: CallRequest): PendingCall;
  withdraw(call: PendingCall): Promise<boolean | undefined>;
}

export class AttemptedCall implements CallRequest {
  readonly method = "call";
  readonly command: string;
  readonly args: unknown;
  readonly more: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly hasKey: boolean;
  readonly #listener: AttemptListener;
  #sent: { readonly starter: Starter; readonly call: PendingCall } | undefined;

  constructor(
    command: string,
    args: unknown,
    more: string,
    timeoutMs: number,
    options: CallOptions | undefined,
    listener: AttemptListener,
  ) {
    this.command = command;
    this.args = args;
    this.more = more;
    this.timeoutMs = timeoutMs;
    this.signal = options?.signal;
    this.hasKey = options?.idempotencyKey !== undefined;
    this.#listener = listener;
  }

  sendOver(starter: Starter): void {
    this.#sent = { starter, call: starter.start(this) };
  }

  resolve(result: unknown): void {
    this.#listener.completed(valueOf(result));
  }

  reject(error: IscepError, data: JsonObject): void {
    if (data["value"] !== undefined) this.#listener.completed(data["value"]);
    // A call may be refused, unsent, before `start` has returned.
    else this.#listener.failed(error, data["status"] === "rejected" || (this.#sent?.call.sendings ?? 0) === 0);
  }

  /** As `WithdrawableRun.withdraw`. A call that is taken back fails as one that never began. */
  withdraw(): Promise<boolean | undefined> {
    return this.#sent === undefined ? Promise.resolve(undefined) : this.#sent.starter.withdraw(this.#sent.call);
  }
}

/** A call of which only the value is wanted. Its maker may give it to another server if this one refuses it. */
import type { IscepError } from "../../errors.js";
import type { JsonObject } from "../../wire/json.js";
import type { CallOptions } from "../protocol/options.js";
import type { PendingCall } from "./pending-call.js";
import { ValueRequest } from "./value-request.js";
import { withdraw, type Starter } from "./withdraw.js";

export interface AttemptListener {
  completed(value: unknown): void;
  /** @param neverBegan the command did not begin, and will not */
  failed(error: IscepError, neverBegan: boolean): void;
}

export class AttemptedCall extends ValueRequest {
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
    super(command, args, more, timeoutMs, options);
    this.#listener = listener;
  }

  sendOver(starter: Starter): void {
    this.#sent = { starter, call: starter.start(this) };
  }

  protected override completed(value: unknown): void {
    this.#listener.completed(value);
  }

  protected override failed(error: IscepError, data: JsonObject): void {
    // A call may be refused, unsent, before `start` has returned.
    this.#listener.failed(error, data["status"] === "rejected" || this.#sent?.call.wasSent !== true);
  }

  /** As `WithdrawableRun.withdraw`. A call that is taken back fails like a call that never began. */
  withdraw(): Promise<boolean | undefined> {
    return this.#sent === undefined ? Promise.resolve(undefined) : withdraw(this.#sent.starter, this.#sent.call);
  }
}

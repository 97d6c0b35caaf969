/** A call of which only the value counts. It is made most often, so it is one object. */
import type { IscepError } from "../../errors.js";
import type { CallOptions } from "../protocol/options.js";
import { ValueRequest } from "./value-request.js";

export class PlainCall extends ValueRequest {
  readonly #resolve: (value: unknown) => void;
  readonly #reject: (error: IscepError) => void;

  constructor(
    command: string,
    args: unknown,
    more: string,
    timeoutMs: number,
    options: CallOptions | undefined,
    resolve: (value: unknown) => void,
    reject: (error: IscepError) => void,
  ) {
    super(command, args, more, timeoutMs, options);
    this.#resolve = resolve;
    this.#reject = reject;
  }

  protected override completed(value: unknown): void {
    this.#resolve(value);
  }

  protected override failed(error: IscepError): void {
    this.#reject(error);
  }
}

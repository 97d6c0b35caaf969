/**
 * A run whose caller wants only its outcome. Such calls are many and short, so the rest of the handle is made when somebody asks
 * for it.
 */
import { IscepError } from "../../errors.js";
import type { Outcome } from "../../model/outcome.js";
import { isJsonObject } from "../../wire/json.js";
import { outcomeOfError, outcomeOfResult, valueOfOutcome } from "../protocol/answer.js";
import type { WithdrawableRun } from "../protocol/run-handle.js";
import type { OutputChunk } from "../protocol/run-output.js";
import { notKept } from "./call-errors.js";
import type { CallRequest, PendingCall } from "./pending-call.js";
import { withdraw, type Starter } from "./withdraw.js";

interface RunStarter extends Starter {
  cancel(call: PendingCall, error: IscepError): void;
}

/** The request of a run, beside what its handle adds. */
export type RunRequest = Pick<
  CallRequest,
  "method" | "command" | "args" | "more" | "params" | "hasKey" | "isDetached" | "timeoutMs" | "signal"
>;

export class PlainRun implements WithdrawableRun {
  readonly outcome: Promise<Outcome>;
  readonly #client: RunStarter;
  readonly #call: PendingCall;
  /** False for a follower, or the caller of a detached run, who ends nothing by leaving. */
  readonly #ends: boolean;
  #settle!: (outcome: Outcome) => void;
  #ended: Outcome | undefined;
  #runId: string | undefined;
  #wantsId: ((run: string | undefined) => void)[] = [];

  constructor(client: RunStarter, request: RunRequest, ends: boolean) {
    this.#client = client;
    this.#ends = ends;
    this.outcome = new Promise((resolve) => (this.#settle = resolve));
    const { method, command, args, more, params, hasKey, isDetached, timeoutMs, signal } = request;
    // A copy by spreading would cost 2 KB more for each call.
    this.#call = client.start({
      method,
      command,
      args,
      more,
      params,
      hasKey,
      isDetached,
      timeoutMs,
      signal,
      waitsForCancel: true,
      resolve: (result) => this.#end(outcomeOfResult(result), isJsonObject(result) ? result["run"] : undefined),
      reject: (error, data) => this.#end(outcomeOfError(error, data), data["run"]),
      started: (run) => this.#known(run),
    });
  }

  #known(run: unknown): void {
    if (typeof run === "string") this.#runId ??= run;
    if (this.#runId === undefined && this.#ended === undefined) return;
    for (const wants of this.#wantsId.splice(0)) wants(this.#runId);
  }

  #end(outcome: Outcome, run: unknown): void {
    this.#ended = outcome;
    this.#known(run);
    this.#settle(outcome);
  }

  get id(): Promise<string> {
    const id = this.#id();
    id.catch(() => {});
    return id;
  }

  async #id(): Promise<string> {
    if (this.#runId === undefined && this.#ended === undefined) {
      await new Promise((resolve) => this.#wantsId.push(resolve));
    }
    if (this.#runId !== undefined) return this.#runId;
    throw this.#ended !== undefined && "error" in this.#ended ? this.#ended.error : notKept;
  }

  get value(): Promise<unknown> {
    const value = this.outcome.then(valueOfOutcome);
    value.catch(() => {});
    return value;
  }

  /** Gives nothing, and ends with the run. */
  get output(): AsyncIterable<OutputChunk> {
    const next = async (): Promise<IteratorReturnResult<undefined>> => {
      await this.outcome;
      return { done: true, value: undefined };
    };
    return { [Symbol.asyncIterator]: () => ({ next }) };
  }

  onProgress(): void {
    // The server tells this only beside output.
  }

  onQueued(): void {
    // The server tells this only beside output.
  }

  resize(): void {
    // A caller without input has no terminal.
  }

  cancel(): void {
    this.#client.cancel(this.#call, new IscepError("cancelled", "the run was cancelled"));
  }

  withdraw(): Promise<boolean | undefined> {
    return withdraw(this.#client, this.#call);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ends) return;
    this.cancel();
    await this.outcome;
  }
}

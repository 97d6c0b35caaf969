/** A run whose caller or follower wants its output, or sends its input. */
import { IscepError, toIscepError } from "../../errors.js";
import type { Outcome } from "../../model/outcome.js";
import { isJsonObject, type JsonObject } from "../../wire/json.js";
import { outcomeOfError, outcomeOfResult, valueOfOutcome } from "../protocol/answer.js";
import { withCallSite } from "../protocol/call-site.js";
import { InputSender, type StdinSource } from "../protocol/input-sender.js";
import type { TerminalSize, WithdrawableRun } from "../protocol/run-handle.js";
import { OutputQueue } from "../protocol/run-output.js";
import { notKept } from "./call-errors.js";
import type { Version2Client } from "./client.js";
import type { PendingCall } from "./pending-call.js";
import type { RunRequest } from "./plain-run.js";
import { withdraw } from "./withdraw.js";

/** The longest delay of Node's timers. The run has its own deadline. */
const longestTimeoutMs = 2 ** 31 - 1;

export interface Following {
  /** The offset from which output is wanted; undefined when none is. */
  readonly offset: number | undefined;
  readonly stdin: StdinSource | undefined;
  /** False for a follower, or the caller of a detached run, who ends nothing by leaving. */
  readonly ends: boolean;
}

export class FollowedRun implements WithdrawableRun {
  readonly id: Promise<string>;
  readonly outcome: Promise<Outcome>;
  readonly value: Promise<unknown>;
  readonly output: OutputQueue;
  readonly #client: Version2Client;
  readonly #call: PendingCall;
  readonly #wantsOutput: boolean;
  readonly #ends: boolean;
  /** The call that brings the output. It is not `#call` when the output was asked for later. */
  #bringing: PendingCall;
  #inputFailure: IscepError | undefined;
  #gotId!: (run: string) => void;
  #noId!: (error: IscepError) => void;
  #settle!: (outcome: Outcome) => void;
  // They are called in microtasks. So one that throws is reported to its author, and disturbs no call.
  readonly #progressListeners: ((fraction: number, message: string | undefined) => void)[] = [];
  readonly #queueListeners: ((position: number) => void)[] = [];

  // A program may take these out of the handle, as in `process.once("SIGINT", run.cancel)`.
  readonly onProgress = (listener: (fraction: number, message: string | undefined) => void): void => {
    this.#progressListeners.push(listener);
  };
  readonly onQueued = (listener: (position: number) => void): void => {
    this.#queueListeners.push(listener);
  };
  readonly resize = (size: TerminalSize): void => this.#client.resize(this.#call, size);
  readonly cancel = (): void => {
    this.#client.cancel(this.#call, new IscepError("cancelled", "the run was cancelled"));
  };

  constructor(client: Version2Client, request: RunRequest, { offset, stdin, ends }: Following) {
    this.#client = client;
    this.#wantsOutput = offset !== undefined;
    this.#ends = ends;
    this.id = new Promise((resolve, reject) => {
      this.#gotId = resolve;
      this.#noId = reject;
    });
    // A caller who does not ask for the id does not learn that there is none.
    this.id.catch(() => {});
    this.outcome = new Promise((resolve) => (this.#settle = resolve));
    this.value = this.#valueOf(request.command);
    this.value.catch(() => {});
    this.output = new OutputQueue(offset ?? 0, {
      grant: (bytes) => client.grant(this.#bringing, bytes),
      leave: () => client.leave(this.#bringing),
      want: (from) => void this.#bring(from),
    });
    this.#call = this.#bringing = client.start({
      ...request,
      input: stdin === undefined ? undefined : new InputSender(stdin, (error) => this.#inputFailed(error)),
      output: this.#wantsOutput ? this.output : undefined,
      waitsForCancel: true,
      resolve: (result) => this.#answered(outcomeOfResult(result), result),
      reject: (error, data) => this.#answered(outcomeOfError(this.#reasonOf(error, data), data), data),
      started: this.#gotId,
      progressed: (fraction, message) => {
        for (const listener of this.#progressListeners) queueMicrotask(() => listener(fraction, message));
      },
      queued: (position) => {
        for (const listener of this.#queueListeners) queueMicrotask(() => listener(position));
      },
    });
  }

  async #valueOf(command: string | undefined): Promise<unknown> {
    const outcome = await this.outcome;
    try {
      return valueOfOutcome(outcome);
    } catch (error) {
      throw command === undefined ? error : withCallSite(error, command);
    }
  }

  #inputFailed(error: IscepError): void {
    this.#inputFailure = error;
    this.#client.cancel(this.#call, error);
  }

  /** A run that was cancelled because its input broke says so. */
  #reasonOf(error: IscepError, data: JsonObject): IscepError {
    return data["status"] === "cancelled" ? (this.#inputFailure ?? error) : error;
  }

  #answered(outcome: Outcome, answer: unknown): void {
    const { run, output } = isJsonObject(answer) ? answer : {};
    if (typeof run === "string") this.#gotId(run);
    // This waits until `start` has returned, because a call may be refused before it was sent.
    queueMicrotask(() => this.#end(outcome, output));
  }

  /** @param end the number of bytes of output in all, if the answer counts them */
  #end(outcome: Outcome, end: unknown): void {
    const { output } = this;
    if (typeof end === "number") output.finish(end);
    else if (outcome.status === "lost") output.fail(outcome.error);
    // A run that was taken up again without output has an answer that does not count its output.
    else if (!output.isLate) output.finish(output.position);
    if (this.#wantsOutput && output.isWhole) this.#client.drained(this.#call);
    this.#noId("error" in outcome ? outcome.error : notKept);
    this.#settle(outcome);
  }

  /** Asks for the rest of the output for a late reader. */
  async #bring(offset: number): Promise<void> {
    const { output } = this;
    try {
      const run = await this.id;
      this.#bringing = this.#client.start({
        method: "attach",
        params: { run, offset },
        output,
        timeoutMs: longestTimeoutMs,
        waitsForCancel: true,
        resolve: (result) => output.finish(endOf(result) ?? output.position),
        // If the run did not complete, this is its outcome. The output is there all the same.
        reject: (error, data) => {
          const end = endOf(data);
          if (end === undefined) output.fail(error);
          else output.finish(end);
        },
      });
    } catch (error) {
      output.fail(toIscepError(error));
    }
  }

  withdraw(): Promise<boolean | undefined> {
    return withdraw(this.#client, this.#call);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.output.discard();
    if (!this.#ends) return;
    this.cancel();
    await this.outcome;
  }
}

function endOf(answer: unknown): number | undefined {
  const end = isJsonObject(answer) ? answer["output"] : undefined;
  return typeof end === "number" ? end : undefined;
}

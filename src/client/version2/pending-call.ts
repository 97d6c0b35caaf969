/** One request of a version 2 client, until its answer comes, over as many connections as that takes. */
import { IscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import { callText, requestText } from "../../session/version2-client.js";
import type { JsonObject } from "../../wire/json.js";
import type { InputSender } from "../protocol/input-sender.js";
import type { TerminalSize } from "../protocol/run-handle.js";
import type { OutputQueue } from "../protocol/run-output.js";
import { inputTaken, lost } from "./call-errors.js";
import { watchSignal } from "../protocol/watch-signal.js";
import { traceOf, unanswered, type CallState, type CallTrace, type UnansweredReason } from "./call-states.js";

export interface CallRequest {
  readonly method: "call" | "attach" | "withdraw" | "list" | "runs" | "cancel" | "echo" | "whoami" | "schedules";
  /** `command` to `more` are for the method `call`. */
  readonly command?: string | undefined;
  readonly args?: unknown;
  /** Further members of its params as JSON text, each with a comma in front. */
  readonly more?: string | undefined;
  /** All other methods use this. */
  readonly params?: Readonly<Record<string, unknown>> | undefined;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** A call with a key may be sent again, because it joins the run that it started. */
  readonly hasKey?: boolean | undefined;
  /** The run goes on without its caller. */
  readonly isDetached?: boolean | undefined;
  /** The standard input that it sends. */
  readonly input?: InputSender | undefined;
  /** Where its output goes, if the caller wants it. */
  readonly output?: OutputQueue | undefined;
  /** True when the caller wants the run's own outcome after a cancel. */
  readonly waitsForCancel?: boolean;
  resolve(result: unknown): void;
  reject(error: IscepError, data: JsonObject): void;
  started?(run: string): void;
  progressed?(fraction: number, message: string | undefined): void;
  queued?(position: number): void;
}

export class PendingCall {
  readonly id: number;
  readonly request: CallRequest;
  /** By performance.now(). */
  readonly deadlineMs: number;
  /** Only the client that holds it changes these two. */
  state: CallState = "queued";
  trace: CallTrace;
  wasSent = false;
  runId: string | undefined;
  /** When the client learned that the server has begun, by performance.now(). */
  startedAtMs: number | undefined;
  /** The server says that its run has a terminal, whose size it may be told. */
  hasTerminal = false;
  /** The size of the caller's window, if it was told since the call. */
  size: TerminalSize | undefined;
  /** undefined when nobody wants it any more. */
  output: OutputQueue | undefined;
  #unwatch: (() => void) | undefined;

  constructor(id: number, request: CallRequest, limits: Limits) {
    this.id = id;
    this.request = request;
    this.trace = traceOf(request);
    this.output = request.output;
    this.deadlineMs = performance.now() + request.timeoutMs + limits.answerGraceMs;
  }

  /**
   * @param attaches true to attach to the run that it began before
   * @throws IscepError `invalid_arguments` when JSON cannot hold it
   */
  text(attaches: boolean, limits: Limits): string {
    const { method, command, args, more, params, input, isDetached } = this.request;
    if (attaches) {
      // An input that somebody else has taken over must not be taken back.
      const stdin = input === undefined || input.isClosed ? undefined : true;
      // Only with `resumes` may the call be taken back while it waits.
      const resumes = method === "call" ? true : undefined;
      // Without it, the call's own wish that the run goes on would count as that of another caller.
      const detach = isDetached === true ? true : undefined;
      const where = { run: this.runId, offset: this.output?.position, stdin, resumes, detach };
      return requestText(this.id, "attach", where, limits);
    }
    if (method === "call") return callText(this.id, command ?? "", args, more ?? "", limits);
    return requestText(this.id, method, params ?? {}, limits);
  }

  watch(signal: AbortSignal, aborted: () => void): void {
    this.#unwatch = watchSignal(signal, aborted);
  }

  started(run: string): void {
    this.runId = run;
    this.startedAtMs = performance.now();
    this.request.started?.(run);
  }

  /** Tells the caller, or the source of its input, what a notification of the server says. It changes no state. */
  heard(method: string, { fraction, message, position }: JsonObject): void {
    if (method === "progress" && typeof fraction === "number") {
      // A server's numbers are not trusted: a bar that is drawn from one below 0 would end the program.
      this.request.progressed?.(Math.min(1, Math.max(0, fraction)), typeof message === "string" ? message : undefined);
    }
    if (method === "queued" && typeof position === "number") this.request.queued?.(position);
    if (method === "stdin_taken") this.request.input?.close(inputTaken());
  }

  succeed(result: unknown): void {
    this.#settle();
    this.request.resolve(result);
  }

  fail(error: IscepError, data: JsonObject): void {
    this.#settle();
    this.request.reject(error, data);
  }

  /** The server answers with an error. */
  failAnswered(error: IscepError, data: JsonObject): void {
    // The end of the run that this call has begun is no refusal.
    const isOwnEnd = this.runId !== undefined && data["run"] === this.runId;
    const isRefusal = data["status"] === "rejected" && !isOwnEnd;
    if (isRefusal && unanswered(this.trace, "refused") === "lost") this.fail(lost(error), {});
    else this.fail(error, data);
  }

  /** No answer will come any more. The end of a token or of our patience says nothing about how its run ends. */
  failUnanswered(error: IscepError, reason: Exclude<UnansweredReason, "refused">): void {
    const told = unanswered(this.trace, reason);
    if (told === "rejected") this.fail(error, { status: "rejected" });
    else if (told === "error") this.fail(error, {});
    else if (error.code === "not_trusted" || error.code === "lost") this.fail(error, { status: "lost" });
    else this.fail(new IscepError("lost", `${error.message}; how the run ended is not known`, { cause: error }), {});
  }

  #settle(): void {
    this.#unwatch?.();
    this.request.input?.close();
  }
}

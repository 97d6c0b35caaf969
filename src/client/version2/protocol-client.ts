/** The public calls over version 2. */
import type { CommandDescription } from "../../model/command.js";
import { IscepError, toIscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import { outputChangesOf, type Outcome } from "../../model/outcome.js";
import { isJsonObject, type JsonObject } from "../../wire/json.js";
import { activeTracing } from "../../traces/tracing.js";
import { keyMember, terminalMember, traceMember, waitMember } from "./call-members.js";
import { AttemptedCall, type AttemptListener } from "./attempted-call.js";
import { PlainCall, valueOf } from "./plain-call.js";
import { InputSender } from "../protocol/input-sender.js";
import { checkText } from "../protocol/check-text.js";
import { checkTimeout } from "../protocol/call-timeout.js";
import { withCallSite } from "../protocol/call-site.js";
import { listPages } from "../protocol/list-pages.js";
import { readCallerRecord, schedulePages } from "../protocol/caller-records.js";
import type { CallerRecord } from "../../model/caller-record.js";
import type { ScheduleRecord } from "../../model/schedule-record.js";
import type { AttachOptions, CallOptions, RunOptions, RunsOptions } from "../protocol/options.js";
import { notKept } from "./call-errors.js";
import { PlainRun } from "./plain-run.js";
import { outcomeOfError, valueOfOutcome, type RunHandle, type WithdrawableRun } from "../protocol/run-handle.js";
import type { RunsPage } from "../../model/run-record.js";
import { readRunsPage } from "../protocol/run-records.js";
import { OutputQueue } from "../protocol/run-output.js";
import type { CallRequest, PendingCall } from "./pending-call.js";
import type { ProtocolClient } from "../protocol/protocol-client.js";
import type { TokenClients } from "./token-clients.js";
import type { Version2Client } from "./client.js";

export interface Version2ProtocolClientOptions {
  /** The version that users see. */
  readonly version: 2 | "in-process";
  readonly clients: TokenClients;
  readonly limits: Limits;
  /** The timeout of calls without one of their own. The server's own limit counts for them, so it is not sent. */
  readonly timeoutMs: number;
  /** True when the user gave it, so that the server is told. */
  readonly timeoutIsGiven: boolean;
}

/** The longest delay of Node's timers. The run has its own deadline. */
const longestTimeoutMs = 2 ** 31 - 1;

const aName = "the name of a command";

export class Version2ProtocolClient implements ProtocolClient {
  readonly version: 2 | "in-process";
  readonly #clients: TokenClients;
  readonly #options: Version2ProtocolClientOptions;

  constructor(options: Version2ProtocolClientOptions) {
    this.version = options.version;
    this.#clients = options.clients;
    this.#options = options;
  }

  call(command: string, args: unknown, options: CallOptions | undefined): Promise<unknown> {
    try {
      checkText(aName, command);
      const call = new PlainCall(command, args, this.#membersOf(options), this.#timeoutMs(options), options);
      this.#clients.of(options?.token).start(call);
      return call.promise;
    } catch (error) {
      return Promise.reject(toIscepError(error));
    }
  }

  /**
   * As `call`, for a caller who has other servers.
   * @throws IscepError `usage`
   */
  attempt(command: string, args: unknown, options: CallOptions | undefined, listener: AttemptListener): AttemptedCall {
    checkText(aName, command);
    const call = new AttemptedCall(
      command,
      args,
      this.#membersOf(options),
      this.#timeoutMs(options),
      options,
      listener,
    );
    call.sendOver(this.#clients.of(options?.token));
    return call;
  }

  #membersOf(options: CallOptions | undefined): string {
    if (options === undefined && !this.#options.timeoutIsGiven && activeTracing() === undefined) return "";
    const { idempotencyKey, wait } = options ?? {};
    return this.#timeoutMember(options) + keyMember(idempotencyKey) + waitMember(wait) + traceMember(options);
  }

  /** @throws IscepError `usage` */
  run(command: string, args: unknown, options: RunOptions | undefined): WithdrawableRun {
    checkText(aName, command);
    const { stdin, terminal } = options ?? {};
    const more =
      this.#timeoutMember(options) +
      keyMember(options?.idempotencyKey) +
      waitMember(options?.wait) +
      traceMember(options) +
      (options?.detach === true ? ',"detach":true' : "") +
      (stdin === undefined ? "" : ',"stdin":true') +
      terminalMember(terminal) +
      (options?.output === false ? "" : ',"output":0');
    return this.#follow(
      {
        method: "call",
        command,
        args,
        more,
        hasKey: options?.idempotencyKey !== undefined,
        isDetached: options?.detach === true,
      },
      0,
      options,
    );
  }

  attach(run: string, options: AttachOptions): RunHandle {
    const { offset = 0, output } = options;
    return this.#follow({ method: "attach", params: output === false ? { run } : { run, offset } }, offset, options);
  }

  #follow(
    request: Pick<CallRequest, "method" | "command" | "args" | "more" | "params" | "hasKey" | "isDetached">,
    offset: number,
    options: RunOptions | undefined,
  ): WithdrawableRun {
    const { stdin, output: wantsOutput = true } = options ?? {};
    const client = this.#clients.of(options?.token);
    // A follower, or a caller of a detached run, ends nothing by leaving.
    const ends = request.method === "call" && options?.detach !== true;
    const timeoutMs = this.#timeoutMs(options);
    if (!wantsOutput && stdin === undefined) {
      return new PlainRun(client, { ...request, timeoutMs, signal: options?.signal }, ends);
    }
    const { promise: id, resolve: gotId, reject: noId } = withResolvers<string>();
    const { promise: outcome, resolve: ended } = withResolvers<Outcome>();
    // A caller who does not ask for the id does not learn that there is none.
    id.catch(() => {});
    // They are called in microtasks. So one that throws is reported to its author, and disturbs no call.
    const listeners: ((fraction: number, message: string | undefined) => void)[] = [];
    const queueListeners: ((position: number) => void)[] = [];
    const finish = (result: Outcome, end: unknown): void => {
      if (typeof end === "number") output.finish(end);
      else if (result.status === "lost") output.fail(result.error);
      // A run that was taken up again without output has an answer that does not count its output.
      else if (!output.isLate) output.finish(output.position);
      if (wantsOutput && output.isWhole) client.drained(call);
      noId("error" in result ? result.error : notKept);
      ended(result);
    };
    let inputFailure: IscepError | undefined;
    const input =
      stdin === undefined
        ? undefined
        : new InputSender(stdin, (error) => {
            inputFailure = error;
            client.cancel(call, error);
          });
    /** The call that brings the output. It is not `call` when the output was asked for later. */
    let bringing: PendingCall | undefined;
    const output: OutputQueue = new OutputQueue(offset, {
      grant: (bytes) => client.grant(bringing ?? call, bytes),
      leave: () => client.leave(bringing ?? call),
      want: (from) => {
        id.then(
          (run) => (bringing = this.#bring(client, run, from, output)),
          (error: unknown) => output.fail(toIscepError(error)),
        );
      },
    });
    const call: PendingCall = client.start({
      ...request,
      input,
      output: wantsOutput ? output : undefined,
      timeoutMs,
      signal: options?.signal,
      waitsForCancel: true,
      resolve: (result) => {
        const fields = isJsonObject(result) ? result : {};
        if (typeof fields["run"] === "string") gotId(fields["run"]);
        const exit = typeof fields["exitCode"] === "number" ? { exitCode: fields["exitCode"] } : {};
        queueMicrotask(() =>
          finish(
            { status: "completed", value: valueOf(result), ...exit, ...outputChangesOf(fields) },
            fields["output"],
          ),
        );
      },
      reject: (error, data) => {
        if (typeof data["run"] === "string") gotId(data["run"]);
        const told = data["status"] === "cancelled" ? (inputFailure ?? error) : error;
        // This waits until `start` has returned, because a call may be refused before it was sent.
        queueMicrotask(() => finish(outcomeOfError(told, data), data["output"]));
      },
      started: gotId,
      progressed: (fraction, message) => {
        for (const listener of listeners) queueMicrotask(() => listener(fraction, message));
      },
      queued: (position) => {
        for (const listener of queueListeners) queueMicrotask(() => listener(position));
      },
    });
    const cancel = (): void => client.cancel(call, new IscepError("cancelled", "the run was cancelled"));
    const value = outcome.then((result) => {
      try {
        return valueOfOutcome(result);
      } catch (error) {
        throw request.command === undefined ? error : withCallSite(error, request.command);
      }
    });
    value.catch(() => {});
    return {
      id,
      outcome,
      value,
      output,
      onProgress: (listener) => void listeners.push(listener),
      onQueued: (listener) => void queueListeners.push(listener),
      resize: (size) => client.resize(call, size),
      cancel,
      withdraw: () => client.withdraw(call),
      [Symbol.asyncDispose]: async () => {
        output.discard();
        if (!ends) return;
        cancel();
        await outcome;
      },
    };
  }

  /** Asks for the rest of the output for a late reader. */
  #bring(client: Version2Client, run: string, offset: number, output: OutputQueue): PendingCall {
    return client.start({
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
  }

  async cancel(run: string, options: CallOptions | undefined): Promise<void> {
    await this.#request("cancel", { run }, options);
  }

  async runs(options: RunsOptions | undefined): Promise<RunsPage> {
    const { run, idempotencyKey, after, limit, all, command, status, owner, sinceMs } = options ?? {};
    const query = { run, idempotencyKey, after, limit, all, command, status, owner, sinceMs };
    return readRunsPage(await this.#request("runs", query, options), after);
  }

  async whoAmI(options: CallOptions | undefined): Promise<CallerRecord> {
    return readCallerRecord(await this.#request("whoami", {}, options));
  }

  schedules(options: CallOptions | undefined): Promise<ScheduleRecord[]> {
    const ask = (after: string | undefined): Promise<unknown> =>
      this.#request("schedules", after === undefined ? {} : { after }, options);
    return schedulePages(ask, this.#options.limits.maxListedCommands);
  }

  list(options: CallOptions | undefined): Promise<CommandDescription[]> {
    const ask = (after: string | undefined): Promise<unknown> =>
      this.#request("list", after === undefined ? {} : { after }, options);
    return listPages(ask, this.#options.limits.maxListedCommands);
  }

  async echo(value: unknown, options: CallOptions | undefined): Promise<unknown> {
    return (await this.#request("echo", { value }, options))["value"];
  }

  /** @param gone the server will never answer again, for this reason */
  close(gone?: IscepError): Promise<void> {
    return this.#clients.close(gone);
  }

  #request(
    method: CallRequest["method"],
    params: Readonly<Record<string, unknown>>,
    options: CallOptions | undefined,
  ): Promise<JsonObject> {
    return new Promise((resolve, reject) => {
      this.#clients.of(options?.token).start({
        method,
        params,
        timeoutMs: this.#timeoutMs(options),
        signal: options?.signal,
        resolve: (result) => {
          if (isJsonObject(result)) resolve(result);
          else reject(new IscepError("protocol", `the server's answer to ${method} is not an object`));
        },
        reject,
      });
    });
  }

  /** @throws IscepError `usage` */
  #timeoutMs(options: CallOptions | undefined): number {
    return options?.timeoutMs === undefined ? this.#options.timeoutMs : checkTimeout(options.timeoutMs);
  }

  #timeoutMember(options: CallOptions | undefined): string {
    const timeoutMs = options?.timeoutMs ?? (this.#options.timeoutIsGiven ? this.#options.timeoutMs : undefined);
    return timeoutMs === undefined ? "" : `,"timeoutMs":${Math.ceil(timeoutMs)}`;
  }
}

function endOf(answer: unknown): number | undefined {
  const end = isJsonObject(answer) ? answer["output"] : undefined;
  return typeof end === "number" ? end : undefined;
}

function withResolvers<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: unknown) => void } {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

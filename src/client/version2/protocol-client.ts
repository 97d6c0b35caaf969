/** The public calls over version 2. */
import type { CommandDescription } from "../../model/command.js";
import { IscepError, toIscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import { isJsonObject, type JsonObject } from "../../wire/json.js";
import { activeTracing } from "../../traces/tracing.js";
import { keyMember, terminalMember, traceMember, waitMember } from "./call-members.js";
import { AttemptedCall, type AttemptListener } from "./attempted-call.js";
import { PlainCall } from "./plain-call.js";
import { checkText } from "../protocol/check-text.js";
import { checkTimeout } from "../protocol/call-timeout.js";
import { listPages } from "../protocol/list-pages.js";
import { readCallerRecord, schedulePages } from "../protocol/caller-records.js";
import type { CallerRecord } from "../../model/caller-record.js";
import type { ScheduleRecord } from "../../model/schedule-record.js";
import type { AttachOptions, CallOptions, RunOptions, RunsOptions } from "../protocol/options.js";
import { FollowedRun } from "./followed-run.js";
import { PlainRun, type RunRequest } from "./plain-run.js";
import type { RunHandle, WithdrawableRun } from "../protocol/run-handle.js";
import type { RunsPage } from "../../model/run-record.js";
import { readRunsPage } from "../protocol/run-records.js";
import type { CallRequest } from "./pending-call.js";
import type { ProtocolClient } from "../protocol/protocol-client.js";
import type { TokenClients } from "./token-clients.js";

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
    return new Promise((resolve, reject) => {
      try {
        checkText(aName, command);
        const more = this.#membersOf(options);
        const timeoutMs = this.#timeoutMs(options);
        const call = new PlainCall(command, args, more, timeoutMs, options, resolve, reject);
        this.#clients.of(options?.token).start(call);
      } catch (error) {
        reject(toIscepError(error));
      }
    });
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
        timeoutMs: this.#timeoutMs(options),
        signal: options?.signal,
      },
      0,
      options,
    );
  }

  attach(run: string, options: AttachOptions): RunHandle {
    const { offset = 0, output, signal } = options;
    const params = output === false ? { run } : { run, offset };
    return this.#follow({ method: "attach", params, timeoutMs: this.#timeoutMs(options), signal }, offset, options);
  }

  #follow(request: RunRequest, offset: number, options: RunOptions | undefined): WithdrawableRun {
    const { token, stdin, output: wantsOutput = true, detach } = options ?? {};
    const client = this.#clients.of(token);
    // A follower, or a caller of a detached run, ends nothing by leaving.
    const ends = request.method === "call" && detach !== true;
    if (!wantsOutput && stdin === undefined) return new PlainRun(client, request, ends);
    return new FollowedRun(client, request, { offset: wantsOutput ? offset : undefined, stdin, ends });
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

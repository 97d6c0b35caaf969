/** The public calls over version 2. */
import type { CommandDescription } from "../commands/command.js";
import { IscepError } from "../errors.js";
import type { Limits } from "../limits.js";
import type { Outcome } from "../runs/outcome.js";
import { isJsonObject, type JsonObject } from "../wire/json.js";
import { InputSender, type StdinSource } from "./input-sender.js";
import { checkTimeout } from "./call-timeout.js";
import { listPages } from "./list-pages.js";
import type { CallOptions, RunOptions } from "./options.js";
import { outcomeOfError, valueOfOutcome, type RunHandle } from "./run-handle.js";
import { OutputQueue } from "./run-output.js";
import type { CallRequest, PendingCall } from "./pending-call.js";
import type { Speaker } from "./speaker.js";
import type { TokenClients } from "./token-clients.js";

export interface Version2SpeakerOptions {
  readonly clients: TokenClients;
  readonly limits: Limits;
  /** The patience of calls that say nothing of their own. The server's own limit counts for them, so it is not sent. */
  readonly timeoutMs: number;
  /** Whether the user gave it, so that the server is told. */
  readonly timeoutIsGiven: boolean;
}

export class Version2Speaker implements Speaker {
  readonly version = 2;
  readonly #clients: TokenClients;
  readonly #options: Version2SpeakerOptions;

  constructor(options: Version2SpeakerOptions) {
    this.#clients = options.clients;
    this.#options = options;
  }

  call(command: string, args: unknown, options: CallOptions | undefined): Promise<unknown> {
    const more = this.#timeoutMember(options) + keyMember(options?.idempotencyKey);
    return new Promise((resolve, reject) => {
      this.#clients.of(options?.token).start({
        method: "call",
        command,
        args,
        more,
        timeoutMs: this.#timeoutMs(options),
        signal: options?.signal,
        hasKey: options?.idempotencyKey !== undefined,
        resolve: (result) => resolve(valueOf(result)),
        reject: (error, data) => {
          // A script that failed or was killed gives its result all the same, as over version 1.
          if (data["value"] !== undefined) resolve(data["value"]);
          else reject(error);
        },
      });
    });
  }

  run(command: string, args: unknown, options: RunOptions | undefined): RunHandle {
    const { stdin } = options ?? {};
    const more =
      this.#timeoutMember(options) +
      keyMember(options?.idempotencyKey) +
      (options?.detach === true ? ',"detach":true' : "") +
      (stdin === undefined ? "" : ',"stdin":true') +
      ',"output":0';
    return this.#follow(
      { method: "call", command, args, more, hasKey: options?.idempotencyKey !== undefined },
      0,
      options,
      stdin,
    );
  }

  attach(run: string, offset: number, options: CallOptions | undefined): RunHandle {
    return this.#follow({ method: "attach", params: { run, offset } }, offset, options);
  }

  #follow(
    request: Pick<CallRequest, "method" | "command" | "args" | "more" | "params" | "hasKey">,
    offset: number,
    options: CallOptions | undefined,
    stdin?: StdinSource,
  ): RunHandle {
    const client = this.#clients.of(options?.token);
    const { promise: id, resolve: gotId, reject: noId } = withResolvers<string>();
    const { promise: outcome, resolve: ended } = withResolvers<Outcome>();
    // Whoever does not ask for the id is not told that there is none.
    id.catch(() => {});
    const listeners: ((fraction: number, message: string | undefined) => void)[] = [];
    const queueListeners: ((position: number) => void)[] = [];
    const finish = (result: Outcome, end: unknown): void => {
      if (typeof end === "number" && call.output !== undefined) {
        call.output.finish(end);
      } else if (result.status === "lost") call.output?.fail(result.error);
      else call.output?.finish(call.output.position);
      if (call.output?.isWhole !== false) client.drained(call);
      if ("error" in result) noId(result.error);
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
    const call: PendingCall = client.start({
      ...request,
      input,
      timeoutMs: this.#timeoutMs(options),
      signal: options?.signal,
      waitsForCancel: true,
      resolve: (result) => {
        const fields = isJsonObject(result) ? result : {};
        if (typeof fields["run"] === "string") gotId(fields["run"]);
        const exit = typeof fields["exitCode"] === "number" ? { exitCode: fields["exitCode"] } : {};
        const cut = fields["truncated"] === true ? { truncated: true as const } : {};
        queueMicrotask(() =>
          finish({ status: "completed", value: valueOf(result), ...exit, ...cut }, fields["output"]),
        );
      },
      reject: (error, data) => {
        if (typeof data["run"] === "string") gotId(data["run"]);
        const told = data["status"] === "cancelled" ? (inputFailure ?? error) : error;
        // After `start` has returned: a call may be refused before it was sent.
        queueMicrotask(() => finish(outcomeOfError(told, data), data["output"]));
      },
      started: gotId,
      progressed: (fraction, message) => {
        for (const listener of listeners) listener(fraction, message);
      },
      queued: (position) => {
        for (const listener of queueListeners) listener(position);
      },
    });
    call.output = new OutputQueue(
      offset,
      this.#options.limits.streamWindowBytes,
      (bytes) => client.consumed(call, bytes),
      () => client.drained(call),
    );
    const value = outcome.then(valueOfOutcome);
    value.catch(() => {});
    return {
      id,
      outcome,
      value,
      output: call.output,
      onProgress: (listener) => void listeners.push(listener),
      onQueued: (listener) => void queueListeners.push(listener),
      cancel: () => client.cancel(call, new IscepError("cancelled", "the run was cancelled")),
    };
  }

  async cancel(run: string, options: CallOptions | undefined): Promise<void> {
    await this.#request("cancel", { run }, options);
  }

  async runs(run: string | undefined, options: CallOptions | undefined): Promise<unknown> {
    const result = await this.#request("runs", run === undefined ? {} : { run }, options);
    return result["runs"];
  }

  list(options: CallOptions | undefined): Promise<CommandDescription[]> {
    const ask = (after: string | undefined): Promise<unknown> =>
      this.#request("list", after === undefined ? {} : { after }, options);
    return listPages(ask, this.#options.limits.maxJsonKeys);
  }

  async echo(value: unknown, options: CallOptions | undefined): Promise<unknown> {
    return (await this.#request("echo", { value }, options))["value"];
  }

  close(): Promise<void> {
    return this.#clients.close();
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

function valueOf(result: unknown): unknown {
  return isJsonObject(result) ? (result["value"] ?? null) : null;
}

function keyMember(key: string | undefined): string {
  return key === undefined ? "" : `,"idempotencyKey":${JSON.stringify(key)}`;
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

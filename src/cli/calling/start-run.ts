/** Makes a call, from its arguments to an exit code, with a server of either version. */
import type { Client } from "../../client/client.js";
import { IscepError } from "../../errors.js";
import { isScriptResult } from "../../model/script-result.js";
import { defaultLimits } from "../../limits/limits.js";
import { followRun } from "./follow-run.js";
import { sayCancelling } from "../terminal/interrupt.js";
import { printResult, printRunId, type ResultOptions } from "./result-output.js";
import { readStandardInput, standardInputKind, warnOfUnsent, type StandardInputOptions } from "./standard-input.js";
import { TerminalSession } from "./terminal-session.js";
import { surroundings } from "../terminal/surroundings.js";

export interface StartOptions extends ResultOptions, StandardInputOptions {
  readonly detach?: boolean;
  /** The call waits in the queue of a broker. */
  readonly durable?: boolean;
  readonly idempotencyKey?: string;
  /** The instance of a service on a broker. */
  readonly to?: string;
  /** The command says that it reads standard input. */
  readonly takesStandardInput: boolean;
  /** Whether the command's definition says that a part of its output is enough. */
  readonly mayBeCut?: () => Promise<boolean>;
  /** The command runs on a terminal. */
  readonly takesTerminal?: boolean;
  /** The run goes on when nobody reads its output any more. */
  readonly keepRunning?: boolean;
  /** undefined when neither an option nor the environment gives one. */
  readonly timeoutMs: number | undefined;
}

/** @throws IscepError how the call ended, if the run has no exit code of its own */
export async function startRun(
  client: Client,
  name: string,
  args: Readonly<Record<string, unknown>>,
  options: StartOptions,
  signal: AbortSignal,
): Promise<number> {
  const input = standardInputKind(options, options.takesStandardInput);
  const isSent = input !== "none" && options.detach !== true && client.protocol === 2;
  if (!isSent)
    await warnOfUnsent(input, options.detach === true ? "with --detach" : "over version 1 of the protocol", options);
  if (client.protocol === 1) {
    checkVersion1(options);
    const value = await client.call(name, args, { signal, ...(options.to === undefined ? {} : { to: options.to }) });
    // Only discovery says whether a part of the output is enough.
    const mayBeCut = isScriptResult(value) && value.truncated && (await options.mayBeCut?.()) === true;
    return printResult(value, options, undefined, mayBeCut);
  }
  const session = mayHoldTerminal(options) ? new TerminalSession({ raw: options.raw === true }) : undefined;
  const traceparent = surroundings().env["TRACEPARENT"] ?? "";
  const run = client.run(name, args, {
    signal,
    ...(traceparent === "" ? {} : { traceparent }),
    timeoutMs: options.timeoutMs ?? defaultLimits.followTimeoutMs,
    ...(options.to === undefined ? {} : { to: options.to }),
    ...(options.detach === true ? { detach: true } : {}),
    ...(options.idempotencyKey === undefined ? {} : { idempotencyKey: options.idempotencyKey }),
    ...(session === undefined
      ? isSent
        ? { stdin: readStandardInput() }
        : {}
      : { stdin: session.input, terminal: session.shape }),
  });
  if (options.detach === true) {
    await printRunId(await run.id, options);
    return 0;
  }
  signal.addEventListener("abort", sayCancelling, { once: true });
  session?.follow(run);
  return followRun(run, { ...options, session, whenUnread: options.keepRunning === true ? undefined : "cancel" });
}

/** A person types into the run, and sees what it shows, as under `docker exec -it`. */
function mayHoldTerminal({ takesTerminal, stdin, detach, json }: StartOptions): boolean {
  const { stdin: keys, stdout } = surroundings();
  const isOnTerminal = keys.isTTY === true && stdout.isTTY === true;
  return takesTerminal === true && isOnTerminal && stdin !== false && detach !== true && json !== true;
}

function checkVersion1(options: StartOptions): void {
  const given = [
    ...(options.detach === true ? ["--detach"] : []),
    ...(options.idempotencyKey === undefined ? [] : ["--idempotency-key"]),
    ...(options.stdin === true ? ["--stdin"] : []),
  ];
  if (given.length === 0) return;
  throw new IscepError(
    "protocol",
    `${given.join(" and ")} ${given.length === 1 ? "needs" : "need"} version 2 of the protocol, and this connection speaks version 1`,
  );
}

/** Calls a command for a tool, and answers in time: with the result, or with the run's id. */
import { randomUUID } from "node:crypto";
import { TRACEPARENT_META_KEY, type CallToolResult, type ServerContext } from "@modelcontextprotocol/server";
import type { Client } from "../../client/client.js";
import { IscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import { follow } from "./follow.js";
import { callFingerprint, type GivenUpCalls } from "./given-up.js";
import { ProgressReports } from "./progress.js";
import { endedResult, errorResult, runningResult, textResult } from "./results.js";
import { recordOf } from "./run-record.js";
import { ShownOutput } from "./shown-output.js";

/** With this in `_meta`, a program chooses the idempotency key of its call. */
export const keyMetaKey = "iscep/idempotencyKey";

/** Who calls, and how. */
export interface ToolCaller {
  readonly client: Client;
  readonly limits: Limits;
  /** The token of the caller, where the door serves many. */
  readonly token?: string | undefined;
  /** Where calls are found again whose client went away. undefined where a client that goes away ends the door. */
  readonly givenUp?: GivenUpCalls | undefined;
}

export async function callCommand(
  caller: ToolCaller,
  command: string,
  args: Readonly<Record<string, unknown>>,
  context: ServerContext,
): Promise<CallToolResult> {
  const { client, limits, givenUp } = caller;
  const { signal, _meta } = context.mcpReq;
  const fingerprint = callFingerprint(caller.token, command, args);
  const chosen = _meta?.[keyMetaKey];
  const key = typeof chosen === "string" ? chosen : ((await earlierKey(caller, fingerprint)) ?? `mcp-${randomUUID()}`);
  // The command's own timeout counts.
  const traceparent = _meta?.[TRACEPARENT_META_KEY];
  const options = {
    idempotencyKey: key,
    timeoutMs: limits.followTimeoutMs,
    ...(typeof traceparent === "string" ? { traceparent } : {}),
  };
  const handle = client.run(command, args, options);
  const output = new ShownOutput(0, limits.maxMcpTextBytes);
  const progress = ProgressReports.of(context, limits, () => output.lastLine);
  const followed = await follow(handle, { output, waitMs: limits.mcpAnswerMs, signal, progress });
  // A client whose connection broke may come back, and its run has the grace of any caller. With the connection goes the
  // client of this server, which may tell of it first.
  const isLost = followed.kind === "ended" && followed.outcome.status === "lost";
  if (isLost || (followed.kind === "aborted" && !wasCancelled(signal, caller))) {
    givenUp?.remember(fingerprint, { key }, performance.now());
  }
  if (followed.kind === "aborted") {
    if (wasCancelled(signal, caller)) handle.cancel();
    return textResult();
  }
  if (followed.kind === "ended") {
    const run = await handle.id.catch(() => undefined);
    return endedResult(followed.outcome, { run, output, outputError: followed.outputError }, limits.maxMcpTextBytes);
  }
  const run = await soon(handle.id, limits.mcpIdMs);
  if (run === undefined) return errorResult(new IscepError("lost", "the server has not said yet whether it runs"));
  // Until here the run needed its caller. From now on it goes on without one. A client whose connection broke tells the
  // server so when it is back.
  await soon(client.run(command, args, { ...options, detach: true }).id, limits.mcpIdMs);
  // The connection may be dead without a sign, and then this answer is lost.
  givenUp?.remember(fingerprint, { key, told: run }, performance.now());
  return runningResult({ run, output });
}

/** undefined when it takes longer. */
async function soon<Value>(promise: Promise<Value>, ms: number): Promise<Value | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The idempotency key of a call that was given up, and that this one repeats. */
async function earlierKey({ client, givenUp }: ToolCaller, fingerprint: string): Promise<string | undefined> {
  const earlier = givenUp?.take(fingerprint, performance.now());
  if (earlier?.told === undefined) return earlier?.key;
  // A run that is gone does not go on.
  const record = await recordOf(client, earlier.told).catch(() => undefined);
  return record?.status === "running" ? earlier.key : undefined;
}

/**
 * Over HTTP, only the end of a connection can abort a request: no other message can be told to belong to it. On
 * standard input and output, the end of the connection has an error as its reason, and a cancel what the client said.
 */
function wasCancelled({ reason }: AbortSignal, { givenUp }: ToolCaller): boolean {
  return givenUp === undefined && !(reason instanceof Error && "code" in reason && reason.code === "CONNECTION_CLOSED");
}

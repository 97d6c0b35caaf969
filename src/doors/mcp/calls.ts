/** Calls a command for a tool, and answers in time: with the result, or with the run's id. */
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { TRACEPARENT_META_KEY, type CallToolResult, type ServerContext } from "@modelcontextprotocol/server";
import { within } from "../../waiting/within.js";
import { systemCodeOf } from "../../files/system-code.js";
import type { Client } from "../../client/client.js";
import type { RunHandle } from "../../client/protocol/run-handle.js";
import { toIscepError, type ErrorCode } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import { follow } from "./follow.js";
import { callFingerprint, type GivenUpCalls } from "./given-up.js";
import { ProgressReports } from "./progress.js";
import { endedResult, runningResult, textResult, unknownResult } from "./results.js";
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
  /** Finds calls again whose client went away. undefined where a client that goes away ends the door. */
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
  const fingerprint = await fingerprintOf(caller, command, args);
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
  const followed = await follow(handle, { output, waitMs: limits.mcpAnswerMs, idMs: limits.mcpIdMs, signal, progress });
  // A client whose connection broke may come back, and its run has the grace of any caller. The client of this server
  // is closed with the connection, and may then tell `lost` first.
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
  if (followed.kind === "unknown") return unknownResult();
  const { run } = followed;
  await within(
    letGo(handle, () => client.run(command, args, { ...options, detach: true }), limits),
    limits.mcpIdMs,
  );
  // The connection may be dead without a sign, and then this answer is lost.
  givenUp?.remember(fingerprint, { key, told: run }, performance.now());
  return runningResult({ run, output });
}

/**
 * Until now the run needed its caller; from here on it goes on without one. A client whose connection broke tells the
 * server this when it is back, and `handle` holds the run until then. Not being able to tell it says nothing about the
 * run, so this never rejects.
 */
async function letGo(handle: RunHandle, detached: () => RunHandle, limits: Limits): Promise<void> {
  const state = { isOver: false };
  void handle.outcome.then(() => (state.isOver = true));
  while (!state.isOver) {
    try {
      await detached().id;
      return;
    } catch (error) {
      if (!unreached.has(toIscepError(error).code)) return;
      // New calls fail with each attempt to connect, and no faster than these follow each other.
      await pause(limits.reconnectMinDelayMs, undefined, { ref: false });
    }
  }
}

/** With these, the call may not have come to the server. */
const unreached: ReadonlySet<ErrorCode> = new Set(["connect_failed", "timeout", "busy"]);

/** The owner is part of it, because a caller may be known by a certificate and have no token. */
async function fingerprintOf({ client, token, givenUp }: ToolCaller, command: string, args: unknown): Promise<string> {
  if (givenUp === undefined) return "";
  const { owner } = await client.whoAmI();
  return callFingerprint({ owner, token }, command, args);
}

/** The idempotency key of a call that was given up, and that this one repeats. */
async function earlierKey({ client, givenUp }: ToolCaller, fingerprint: string): Promise<string | undefined> {
  const earlier = givenUp?.take(fingerprint, performance.now());
  if (earlier?.told === undefined) return earlier?.key;
  // A run that cannot be found is over.
  const record = await recordOf(client, earlier.told).catch(() => undefined);
  return record?.status === "running" ? earlier.key : undefined;
}

/**
 * Over HTTP, only the end of a connection can abort a request: no other message can be known to belong to it. On
 * standard input and output, the end of the connection has an error as its reason, and a cancel what the client said.
 */
function wasCancelled({ reason }: AbortSignal, { givenUp }: ToolCaller): boolean {
  return givenUp === undefined && systemCodeOf(reason) !== "CONNECTION_CLOSED";
}

/** What the tools that belong to no command do. */
import type { CallToolResult, ServerContext } from "@modelcontextprotocol/server";
import type { Client } from "../../client/client.js";
import { IscepError } from "../../errors.js";
import { isScriptResult } from "../../model/script-result.js";
import type { RunRecord } from "../../model/run-record.js";
import type { ToolCaller } from "./calls.js";
import { follow } from "./follow.js";
import { stopFollowing } from "./held-runs.js";
import { modelLine, modelText } from "./model-text.js";
import { ownArguments, type OwnToolName } from "./own-tools.js";
import { ProgressReports } from "./progress.js";
import { recordOf } from "./run-record.js";
import { cutText, endedResult, runningResult, textOfValue, textResult, unknownResult } from "./results.js";
import { ShownOutput, withoutCutCharacter, withoutPartAtStart } from "./shown-output.js";

/** @throws IscepError `invalid_arguments`, `run_not_found`, and whatever a call of the client throws */
export async function callOwnTool(
  name: OwnToolName,
  given: unknown,
  caller: ToolCaller,
  context: ServerContext,
): Promise<CallToolResult> {
  switch (name) {
    case "run_wait":
      return wait(await ownArguments(name, given), caller, context);
    case "run_output":
      return read(await ownArguments(name, given), caller);
    case "run_list":
      return list(await ownArguments(name, given), caller);
    case "run_cancel":
      return cancel(await ownArguments(name, given), caller);
    default:
      return name;
  }
}

async function cancel({ run }: { readonly run: string }, { client }: ToolCaller): Promise<CallToolResult> {
  await client.cancel(run);
  return textResult(`The run ${run} was told to stop. run_wait ${JSON.stringify({ run })} tells how it ends.`);
}

/** A client that goes away, or that cancels this, ends only the wait. */
async function wait(
  { run, offset }: { readonly run: string; readonly offset: number },
  { client, limits }: ToolCaller,
  context: ServerContext,
): Promise<CallToolResult> {
  const handle = client.attach(run, { offset, timeoutMs: limits.followTimeoutMs });
  const output = new ShownOutput(offset, limits.maxMcpTextBytes);
  const progress = ProgressReports.of(context, limits, () => output.lastLine);
  const { signal } = context.mcpReq;
  const followed = await follow(handle, { output, waitMs: limits.mcpAnswerMs, idMs: limits.mcpIdMs, signal, progress });
  if (followed.kind !== "ended") {
    stopFollowing(client, run, handle, limits.followTimeoutMs);
    return followed.kind === "unknown" ? unknownResult() : runningResult({ run, output });
  }
  const { outcome, outputError } = followed;
  // There is no such run, or this caller may not see it.
  if (outcome.status === "rejected") throw outcome.error;
  return endedResult(outcome, { run, output, outputError }, limits.maxMcpTextBytes);
}

interface Part {
  readonly run: string;
  readonly offset: number;
  readonly part: "output" | "value";
}

async function read({ run, offset, part }: Part, { client, limits }: ToolCaller): Promise<CallToolResult> {
  const record = await recordOf(client, run);
  return part === "value"
    ? readValue(client, record, offset, limits.maxMcpTextBytes)
    : readOutput(client, record, offset, limits);
}

async function readOutput(
  client: Client,
  { run, outputBytes, status }: RunRecord,
  offset: number,
  { maxMcpTextBytes: maxBytes, followTimeoutMs: timeoutMs }: ToolCaller["limits"],
): Promise<CallToolResult> {
  const isOver = status !== "running";
  const from = offset < 0 ? Math.max(0, outputBytes + offset) : offset;
  if (from > outputBytes)
    throw new IscepError("invalid_arguments", `the run has ${outputBytes} bytes of output so far`);
  const until = Math.min(outputBytes, from + maxBytes);
  const pieces: Uint8Array[] = [];
  let end = from;
  if (from < until) {
    const handle = client.attach(run, { offset: from, timeoutMs });
    for await (const { bytes } of handle.output) {
      pieces.push(bytes.subarray(0, until - end));
      end = Math.min(until, end + bytes.length);
      if (end >= until) break;
    }
    if (!isOver) stopFollowing(client, run, handle, timeoutMs);
  }
  const all = withoutPartAtStart(Buffer.concat(pieces));
  const shown = isOver && until === outputBytes ? all : withoutCutCharacter(all);
  const next = end - (all.length - shown.length);
  const more = JSON.stringify({ run, offset: next });
  const place = `Bytes ${from} to ${next} of ${outputBytes}${isOver ? "" : " so far"}.`;
  const rest =
    next < outputBytes
      ? `run_output ${more} goes on there.`
      : isOver
        ? "This is the end."
        : `The run still goes on: run_wait ${more} waits for more.`;
  return textResult(...(shown.length === 0 ? [] : [modelText(shown.toString("utf8"))]), `${place} ${rest}`);
}

async function readValue(
  client: Client,
  { run, status }: RunRecord,
  offset: number,
  maxBytes: number,
): Promise<CallToolResult> {
  if (status === "running") throw new IscepError("invalid_arguments", "the run still goes on, and has no value yet");
  const outcome = await client.attach(run).outcome;
  if ("valueError" in outcome && outcome.valueError !== undefined) throw outcome.valueError;
  const value = "value" in outcome ? outcome.value : undefined;
  if (value === undefined || isScriptResult(value)) return textResult("It has no value beside its output.");
  const whole = textOfValue(value);
  const from = offset < 0 ? Math.max(0, Buffer.byteLength(whole) + offset) : offset;
  const { text, next, leftOutBytes } = cutText(whole, maxBytes, from);
  const rest =
    leftOutBytes > 0
      ? `${leftOutBytes} bytes are left: run_output ${JSON.stringify({ run, part: "value", offset: next })} goes on there.`
      : "This is the end.";
  return textResult(text, rest);
}

async function list(
  {
    command,
    status,
    limit,
  }: {
    readonly command?: string | undefined;
    readonly status?: RunRecord["status"] | undefined;
    readonly limit: number;
  },
  { client }: ToolCaller,
): Promise<CallToolResult> {
  const { runs } = await client.runs({
    limit,
    ...(command === undefined ? {} : { command }),
    ...(status === undefined ? {} : { status }),
  });
  if (runs.length === 0) return textResult("There is no such run.");
  return textResult(runs.map(lineOf).join("\n"));
}

function lineOf({ run, command, status, startedAtMs, endedAtMs, exitCode, code, outputBytes }: RunRecord): string {
  const facts = [
    status,
    ...(code === undefined || code === status ? [] : [code]),
    ...(exitCode === undefined ? [] : [`exit code ${exitCode}`]),
    `started ${new Date(startedAtMs).toISOString()}`,
    ...(endedAtMs === undefined ? [] : [`took ${((endedAtMs - startedAtMs) / 1_000).toFixed(1)} s`]),
    `${outputBytes} bytes of output`,
  ];
  return `${run} ${modelLine(command)}: ${facts.join(", ")}`;
}

/** Calls a command at all instances of a service: their output line by line, and then a table of their outcomes. */
import type { Client } from "../../client/client.js";
import type { InstanceOutcome, InstanceRun } from "../../client/protocol/instances.js";
import { errorTable, IscepError } from "../../errors.js";
import { defaultLimits } from "../../limits/limits.js";
import type { Outcome } from "../../model/outcome.js";
import { isScriptResult } from "../../model/script-result.js";
import { visibleLine } from "../../text/visible-text.js";
import { alignColumns } from "../arguments/table.js";
import { exitCodeOfSignal, sayCancelling } from "../terminal/interrupt.js";
import { outputIsRead, print, styled } from "../terminal/streams.js";
import { surroundings } from "../terminal/surroundings.js";
import { LabelledOutput } from "./labelled-output.js";
import { durationText } from "./run-table.js";
import type { StartOptions } from "./start-run.js";

interface Ended {
  readonly told: InstanceOutcome;
  readonly durationMs: number;
}

/** Returns 0 only if all completed; else the exit code of those that did not, or 1 when they have several. */
export async function callAll(
  client: Client,
  name: string,
  args: Readonly<Record<string, unknown>>,
  options: StartOptions,
  signal: AbortSignal,
): Promise<number> {
  checkOptions(options);
  const startedMs = performance.now();
  const every = client.all(name, args, {
    signal,
    timeoutMs: options.timeoutMs ?? defaultLimits.followTimeoutMs,
    // With false, the values of scripts have all of their output.
    output: options.json !== true,
    ...(options.idempotencyKey === undefined ? {} : { idempotencyKey: options.idempotencyKey }),
  });
  signal.addEventListener("abort", sayCancelling, { once: true });
  // JSON is printed when all have ended.
  const mayBeLeft = options.json !== true && options.keepRunning !== true;
  const isLeft = (): boolean => mayBeLeft && !outputIsRead();
  const stopsWhenLeft = (): boolean => {
    if (isLeft()) every.cancel();
    return isLeft();
  };
  const following = options.json === true ? [] : (await every.runs).map((run) => follow(run, options, stopsWhenLeft));
  const ended: Ended[] = [];
  for await (const told of every) ended.push({ told, durationMs: performance.now() - startedMs });
  await Promise.all(following);
  if (isLeft()) return exitCodeOfSignal("SIGPIPE");
  ended.sort((a, b) => (a.told.instance < b.told.instance ? -1 : 1));
  if (options.json === true) await print(`${JSON.stringify(ended.map(jsonOf))}\n`);
  else await printTable(ended);
  const codes = new Set(ended.map(({ told }) => exitCodeOf(told.outcome)).filter((code) => code !== 0));
  const [code = 0] = codes;
  return codes.size > 1 ? errorTable.failed.exitCode : code;
}

/** @throws IscepError `usage` */
function checkOptions({ detach, durable, stdin, to }: StartOptions): void {
  const given = { "--detach": detach === true, "--durable": durable === true, "--stdin": stdin === true };
  const [other] = Object.entries({ ...given, "--to": to !== undefined }).find(([, isGiven]) => isGiven) ?? [];
  if (other !== undefined)
    throw new IscepError("usage", `--all and ${other} do not go together; leave one of them out`);
}

/** When output is lost with its instance, the outcome tells so. */
async function follow({ instance, run }: InstanceRun, options: StartOptions, stops: () => boolean): Promise<void> {
  const output = new LabelledOutput(visibleLine(instance), options.raw === true);
  try {
    for await (const chunk of run.output) {
      await output.take(chunk);
      if (stops()) break;
    }
  } catch {
    return;
  } finally {
    await output.end();
  }
}

async function printTable(ended: readonly Ended[]): Promise<void> {
  const rows = ended.map(({ told: { instance, outcome }, durationMs }) => [
    visibleLine(instance),
    statusText(outcome),
    durationText(durationMs),
    resultText(outcome),
  ]);
  const [header = "", ...lines] = alignColumns([["INSTANCE", "OUTCOME", "TIME", "RESULT"], ...rows]);
  await print(`${[styled(surroundings().stdout, "bold", header), ...lines].join("\n")}\n`);
}

/** `failed (exit code 3)`, `killed (SIGKILL)`, `rejected (busy)`. */
function statusText(outcome: Outcome): string {
  const { status } = outcome;
  if (status === "killed") return `killed (${visibleLine(outcome.signal)})`;
  if (status === "failed" && outcome.exitCode !== undefined) return `failed (exit code ${outcome.exitCode})`;
  return status === "rejected" ? `rejected (${outcome.error.code})` : status;
}

const mostResultCharacters = 200;

/** The output of scripts was shown. */
function resultText(outcome: Outcome): string {
  if ("error" in outcome) return shortened(outcome.error.message);
  const { value } = outcome;
  if (value === null || value === undefined || isScriptResult(value)) return "";
  return shortened(typeof value === "string" ? value : JSON.stringify(value));
}

function shortened(text: string): string {
  const line = visibleLine(text);
  return line.length > mostResultCharacters ? `${line.slice(0, mostResultCharacters)}…` : line;
}

function jsonOf({ told: { instance, run, outcome, value } }: Ended): object {
  return {
    instance,
    ...(run === undefined ? {} : { run }),
    status: outcome.status,
    ...("exitCode" in outcome && outcome.exitCode !== undefined ? { exitCode: outcome.exitCode } : {}),
    ...("signal" in outcome ? { signal: outcome.signal } : {}),
    ...(value === undefined ? {} : { value }),
    ...("error" in outcome ? { code: outcome.error.code, message: outcome.error.message } : {}),
  };
}

function exitCodeOf(outcome: Outcome): number {
  if (outcome.status === "completed") return outcome.exitCode ?? 0;
  if (outcome.status === "killed") return exitCodeOfSignal(outcome.signal);
  // A script whose success codes are without 0 can fail with 0.
  return ("exitCode" in outcome ? outcome.exitCode : 0) || outcome.error.exitCode;
}

/** Follows a run from its first byte of output to its outcome, for a person or a pipe. */
import type { RunHandle } from "../../client/protocol/run-handle.js";
import { IscepError } from "../../errors.js";
import { defaultLimits } from "../../limits/limits.js";
import { outputChangesOf, type Outcome } from "../../model/outcome.js";
import { isScriptResult } from "../../model/script-result.js";
import { CollectedOutput } from "./collected-output.js";
import { exitCodeOfSignal } from "../terminal/interrupt.js";
import { LiveOutput, type OutputTarget } from "./live-output.js";
import { ProgressBar } from "../terminal/progress-bar.js";
import { reportError, withHint } from "../terminal/report.js";
import { printResult, printValue, type ResultOptions } from "./result-output.js";
import { outputIsRead, warn } from "../terminal/streams.js";
import { surroundings } from "../terminal/surroundings.js";

export interface FollowOptions extends ResultOptions {
  /** The offset from which the output is followed. Output before it is not shown from the result either. */
  readonly offset?: number;
  /**
   * What happens when nobody reads the output any more: `leave` ends with 0, whatever becomes of the run, and `cancel`
   * cancels it and ends as a program does that SIGPIPE ended. undefined: the run goes on, and has its own exit code.
   */
  readonly whenUnread?: "leave" | "cancel" | undefined;
  /** True when a person types into the run, so that there is no place for progress. */
  readonly stdin?: boolean;
  /** The terminal belongs to the run. */
  readonly session?: OutputTarget | undefined;
}

/**
 * Shows the output as it comes, and then the value. Returns the exit code.
 * @throws IscepError the outcome's error, if there is nothing else to show
 */
export async function followRun(run: RunHandle, options: FollowOptions): Promise<number> {
  const progress = new ProgressBar();
  const isTypedInto = options.session !== undefined || (options.stdin === true && surroundings().stdin.isTTY === true);
  if (options.quiet !== true && !isTypedInto) {
    run.onProgress((fraction, message) => progress.update(fraction, message));
    run.onQueued((position) => progress.wait(position));
  }
  const output =
    options.json === true
      ? new CollectedOutput(defaultLimits.maxCollectedOutputBytes)
      : (options.session ?? new LiveOutput({ raw: options.raw === true }));
  const { isLeft, fault } = await takeAll(run, output, options.whenUnread !== undefined);
  if (isLeft && options.whenUnread === "leave") return 0;
  if (isLeft) run.cancel();
  const outcome = await run.outcome;
  progress.end();
  if (isLeft) return exitCodeOfSignal("SIGPIPE");
  if (fault !== undefined && outcome.status !== "lost") throw outputLost(outcome, fault);
  return printOutcome(outcome, output, options);
}

interface Taken {
  readonly isLeft: boolean;
  /** Why the output ended before it was complete. */
  readonly fault?: unknown;
}

async function takeAll(run: RunHandle, output: OutputTarget, leavesUnread: boolean): Promise<Taken> {
  try {
    for await (const chunk of run.output) {
      await output.take(chunk);
      if (leavesUnread && !outputIsRead()) return { isLeft: true };
    }
    return { isLeft: false };
  } catch (error) {
    return { isLeft: false, fault: error };
  } finally {
    await output.end();
  }
}

/** A person who writes the output to a file must learn that it is not complete. */
function outputLost({ status }: Outcome, cause: unknown): IscepError {
  return new IscepError("lost", `the run ended (${status}), and the rest of its output was lost with the connection`, {
    cause,
  });
}

async function printOutcome(outcome: Outcome, output: OutputTarget, options: FollowOptions): Promise<number> {
  const exitCode = "exitCode" in outcome ? outcome.exitCode : undefined;
  const { truncated: isCut = false, masked = false } = outputChangesOf(outcome);
  // This is said with --quiet too, because what was shown is not what the script printed.
  if (isCut && outcome.status === "completed" && options.json !== true)
    await warn("the script printed more than it may; the rest of its output was dropped");
  if (masked && options.quiet !== true)
    await warn("*** in the output stands for a secret; `mask: false` in the command's definition leaves data as it is");
  if ("value" in outcome && outcome.value !== undefined) {
    const { value } = outcome;
    if (isScriptResult(value)) {
      const shown =
        output instanceof CollectedOutput
          ? await printResult(withAllOutput(value, output, isCut, options), options, output, isCut)
          : await printResult(value, options, (options.offset ?? 0) > 0 ? { bytesOf: () => 1 } : output, isCut);
      if (shown !== 0 || !("error" in outcome)) return shown;
      // A script whose success codes are without 0 can fail with 0, and its output need not show it.
      if (options.json !== true) await reportError(outcome.error, { json: false });
      return outcome.error.exitCode;
    }
    if (options.json === true) await printResult(value, options);
    // The value of a script was made from its standard output, which has been shown.
    else if (exitCode === undefined || output.bytesOf("stdout") === 0) await printValue(value, options);
    if (outcome.status !== "killed") return exitCode ?? 0;
    return exitCodeOfSignal(outcome.signal);
  }
  if (outcome.status === "completed") {
    // The value of a script was made from its output, which has been shown.
    if (outcome.valueError !== undefined && (exitCode === undefined || options.json === true)) throw outcome.valueError;
    if (options.json === true) await printResult(null, options);
    return exitCode ?? 0;
  }
  if (outcome.status === "lost") throw withHint(outcome.error, "`iscep runs` shows what the server knows of it");
  const code = outcome.status === "killed" ? exitCodeOfSignal(outcome.signal) : exitCode;
  if (code === undefined) throw outcome.error;
  await reportError(outcome.error, { json: options.json === true });
  return code || outcome.error.exitCode;
}

/** When the output was large, the result holds less than what was followed. */
function withAllOutput<Result extends { readonly truncated: boolean }>(
  result: Result,
  output: CollectedOutput,
  isCut: boolean,
  options: FollowOptions,
): Result {
  if (!result.truncated || !output.isWhole || (options.offset ?? 0) > 0) return result;
  return { ...result, stdout: output.textOf("stdout"), stderr: output.textOf("stderr"), truncated: isCut };
}

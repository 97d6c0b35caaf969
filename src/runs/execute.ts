/**
 * Executes a command as a function, in a thread, or as a process. Its arguments have been checked, and it has its
 * place.
 */
import type { ArgumentPaths, FunctionCommand } from "../model/command.js";
import { IscepError, isIscepError, toIscepError } from "../errors.js";
import type { Limits } from "../limits/limits.js";
import { failed, rejected, stopped } from "./run/endings.js";
import type { Outcome, RunOutcome } from "../model/outcome.js";
import { settle } from "./run/settle.js";
import type { NewPaths } from "./new-paths.js";
import { runScript } from "./script/run-script.js";
import type { Work } from "./run/work.js";
import { WorkContext } from "./run/work-context.js";
import type { ThreadPool } from "./thread/pool.js";

export interface ExecutionPlaces {
  readonly threads: ThreadPool;
  readonly limits: Limits;
  readonly newPaths: NewPaths;
}

/**
 * Never throws, and the promise never rejects. A function that ends within its call has its outcome at once. Otherwise
 * the promise resolves when the work has really ended, which may be after the run was stopped.
 */
export function execute(work: Work, places: ExecutionPlaces): RunOutcome | Promise<RunOutcome> {
  const result = run(work, places);
  const { limits } = places;
  return result instanceof Promise ? result.then((outcome) => settle(outcome, limits)) : settle(result, limits);
}

function run(work: Work, places: ExecutionPlaces): Outcome | Promise<Outcome> {
  return work.command.paths === undefined ? begin(work, places) : beginWithPaths(work, work.command.paths, places);
}

async function beginWithPaths(work: Work, paths: ArgumentPaths, places: ExecutionPlaces): Promise<Outcome> {
  const giveBack = places.newPaths.take(paths.newPaths(work.args));
  if (giveBack === undefined) {
    const message = "another run that is under way makes the same new path; call again when it has ended";
    return rejected(new IscepError("busy", message));
  }
  try {
    const check = await paths.checkAgain(work.args);
    if (!check.ok) return rejected(new IscepError("invalid_arguments", check.message));
    // The run may have been stopped meanwhile.
    const { abortReason } = work;
    return abortReason === undefined ? await begin(work, places) : stopped(abortReason);
  } catch (error) {
    return failed(toIscepError(error));
  } finally {
    giveBack();
  }
}

function begin(work: Work, places: ExecutionPlaces): Outcome | Promise<Outcome> {
  const { command, args, first } = work;
  if (command.kind === "function") return callFunction(work, command, args, places.threads);
  return runScript(command, args, {
    runId: first.id,
    traceparent: first.trace?.traceparent,
    signal: work.signal,
    limits: places.limits,
    input: first.input,
    terminal: first.terminal,
    output: work,
    progress: (fraction, message) => work.progress({ fraction, message }),
  }).catch((error: unknown) => failed(toIscepError(error)));
}

function callFunction(
  work: Work,
  command: FunctionCommand,
  args: unknown,
  threads: ThreadPool,
): Outcome | Promise<Outcome> {
  const context = new WorkContext(work);
  try {
    const { trace } = work.first;
    const result =
      trace === undefined
        ? calledWith(command, args, context, threads)
        : trace.within(() => calledWith(command, args, context, threads));
    if (!isThenable(result)) return completed(result);
    // A thenable that is no real promise may throw, or settle twice. A promise made from it does neither.
    return Promise.resolve(result).then(completed, (error: unknown) => outcomeOfThrown(work, error));
  } catch (error) {
    return outcomeOfThrown(work, error);
  }
}

function calledWith(command: FunctionCommand, args: unknown, context: WorkContext, threads: ThreadPool): unknown {
  return command.threadModule === undefined ? command.run(args, context) : threads.run(command, args, context);
}

function completed(value: unknown): Outcome {
  return { status: "completed", value };
}

/** The text of an exception is not sent, unless the command threw an IscepError, which is meant for the caller. */
function outcomeOfThrown({ first: { id } }: Work, thrown: unknown): Outcome {
  const error = isIscepError(thrown)
    ? thrown
    : new IscepError("failed", `the command failed; the server's error.log has the reason, under run ${id}`, {
        cause: thrown,
      });
  return error.code === "killed" ? { status: "killed", error, signal: "SIGKILL" } : failed(error);
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

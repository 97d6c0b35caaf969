/** Executes a command whose arguments have been checked and that has its place: a function, a thread, or a process. */
import type { Command, FunctionCommand } from "../model/command.js";
import { IscepError, isIscepError, toIscepError } from "../errors.js";
import type { Limits } from "../limits/limits.js";
import { failed, rejected } from "./run/endings.js";
import type { Outcome } from "../model/outcome.js";
import { runScript } from "./script/run-script.js";
import type { Run } from "./run/run.js";
import type { ThreadPool } from "./thread/pool.js";

export interface ExecutionPlaces {
  readonly threads: ThreadPool;
  readonly limits: Limits;
}

/**
 * Never throws, and the promise never rejects. A function that is over within its call has its outcome at once; the
 * promise of any other resolves when its work has really ended, which may be after its run was stopped.
 */
export function execute(
  run: Run,
  command: Command,
  args: unknown,
  places: ExecutionPlaces,
): Outcome | Promise<Outcome> {
  if (command.paths === undefined) return begin(run, command, args, places);
  return command.paths.checkAgain(args).then(
    (check) => {
      if (!check.ok) return rejected(new IscepError("invalid_arguments", check.message));
      // It may have been stopped meanwhile.
      return run.outcome ?? begin(run, command, args, places);
    },
    (error: unknown) => failed(toIscepError(error)),
  );
}

function begin(run: Run, command: Command, args: unknown, places: ExecutionPlaces): Outcome | Promise<Outcome> {
  if (command.kind === "function") return callFunction(run, command, args, places.threads);
  const { id: runId, timeoutMs, signal, input, output } = run;
  return runScript(command, args, {
    runId,
    timeoutMs,
    signal,
    limits: places.limits,
    input,
    output,
    progress: (fraction, message) => run.progress(fraction, message),
  }).catch((error: unknown) => failed(toIscepError(error)));
}

function callFunction(
  run: Run,
  command: FunctionCommand,
  args: unknown,
  threads: ThreadPool,
): Outcome | Promise<Outcome> {
  try {
    const result =
      command.threadModule === undefined ? command.run(args, run.context) : threads.run(command, args, run.context);
    if (!isThenable(result)) return completed(result);
    // A thenable of its own making may throw, or settle twice; a promise made of it does neither.
    return Promise.resolve(result).then(completed, (error: unknown) => outcomeOfThrown(run, error));
  } catch (error) {
    return outcomeOfThrown(run, error);
  }
}

function completed(value: unknown): Outcome {
  return { status: "completed", value };
}

/** The text of an exception stays here, unless the command threw an IscepError: that is meant for the caller. */
function outcomeOfThrown(run: Run, thrown: unknown): Outcome {
  const error = isIscepError(thrown)
    ? thrown
    : new IscepError("failed", `the command failed; the server's error.log has the reason, under run ${run.id}`, {
        cause: thrown,
        details: { runId: run.id },
      });
  return error.code === "killed" ? { status: "killed", error, signal: "SIGKILL" } : failed(error);
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

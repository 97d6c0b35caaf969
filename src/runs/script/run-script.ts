import type { ScriptCommand, ScriptInvocation } from "../../model/command.js";
import { onTerminal, usualShape } from "../../commands/script/terminal.js";
import { checkStillClosed } from "../../commands/script/program.js";
import { IscepError, toIscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import type { RunInput } from "../streams/input.js";
import type { RunTerminal } from "../streams/terminal.js";
import type { Outcome } from "../../model/outcome.js";
import { openRunGroup, type RunGroup } from "./cgroup.js";
import { startInOwnGroup, type StartedProgram } from "./start.js";
import { feedProgram } from "./input.js";
import { asStopReason, ProcessWatch, type ProcessEnd, type ProcessWatchOptions } from "./watch.js";
import type { ProgressListener } from "./progress-lines.js";
import { outcomeOfScript } from "./outcome.js";
import { ScriptOutput, type LiveOutput } from "./output.js";
import { notStarted } from "./start-fault.js";
import { followSize } from "./terminal-size.js";

export interface ScriptRunOptions extends ProcessWatchOptions {
  readonly limits: Limits;
  /** Its standard input. Without it, there is nothing to read. */
  readonly input?: RunInput | undefined;
  /** The terminal of its caller, for a script that runs on one. */
  readonly terminal?: RunTerminal | undefined;
  readonly output?: LiveOutput | undefined;
  /** The script gets this as TRACEPARENT. */
  readonly traceparent?: string | undefined;
  readonly progress?: ProgressListener | undefined;
}

/**
 * Runs a program to its end, and never rejects. When the outcome is there, its pipes are closed. After a timeout or a
 * cancel, everything that it started has ended too.
 */
export async function runScript(command: ScriptCommand, args: unknown, options: ScriptRunOptions): Promise<Outcome> {
  const { signal, runId, limits, traceparent } = options;
  if (signal.aborted) return stopped(signal.reason);
  let invocation: ScriptInvocation;
  try {
    invocation = command.invocation(args);
  } catch (error) {
    return {
      status: "rejected",
      error: toIscepError(error, "internal", `the arguments of "${command.name}" could not be placed: `),
    };
  }
  const startedAtMs = performance.now();
  const maxBytes = command.maxOutputBytes ?? limits.maxScriptOutputBytes;
  let watched: ProcessWatch | undefined;
  let tooMuch: IscepError | undefined;
  const output = new ScriptOutput({
    maxBytes,
    full: () => {
      if (command.whenOutputIsFull !== "kill") return;
      const message = `the script "${command.name}" printed more than the ${maxBytes} bytes that it may, and was ended`;
      tooMuch = new IscepError("too_large", message);
      watched?.stop(tooMuch);
    },
    limits,
    live: options.output,
    progress: options.progress,
    secrets: command.mask === false ? [] : invocation.secrets,
  });
  const input = inputOf(invocation, options.input);
  const { processGroup, launcher = [] } = command;
  let end: ProcessEnd;
  let group: RunGroup | undefined;
  let endSize: (() => void) | undefined;
  try {
    checkStillClosed(command.program);
    if (processGroup !== undefined) group = openRunGroup(processGroup.folder, processGroup.processes);
    const { terminal } = command;
    const plain = { program: command.program, argv: invocation.argv, environment: invocation.environment };
    const start = terminal === undefined ? plain : onTerminal(terminal, plain, options.terminal?.shape ?? usualShape);
    const program = startInOwnGroup({
      launcher: [...(group?.launcher ?? []), ...launcher],
      user: command.user,
      launcherSetsUser: command.launcherSetsUser,
      program: start.program,
      argv: start.argv,
      folder: command.folder,
      umask: command.umask,
      environment: {
        ...start.environment,
        ...(traceparent === undefined ? {} : { TRACEPARENT: traceparent }),
        ISCEP_RUN: runId,
      },
      stdin: invocation.stdin ?? (input === undefined ? "ignore" : "pipe"),
      descriptors: invocation.descriptors,
    });
    const { pid } = program.child;
    if (terminal !== undefined && options.terminal !== undefined && pid !== undefined)
      endSize = followSize(options.terminal, {
        pid,
        stty: terminal.stty,
        user: command.user,
        intervalMs: limits.terminalResizeIntervalMs,
      });
    watched = new ProcessWatch(program, output, options);
    connect(program, output, input, watched);
    end = await watched.ended;
  } catch (error) {
    return { status: "failed", error: notStarted(command, error) };
  } finally {
    endSize?.();
    group?.close();
  }
  // This also counts when the script had ended by itself, with its last output still in the pipe.
  if (tooMuch !== undefined && (end.stopReason ?? tooMuch) === tooMuch) return { status: "failed", error: tooMuch };
  if (end.stopReason !== undefined) return stopped(end.stopReason);
  const durationMs = Math.round(performance.now() - startedAtMs);
  return outcomeOfScript(command, {
    runId,
    exitCode: end.exitCode,
    signal: end.signal,
    durationMs,
    maxBytes,
    output,
    limits,
  });
}

/** When arguments use standard input, they are all of it. What the caller sends in addition is dropped. */
function inputOf({ stdin }: ScriptInvocation, sent: RunInput | undefined): RunInput | undefined {
  if (stdin === undefined) return sent;
  sent?.discard();
  return undefined;
}

function connect(
  program: StartedProgram,
  output: ScriptOutput,
  input: RunInput | undefined,
  watched: ProcessWatch,
): void {
  // There may be no pipes, when no file descriptors were left, whatever the types say.
  const { child, stdout, stderr } = program;
  if (stdout) output.read("stdout", stdout);
  if (stderr) output.read("stderr", stderr);
  if (input !== undefined && child.stdin) {
    feedProgram(input, child.stdin).catch((error: unknown) => {
      const message = "the standard input broke off before its end, and the script was ended";
      watched.stop(new IscepError("cancelled", message, { cause: error }));
    });
  }
}

function stopped(reason: unknown): Outcome {
  const error = asStopReason(reason);
  return { status: error.code === "timeout" ? "timeout" : "cancelled", error };
}

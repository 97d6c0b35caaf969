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
  const { signal } = options;
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
  return new ScriptRun(command, invocation, options).outcome();
}

class ScriptRun {
  readonly #command: ScriptCommand;
  readonly #invocation: ScriptInvocation;
  readonly #options: ScriptRunOptions;
  readonly #maxBytes: number;
  readonly #output: ScriptOutput;
  readonly #input: RunInput | undefined;
  #watched: ProcessWatch | undefined;
  /** Why it was ended, when it printed more than it may. */
  #tooMuch: IscepError | undefined;

  constructor(command: ScriptCommand, invocation: ScriptInvocation, options: ScriptRunOptions) {
    const { limits, output: live, progress } = options;
    this.#command = command;
    this.#invocation = invocation;
    this.#options = options;
    this.#maxBytes = command.maxOutputBytes ?? limits.maxScriptOutputBytes;
    this.#output = new ScriptOutput({
      maxBytes: this.#maxBytes,
      full: () => this.#outputIsFull(),
      limits,
      live,
      progress,
      secrets: command.mask === false ? [] : invocation.secrets,
    });
    this.#input = inputOf(invocation, options.input);
  }

  async outcome(): Promise<Outcome> {
    const { runId, limits } = this.#options;
    const startedAtMs = performance.now();
    let end: ProcessEnd;
    try {
      end = await this.#ended();
    } catch (error) {
      return { status: "failed", error: notStarted(this.#command, error) };
    }
    const { exitCode, signal, stopReason } = end;
    const tooMuch = this.#tooMuch;
    // This also counts when the script had ended by itself, with its last output still in the pipe.
    if (tooMuch !== undefined && (stopReason ?? tooMuch) === tooMuch) return { status: "failed", error: tooMuch };
    if (stopReason !== undefined) return stopped(stopReason);
    const durationMs = Math.round(performance.now() - startedAtMs);
    const [output, maxBytes] = [this.#output, this.#maxBytes];
    return outcomeOfScript(this.#command, { runId, exitCode, signal, durationMs, maxBytes, output, limits });
  }

  #outputIsFull(): void {
    const { name, whenOutputIsFull } = this.#command;
    if (whenOutputIsFull !== "kill") return;
    const message = `the script "${name}" printed more than the ${this.#maxBytes} bytes that it may, and was ended`;
    this.#tooMuch = new IscepError("too_large", message);
    this.#watched?.stop(this.#tooMuch);
  }

  /** Starts the program, and waits until it has ended. */
  async #ended(): Promise<ProcessEnd> {
    const { program: file, processGroup } = this.#command;
    checkStillClosed(file);
    const group = processGroup && openRunGroup(processGroup.folder, processGroup.processes);
    let endSize: (() => void) | undefined;
    try {
      const program = this.#start(group);
      endSize = this.#followSize(program);
      this.#watched = new ProcessWatch(program, this.#output, this.#options);
      connect(program, this.#output, this.#input, this.#watched);
      return await this.#watched.ended;
    } finally {
      endSize?.();
      group?.close();
    }
  }

  #start(group: RunGroup | undefined): StartedProgram {
    const command = this.#command;
    const { terminal, launcher = [] } = command;
    const { argv, environment, stdin, descriptors } = this.#invocation;
    const { runId, traceparent, terminal: callers } = this.#options;
    const plain = { program: command.program, argv, environment };
    const start = terminal === undefined ? plain : onTerminal(terminal, plain, callers?.shape ?? usualShape);
    return startInOwnGroup({
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
      stdin: stdin ?? (this.#input === undefined ? "ignore" : "pipe"),
      descriptors,
    });
  }

  /** Gives the window of the caller to the terminal of the script, whenever its size changes. Call the result at the end. */
  #followSize({ child: { pid } }: StartedProgram): (() => void) | undefined {
    const { terminal, user } = this.#command;
    const { terminal: callers, limits } = this.#options;
    if (terminal === undefined || callers === undefined || pid === undefined) return undefined;
    return followSize(callers, { pid, stty: terminal.stty, user, intervalMs: limits.terminalResizeIntervalMs });
  }
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

import { statSync } from "node:fs";
import type { ChildProcess } from "node:child_process";
import type { ScriptCommand, ScriptInvocation } from "../commands/command.js";
import { IscepError, isIscepError, toIscepError } from "../errors.js";
import type { Limits } from "../limits.js";
import { CappedOutput, drainPipe } from "./capped-output.js";
import type { Outcome, ScriptResult } from "./outcome.js";
import { signalGroup, startInOwnGroup } from "./process-group.js";

export interface ScriptRunOptions {
  /** In the program's environment as ISCEP_RUN. */
  readonly runId: string;
  readonly timeoutMs: number;
  /** Its reason becomes the outcome's error: `timeout` by that code, all others are a cancel. */
  readonly signal: AbortSignal;
  readonly limits: Pick<Limits, "maxRunOutputBytes" | "killGraceMs" | "pipeGraceMs">;
}

/**
 * Runs a program to its end, and never rejects. When the outcome is there, its pipes are closed, and after a timeout or
 * cancel what is left of its process group has been killed.
 */
export async function runScript(command: ScriptCommand, args: unknown, options: ScriptRunOptions): Promise<Outcome> {
  const { signal, runId, limits } = options;
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
  const { argv } = invocation;
  const environment = { ...invocation.environment, ISCEP_RUN: runId };
  const startedAtMs = performance.now();
  const stdout = new CappedOutput(limits.maxRunOutputBytes);
  const stderr = new CappedOutput(limits.maxRunOutputBytes);
  let end: ProcessEnd;
  try {
    const child = startInOwnGroup({ program: command.program, argv, folder: command.folder, environment });
    // Without pipes when there were no file descriptors left for them, whatever the types say.
    if (child.stdout) drainPipe(child.stdout, stdout);
    if (child.stderr) drainPipe(child.stderr, stderr);
    end = await new ProcessWatch(child, options).ended;
  } catch (error) {
    return { status: "failed", error: notStarted(command, runId, error) };
  }
  if (end.stopReason !== undefined) return stopped(end.stopReason);
  return finished(command, runId, {
    exitCode: end.exitCode,
    signal: end.signal,
    stdout: stdout.text(),
    stderr: stderr.text(),
    truncated: stdout.truncated || stderr.truncated,
    durationMs: Math.round(performance.now() - startedAtMs),
  });
}

interface ProcessEnd {
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** Why we ended it; undefined when it ended without us. */
  readonly stopReason: IscepError | undefined;
}

/** One process from its start until it has ended and its pipes are closed, by itself or by force. */
class ProcessWatch {
  readonly ended: Promise<ProcessEnd>;
  readonly #child: ChildProcess;
  readonly #options: ScriptRunOptions;
  #resolve: (end: ProcessEnd) => void = () => {};
  #reject: (error: Error) => void = () => {};
  #timer: NodeJS.Timeout | undefined;
  #stopReason: IscepError | undefined;
  #exit: { readonly exitCode: number | null; readonly signal: string | null } | undefined;
  #killed = false;
  #closed = false;

  constructor(child: ChildProcess, options: ScriptRunOptions) {
    this.#child = child;
    this.#options = options;
    this.ended = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    child.on("error", this.#onError);
    child.on("exit", this.#onExit);
    child.on("close", this.#onClose);
    options.signal.addEventListener("abort", this.#onAbort);
    this.#after(options.timeoutMs, () => {
      this.#stop(
        new IscepError("timeout", `the script took longer than its timeout of ${options.timeoutMs} ms, and was ended`),
      );
    });
  }

  readonly #onError = (error: Error): void => {
    // After the start it can only be about a signal or a message, and we send neither in this way.
    if (this.#child.pid !== undefined) return;
    this.#release();
    this.#reject(error);
  };

  readonly #onExit = (exitCode: number | null, signal: string | null): void => {
    this.#exit = { exitCode, signal };
    // While it is being stopped, the others of its group keep the time that they were given to end.
    if (this.#stopReason !== undefined && !this.#killed) {
      if (!this.#groupLives()) this.#finish();
      return;
    }
    // A grandchild may hold the pipes for as long as it lives.
    this.#after(this.#options.limits.pipeGraceMs, () => this.#finish());
  };

  readonly #onClose = (): void => {
    this.#closed = true;
    if (this.#stopReason === undefined || this.#killed || !this.#groupLives()) this.#finish();
  };

  readonly #onAbort = (): void => this.#stop(this.#options.signal.reason);

  #stop(reason: unknown): void {
    if (this.#stopReason !== undefined || this.#exit !== undefined) return;
    this.#stopReason = asStopReason(reason);
    this.#signal("SIGTERM");
    this.#after(this.#options.limits.killGraceMs, () => {
      this.#killed = true;
      this.#signal("SIGKILL");
      // What is stuck in the kernel, or has become another user's, does not end even now: stop waiting for it.
      if (this.#closed) this.#finish();
      else this.#after(this.#options.limits.pipeGraceMs, () => this.#finish());
    });
  }

  #signal(signal: NodeJS.Signals): void {
    if (this.#child.pid !== undefined) signalGroup(this.#child.pid, signal);
  }

  #groupLives(): boolean {
    return this.#child.pid !== undefined && signalGroup(this.#child.pid, 0);
  }

  #finish(): void {
    this.#release();
    this.#resolve({ exitCode: null, signal: null, ...this.#exit, stopReason: this.#stopReason });
  }

  /** One deadline at a time: the timeout, then the time to end, then the time for the pipes. */
  #after(delayMs: number, step: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(step, delayMs);
  }

  #release(): void {
    clearTimeout(this.#timer);
    this.#options.signal.removeEventListener("abort", this.#onAbort);
    this.#child.off("exit", this.#onExit);
    this.#child.off("close", this.#onClose);
    this.#child.stdout?.destroy();
    this.#child.stderr?.destroy();
    if (this.#exit === undefined) this.#child.unref();
  }
}

function finished(command: ScriptCommand, runId: string, value: ScriptResult): Outcome {
  const { exitCode, signal } = value;
  if (exitCode === 0) return { status: "completed", value, exitCode };
  if (signal !== null) {
    const message = `the script "${command.name}" was ended by ${signal}, which did not come from iscep`;
    return {
      status: "killed",
      error: new IscepError("killed", message, { details: { runId, signal } }),
      signal,
      value,
    };
  }
  const message = `the script "${command.name}" ended with exit code ${exitCode}; its output may say why`;
  const error = new IscepError("failed", message, { details: { runId, exitCode } });
  return exitCode === null ? { status: "failed", error, value } : { status: "failed", error, exitCode, value };
}

function stopped(reason: unknown): Outcome {
  const error = asStopReason(reason);
  return { status: error.code === "timeout" ? "timeout" : "cancelled", error };
}

function asStopReason(reason: unknown): IscepError {
  return isIscepError(reason) ? reason : new IscepError("cancelled", undefined, { cause: reason });
}

/** No paths in the sentences, as the caller reads them: the cause has these. */
function notStarted(command: ScriptCommand, runId: string, cause: unknown): IscepError {
  const systemCode = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
  const sentence = startFaults[systemCode] ?? `the system refused it (${systemCode})`;
  const reason = systemCode === "ENOENT" && !isFolder(command.folder) ? "its working folder does not exist" : sentence;
  return new IscepError("failed", `the script "${command.name}" could not be started: ${reason}`, {
    cause,
    details: { runId, systemCode },
  });
}

const startFaults: Readonly<Record<string, string>> = {
  ENOENT: "its program, or the interpreter in the program's first line, does not exist",
  EACCES: "its program is not executable, or its program or working folder is closed to the server's user",
  ENOTDIR: "its working folder is not a folder",
  ENOEXEC: "its program is neither a binary for this machine nor a script with an interpreter in its first line",
  E2BIG: "its arguments and environment are longer than the system allows; send less",
  EAGAIN: "the system has no room for another process; try again later",
  ENOMEM: "the system has no memory for another process; try again later",
  EMFILE: "the server has no file descriptors left; raise its limit of open files, or try again later",
  ENFILE: "the system has no file descriptors left; try again later",
  ETXTBSY: "its program is being written at this moment; try again later",
  ERR_INVALID_ARG_VALUE: "an argument holds a character that no argument may hold (NUL)",
};

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

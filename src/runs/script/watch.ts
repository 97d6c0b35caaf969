import type { ChildProcess } from "node:child_process";
import { IscepError, isIscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import { endProcesses } from "./end.js";
import { maxPipeBytes, type ScriptOutput } from "./output.js";
import type { StartedProgram } from "./start.js";

export interface ProcessWatchOptions {
  /** The id in the program's environment, as ISCEP_RUN. */
  readonly runId: string;
  /** undefined when another clock aborts the signal in time. */
  readonly timeoutMs?: number;
  /** Its reason becomes the outcome's error: `timeout` if it has that code, and a cancel otherwise. */
  readonly signal: AbortSignal;
  readonly limits: Pick<Limits, "killGraceMs" | "pipeGraceMs">;
}

export interface ProcessEnd {
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** Why we ended it; undefined when it ended by itself. */
  readonly stopReason: IscepError | undefined;
}

/**
 * Watches one process from its start until it has ended, by itself or by force, and its pipes are closed. When it is
 * stopped by force or by any signal, everything that it started is ended too. A process that ends by itself may leave
 * others behind.
 */
export class ProcessWatch {
  readonly ended: Promise<ProcessEnd>;
  readonly #child: ChildProcess;
  readonly #output: ScriptOutput;
  readonly #options: ProcessWatchOptions;
  #resolve: (end: ProcessEnd) => void = () => {};
  #reject: (error: Error) => void = () => {};
  #deadline: NodeJS.Timeout | undefined;
  #pipeTimer: NodeJS.Timeout | undefined;
  #stopReason: IscepError | undefined;
  #exit: { readonly exitCode: number | null; readonly signal: string | null } | undefined;
  #closed = false;
  #isReleased = false;
  /** True when the process has ended, and a slow reader still reads its last output. */
  #isDraining = false;
  /** True while the processes that it left are being ended. */
  #ending = false;

  constructor({ child, stdout, stderr }: StartedProgram, output: ScriptOutput, options: ProcessWatchOptions) {
    this.#child = child;
    this.#output = output;
    this.#options = options;
    this.ended = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    child.on("error", this.#onError);
    child.on("exit", this.#onExit);
    // All is over when the process has ended and its pipes are closed.
    const parts = [child, ...[stdout, stderr].filter((pipe) => pipe !== null)];
    let open = parts.length;
    for (const part of parts) {
      part.once("close", () => {
        open--;
        if (open === 0) this.#onClose();
      });
    }
    options.signal.addEventListener("abort", this.#onAbort);
    const { timeoutMs } = options;
    if (timeoutMs === undefined) return;
    this.#deadline = setTimeout(() => {
      this.stop(new IscepError("timeout", `the script took longer than its timeout of ${timeoutMs} ms, and was ended`));
    }, timeoutMs);
  }

  /** Ends it by force, with everything that it has started. */
  stop(reason: unknown): void {
    if (this.#stopReason !== undefined) return;
    // The process has already ended by itself, unless its last output is still on its way to a slow reader.
    if (this.#exit !== undefined && (this.#ending || !(this.#isDraining || this.#output.isHeldBack))) return;
    this.#stopReason = asStopReason(reason);
    this.#output.stop();
    this.#endTree();
  }

  readonly #onError = (error: Error): void => {
    // After the start, the error can only be about a signal or a message, and we send neither in this way.
    if (this.#child.pid !== undefined) return;
    this.#release();
    this.#reject(error);
  };

  readonly #onExit = (exitCode: number | null, signal: string | null): void => {
    this.#exit = { exitCode, signal };
    if (this.#ending) return;
    if (signal !== null) this.#endTree();
    // A process that the program has started may hold the pipes as long as it lives.
    else this.#awaitPipes();
  };

  #onClose(): void {
    this.#closed = true;
    if (!this.#ending && !this.#isReleased) this.#finish();
  }

  readonly #onAbort = (): void => this.stop(this.#options.signal.reason);

  #awaitPipes(): void {
    const atExit = this.#output.bytes;
    let waitsBefore = this.#output.waits;
    const check = (): void => {
      const { bytes, waits, isHeldBack } = this.#output;
      // The program's last output may wait for a slow reader: as much as a pipe holds, and no more.
      this.#isDraining = (isHeldBack || waits !== waitsBefore) && bytes - atExit < maxPipeBytes;
      if (!this.#isDraining) return this.#finish();
      waitsBefore = waits;
      this.#afterPipeGrace(check);
    };
    this.#afterPipeGrace(check);
  }

  /**
   * When the event loop was held up, its timers come before the bytes that the pipes already hold. So these are read
   * first, as long as each turn brings more.
   */
  #afterPipeGrace(then: () => void): void {
    const output = this.#output;
    const read = (bytesBefore: number, leftBytes: number): void => {
      if (this.#isReleased) return;
      const came = output.bytes - bytesBefore;
      if (leftBytes <= 0 || (came === 0 && !output.awaitsTurn)) then();
      else setImmediate(read, output.bytes, leftBytes - came);
    };
    this.#pipeTimer = setTimeout(
      () => setImmediate(read, output.bytes, maxPipeBytes),
      this.#options.limits.pipeGraceMs,
    );
  }

  #endTree(): void {
    if (this.#ending) return;
    this.#ending = true;
    clearTimeout(this.#pipeTimer);
    const { runId, limits } = this.#options;
    const { pid } = this.#child;
    const leader = pid === undefined ? undefined : { pid, isThere: () => this.#exit === undefined };
    void endProcesses({ runId, ...(leader === undefined ? {} : { leader }) }, limits.killGraceMs).then(() => {
      this.#ending = false;
      // A process that is stuck in the kernel, or belongs to another user now, does not end even now. Stop waiting for it.
      if (this.#closed || (this.#exit !== undefined && this.#output.isHeldBack)) this.#finish();
      else this.#afterPipeGrace(() => this.#finish());
    });
  }

  #finish(): void {
    this.#release();
    this.#resolve({ exitCode: null, signal: null, ...this.#exit, stopReason: this.#stopReason });
  }

  #release(): void {
    clearTimeout(this.#deadline);
    clearTimeout(this.#pipeTimer);
    this.#options.signal.removeEventListener("abort", this.#onAbort);
    this.#child.off("exit", this.#onExit);
    this.#isReleased = true;
    this.#child.stdin?.destroy();
    this.#output.end();
    if (this.#exit === undefined) this.#child.unref();
  }
}

export function asStopReason(reason: unknown): IscepError {
  return isIscepError(reason) ? reason : new IscepError("cancelled", undefined, { cause: reason });
}

/**
 * What is executed for one run, and for the runs that joined it. It goes on as long as one of them wants it. Each of
 * them has its own outcome: a run that leaves gets its outcome at once, and the others get the outcome of the work.
 */
import type { Command } from "../../model/command.js";
import { IscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import type { RunOutcome } from "../../model/outcome.js";
import { RunOutput, type OutputChannel, type OutputLimits } from "../streams/output.js";
import { JoinedOutput } from "./joined-output.js";
import { stopped } from "./endings.js";
import type { Progress } from "./paced-progress.js";
import type { Run, RunWork } from "./run.js";
import { workStates, type WorkEvent, type WorkState } from "./states.js";

export interface WorkHost {
  readonly limits: OutputLimits & Pick<Limits, "functionWriteBytes">;
  /** Nobody wants it any more, and it is aborted. Its last run is `ending`. */
  unwanted(work: Work, run: Run, reason: IscepError): void;
}

export class Work implements RunWork {
  readonly command: Command;
  /** The arguments, checked and converted. */
  readonly args: unknown;
  /** The run whose output, input and id the work has, even after that run has left. */
  readonly first: Run;
  /** How long the command may take, counted from the first call, however long its callers want to wait. */
  readonly timeoutMs: number;
  readonly #host: WorkHost;
  #runs: readonly Run[];
  /** The output of those of `#runs` that joined, in the same order. */
  #joined: readonly JoinedOutput[] = nobody;
  /** The output that is written after the first run has left. */
  #rest: RunOutput | undefined;
  #controller: AbortController | undefined;
  #abortReason: IscepError | undefined;
  #timer: NodeJS.Timeout | undefined;
  #progress: Progress | undefined;
  #position = 0;
  #state: WorkState = "waiting";

  constructor(first: Run, command: Command, args: unknown, timeoutMs: number, host: WorkHost) {
    this.first = first;
    this.#runs = [first];
    this.command = command;
    this.args = args;
    this.timeoutMs = timeoutMs;
    this.#host = host;
  }

  /** The runs that want this work. */
  get runs(): readonly Run[] {
    return this.#runs;
  }

  get state(): WorkState {
    return this.#state;
  }

  /** Returns false, and changes nothing, when the event comes too late. */
  #happens(event: WorkEvent): boolean {
    const next = workStates[this.#state][event];
    if (next === undefined) return false;
    this.#state = next;
    return true;
  }

  /** The work has ended, and all runs that wanted it have their outcome. */
  get isSettled(): boolean {
    return this.#state === "over" && this.runs.every(({ state }) => state === "ended");
  }

  /** Why it was stopped; undefined when it was not. */
  get abortReason(): IscepError | undefined {
    return this.#abortReason;
  }

  /** No run can join it any more. */
  get isClosed(): boolean {
    return this.#state === "stopping" || this.#state === "over";
  }

  /** Aborted when no run wants it any more, at its timeout, and when the server closes. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason);
    }
    return this.#controller.signal;
  }

  /** The run has shown nothing yet. It gets the output from where it is still kept, the progress, and the outcome. */
  join(run: Run): void {
    const joined = new JoinedOutput(run, (error) => this.#lose(run, error));
    this.#joined = [...this.#joined, joined];
    this.#runs = [...this.#runs, run];
    run.work = this;
    run.happens(this.#state === "running" ? "begins" : "waits");
    run.movedInQueue(this.#position);
    if (this.#progress !== undefined) run.progress(this.#progress);
    // The run may be lost at once, and leaves the work then.
    joined.begin(this.first.output, this.#rest);
  }

  /** The run cannot have what it missed. It ends, and must not keep the work going when no other run wants it. */
  #lose(run: Run, error: IscepError): void {
    run.end({ status: "lost", error });
    this.drop(run, error);
  }

  /** The work must wait for its turn. */
  wait(): void {
    this.first.happens("waits");
  }

  /** False when no run wants it any more. */
  begin(): boolean {
    if (!this.#happens("begins")) return false;
    for (const run of this.#runs) run.happens("begins");
    return true;
  }

  drop(run: Run, reason: IscepError): void {
    const others = this.#runs.filter((other) => other !== run);
    // Work that is over cannot be stopped. A run that is still there waits only for its slow reader.
    if (others.length === 0 && this.#happens("stops")) {
      this.#abortReason = reason;
      this.#controller?.abort(reason);
      this.#host.unwanted(this, run, reason);
      return;
    }
    this.#runs = others;
    if (run === this.first) this.#dropFirst();
    else this.#joined = this.#joined.filter((joined) => joined.run !== run);
    run.end(stopped(reason));
  }

  /** The run's output ends here. What comes later is for the others. */
  #dropFirst(): void {
    this.#rest = new RunOutput(this.#host.limits);
    for (const joined of this.#joined) joined.continueWith(this.#rest);
    const leftMs = this.first.startedAtMs + this.timeoutMs - Date.now();
    // Until now the time of the first run was the bound. Runs that join later have times of their own, without end.
    this.#timer = setTimeout(timeOut, Math.max(0, leftMs), this);
  }

  progress(progress: Progress): void {
    this.#progress = progress;
    for (const run of this.#runs) run.progress(progress);
  }

  /** The position in the queue, from 1; 0 when the wait is over. */
  moved(position: number): void {
    this.#position = position;
    for (const run of this.#runs) run.movedInQueue(position);
  }

  /** @param isGiven the bytes will not be changed, so they need no copy. Default: false. */
  write(channel: OutputChannel, data: string | Uint8Array, isGiven?: boolean): Promise<void> | undefined {
    return (this.#rest ?? this.first.output).write(channel, data, isGiven);
  }

  /** How much a function may write before the event loop has its turn. */
  get functionWriteBytes(): number {
    return this.#host.limits.functionWriteBytes;
  }

  /** The work has ended: each run that has not left ends with this. */
  end(outcome: RunOutcome): void {
    if (!this.#happens("ends")) return;
    clearTimeout(this.#timer);
    if (this.#rest === undefined) this.first.end(outcome);
    else this.#rest.close();
    for (const joined of this.#joined) joined.end(outcome);
  }
}

const nobody: readonly JoinedOutput[] = [];

function timeOut(work: Work): void {
  const reason = new IscepError("timeout", `the command took longer than its timeout of ${work.timeoutMs} ms`);
  for (const run of work.runs) run.abort(reason);
}

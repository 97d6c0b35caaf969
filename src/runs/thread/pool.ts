import { within } from "../../waiting/within.js";
import { systemCodeOf } from "../../files/system-code.js";
import type { CommandContext, FunctionCommand } from "../../model/command.js";
import { IscepError } from "../../errors.js";
import type { Identity } from "../../model/identity.js";
import { limitTable } from "../../limits/limits.js";
import type { ProgressLimits } from "../run/paced-progress.js";
import type { JsonLimits } from "../../wire/json.js";
import { JsonText } from "../../wire/json-text.js";
import { openRunChannel } from "./channel.js";
import { createGate, unpackThrown, withdraw, type ThreadAnswer, type ThreadTask } from "./messages.js";
import { WorkerThreads } from "./worker-threads.js";

export interface ThreadPoolOptions extends Partial<JsonLimits & ProgressLimits> {
  readonly maxThreads: number;
  /** Default: the limit of that name. */
  readonly threadIdleMs?: number;
  /** Default: the limit of that name. */
  readonly threadLoadGraceMs?: number;
  /**
   * How long a command may go on after an abort before its thread is ended, and how long `close` waits for a thread
   * that is stuck in the system. Default: the limit of that name.
   */
  readonly killGraceMs?: number;
}

export interface ThreadRunOptions {
  readonly runId: string;
  readonly traceparent?: string | undefined;
  readonly identity: Pick<Identity, "owner" | "tokenId">;
  /** Aborts the command's own signal, and always ends the thread after a grace. Its reason becomes the rejection. */
  readonly signal: AbortSignal;
  readonly output: CommandContext["output"];
  readonly stdin: CommandContext["stdin"];
  progress(fraction: number, message?: string): void;
}

interface ThreadCall {
  readonly ended: Promise<unknown>;
  stop(reason: unknown): void;
}

/**
 * Worker threads for commands with `thread: true`. They start when needed, end when idle, and do not keep the process
 * alive. The caller must bound the number of calls: here, calls beyond `maxThreads` wait without a limit.
 */
export class ThreadPool {
  readonly #options: Required<ThreadPoolOptions>;
  readonly #taskLimits: ThreadTask["limits"];
  readonly #calls = new Set<ThreadCall>();
  readonly #threads: WorkerThreads;
  #closed = false;

  constructor(options: ThreadPoolOptions) {
    this.#options = {
      threadIdleMs: limitTable.threadIdleMs.default,
      threadLoadGraceMs: limitTable.threadLoadGraceMs.default,
      killGraceMs: limitTable.killGraceMs.default,
      maxJsonDepth: limitTable.maxJsonDepth.default,
      maxJsonKeys: limitTable.maxJsonKeys.default,
      maxJsonItems: limitTable.maxJsonItems.default,
      progressIntervalMs: limitTable.progressIntervalMs.default,
      maxProgressMessageCharacters: limitTable.maxProgressMessageCharacters.default,
      ...options,
    };
    const { maxJsonDepth, maxJsonKeys, maxJsonItems, progressIntervalMs, maxProgressMessageCharacters } = this.#options;
    this.#threads = new WorkerThreads(this.#options);
    this.#taskLimits = { maxJsonDepth, maxJsonKeys, maxJsonItems, progressIntervalMs, maxProgressMessageCharacters };
  }

  /**
   * Resolves with the command's result. Rejects with what the command threw; with the reason of `signal`, when the
   * command or its thread has ended; with IscepError `killed` when the thread ended by itself, `configuration` when the
   * command is not found in its module, `failed` when arguments or result cannot be copied, `closed` after `close`.
   */
  async run(command: FunctionCommand, args: unknown, options: ThreadRunOptions): Promise<JsonText | undefined> {
    const { runId, traceparent, identity, signal } = options;
    const module = command.threadModule;
    if (module === undefined)
      throw new IscepError("internal", `"${command.name}" has no module that a thread could import`);
    signal.throwIfAborted();
    if (this.#closed) throw new IscepError("closed", "the server was closed, and starts no more threads");
    const channel = openRunChannel(options);
    const gate = createGate();
    const task: ThreadTask = {
      limits: this.#taskLimits,
      port: channel.port,
      gate,
      module,
      command: command.name,
      args,
      runId,
      traceparent,
      identity: { owner: identity.owner, tokenId: identity.tokenId },
    };
    const threaded = this.#threads.run(task);
    let stopped: { readonly reason: unknown; readonly ended: Promise<void> } | undefined;
    const stop = (reason: unknown): void => {
      withdraw(gate);
      stopped ??= { reason, ended: threaded.drop() };
    };
    let graceTimer: NodeJS.Timeout | undefined;
    const onAbort = (): void => {
      if (withdraw(gate)) return stop(signal.reason);
      channel.abort(signal.reason);
      graceTimer = setTimeout(() => stop(signal.reason), this.#options.killGraceMs);
    };
    signal.addEventListener("abort", onAbort);
    const ended = threaded.answered.then(
      async (answer) => {
        await channel.ended;
        // A result within the grace is too late, because its caller already got another outcome.
        signal.throwIfAborted();
        return unpackAnswer(answer);
      },
      async (error: unknown) => {
        if (stopped === undefined) throw crash(command.name, error);
        // Another call may take the place only then, because a thread that is stuck in the system still counts.
        await stopped.ended;
        throw stopped.reason;
      },
    );
    const call = { ended, stop };
    this.#calls.add(call);
    try {
      return await ended;
    } finally {
      clearTimeout(graceTimer);
      channel.close();
      signal.removeEventListener("abort", onAbort);
      this.#calls.delete(call);
    }
  }

  /**
   * Waits `graceMs` for the calls, then ends their threads, and waits `endMs` for that. All other threads are ended at
   * once.
   */
  async close(graceMs: number, endMs = this.#options.killGraceMs): Promise<void> {
    this.#closed = true;
    await this.#idle(graceMs);
    for (const call of this.#calls) call.stop(new IscepError("cancelled", "the server was closed"));
    const endsAtMs = performance.now() + endMs;
    await this.#idle(endMs);
    await this.#threads.close(Math.max(0, endsAtMs - performance.now()));
  }

  async #idle(timeoutMs: number): Promise<void> {
    if (this.#calls.size === 0) return;
    await within(Promise.allSettled([...this.#calls].map((call) => call.ended)), timeoutMs);
  }
}

function unpackAnswer(answer: ThreadAnswer): JsonText | undefined {
  if (answer.ok) return answer.json === undefined ? undefined : new JsonText(answer.json);
  throw unpackThrown(answer.thrown);
}

function crash(name: string, cause: unknown): IscepError {
  if (cause instanceof Error && cause.name === "DataCloneError") {
    return new IscepError(
      "failed",
      `the arguments of "${name}", as its schema converts them, cannot be copied to a thread`,
      { cause },
    );
  }
  const outOfMemory = systemCodeOf(cause) === "ERR_WORKER_OUT_OF_MEMORY";
  const reason = outOfMemory
    ? "it had no memory left"
    : "it left its thread by process.exit() or by an error that nobody caught";
  return new IscepError("killed", `the thread of "${name}" ended before the command was done: ${reason}`, { cause });
}

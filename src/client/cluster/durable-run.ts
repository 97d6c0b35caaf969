/** A call that waits in the queue of the broker until an instance takes it. Its caller has the id of its run at once. */
import { setMaxListeners } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { errorTable, IscepError, isErrorCode, toIscepError, type ErrorCode } from "../../errors.js";
import { outcomeTable, type Outcome } from "../../model/outcome.js";
import type { DurableState } from "../../nats/queue/durable.js";
import type { RunOptions } from "../protocol/options.js";
import { outcomeOfError } from "../protocol/answer.js";
import type { RunHandle } from "../protocol/run-handle.js";
import { HandedRun } from "./handed-run.js";
import type { DurableCalls } from "./service.js";

/** The pause between two questions about a call that waits. */
const lookMs = 300;
/** An instance that has claimed a call has its run within this time. */
const beginsWithinMs = 5_000;
/** A broker that was just started has its streams within this time. Only then can instances say what became of a call. */
const isKnownWithinMs = 1_000;

/** With these errors, no instance that is there has the run. */
const isNowhere: ReadonlySet<ErrorCode> = new Set(["run_not_found", "connect_failed", "closed"]);

/** @throws IscepError `usage` */
export function checkDurable(options: RunOptions): void {
  if (options.detach !== true)
    throw new IscepError("usage", "a durable call goes on without its caller; give `detach: true` with it");
  if (options.stdin !== undefined || options.terminal !== undefined)
    throw new IscepError("usage", "a durable call has no standard input and no terminal");
  if (options.to !== undefined && options.to !== "any")
    throw new IscepError("usage", "a durable call goes to the instance that takes it, so `to` must be left out");
}

export interface DurableRunOptions {
  readonly command: string;
  /** The caller's token, with which instances prove what they say. */
  readonly token: string | undefined;
  readonly durable: Pick<DurableCalls, "state">;
  readonly signal: AbortSignal | undefined;
  /** Aborted when the client is closed, because then nothing more is heard of the call. */
  readonly closed: AbortSignal;
  /** Resolves to the id of the run when the broker has the call. */
  readonly submitted: Promise<string>;
  /** Attaches to a run at the instance that has it. @throws IscepError when none has it */
  attach(run: string): Promise<RunHandle>;
}

/** A caller who has submitted the call knows that it is there, and waits also while no instance can say so. */
interface Patience {
  readonly isPatient: boolean;
}

export function durableRun({ command, submitted, ...finding }: DurableRunOptions): RunHandle {
  submitted.catch(() => {});
  return new HandedRun({
    command,
    ends: false,
    id: submitted,
    next: async (refused) => foundRun(await submitted, { ...finding, isPatient: true }, refused),
  });
}

export type FindingOptions = Pick<DurableRunOptions, "durable" | "token" | "signal" | "closed" | "attach"> & Patience;

/**
 * Waits until an instance has the run. A run that is over and not kept has only its outcome.
 * @param refused why the last attempt to attach failed
 */
export async function foundRun(run: string, finding: FindingOptions, refused?: Outcome): Promise<RunHandle | Outcome> {
  if (refused?.status === "rejected" && !isNowhere.has(refused.error.code)) return refused;
  const { durable, token, signal, closed, attach, isPatient } = finding;
  const interrupted = signal === undefined ? closed : AbortSignal.any([signal, closed]);
  // Any number of calls may wait, and Node treats more than 10 listeners as a leak.
  setMaxListeners(0, interrupted);
  let startedMs: number | undefined;
  let silentSinceMs: number | undefined;
  for (;;) {
    if (signal?.aborted === true)
      throw new IscepError("cancelled", "the wait was cancelled; the call stays in the queue", {
        cause: signal.reason,
      });
    try {
      return await attach(run);
    } catch (thrown) {
      const error = toIscepError(thrown);
      if (closed.aborted)
        throw new IscepError("lost", "the client was closed; a durable call that waits stays in the queue", {
          cause: error,
        });
      if (!isNowhere.has(error.code)) throw error;
      const state = await durable.state(run, token).catch(() => undefined);
      if (state?.state === "unknown") throw error;
      if (state === undefined && !isPatient) {
        silentSinceMs ??= performance.now();
        if (performance.now() - silentSinceMs > isKnownWithinMs) throw error;
      }
      if (state?.state === "joined") return foundRun(state.run, finding);
      if (state?.state === "ended") return (await elsewhere(state, run, attach)) ?? endedOutcome(state);
      if (state?.state === "started") {
        startedMs ??= performance.now();
        if (!state.isThere || performance.now() - startedMs > beginsWithinMs) return lostOutcome(state.instance);
      }
    }
    await pause(lookMs, undefined, { signal: interrupted }).catch(() => {});
  }
}

/**
 * The run that a durable call has joined.
 * @throws IscepError what the queue knows of a run that no instance has; the given error when it knows nothing
 */
export async function runInQueue(
  run: string,
  error: IscepError,
  ask: () => Promise<DurableState | undefined>,
): Promise<string> {
  let state: DurableState | undefined;
  // Silence is no answer, as an instance may be busy, or somebody else may have got the question.
  for (let triesLeft = 3; isNowhere.has(error.code) && state === undefined && triesLeft > 0; triesLeft--)
    state = await ask().catch(() => undefined);
  if (state?.state === "waiting") {
    const reason =
      "the call waits in the queue of the broker, and no instance has taken it; attach to it to wait for it";
    throw new IscepError("run_not_found", reason);
  }
  if (state?.state === "started" && !state.isThere) throw lostError(state.instance);
  const other = state !== undefined && "run" in state ? state.run : undefined;
  if (other !== undefined && other !== run) return other;
  if (state?.state !== "ended") throw error;
  throw new IscepError(
    "run_not_found",
    `the run has ended (${state.status}) at the instance ${state.instance}, and is not kept`,
  );
}

/**
 * Attaches to the run of a call that has ended, or to the run that it joined. Resolves to undefined when no instance
 * has it.
 */
async function elsewhere(
  state: DurableState & { state: "ended" },
  run: string,
  attach: FindingOptions["attach"],
): Promise<RunHandle | undefined> {
  try {
    return await attach(state.run ?? run);
  } catch {
    return undefined;
  }
}

function endedOutcome({ status, code, instance }: DurableState & { state: "ended" }): Outcome {
  const told = code !== undefined && isErrorCode(code) ? code : (outcomeTable[status].code ?? "value_gone");
  const reason = `${errorTable[told].sentence} (the instance ${instance} told no more of it)`;
  return outcomeOfError(new IscepError(told, reason), { status });
}

function lostOutcome(instance: string): Outcome {
  return { status: "lost", error: lostError(instance) };
}

function lostError(instance: string): IscepError {
  return new IscepError(
    "lost",
    `the instance ${instance} had taken the call, and is gone; nobody knows whether it ran`,
  );
}

/** What the calls of a client of many instances share. */
import type { IscepError } from "../../errors.js";
import type { CallOptions } from "../protocol/options.js";
import type { Member } from "./member.js";
import type { Members } from "./members.js";
import type { Placement } from "./placement.js";
import type { WaitingCalls } from "./waiting-calls.js";

export interface ClusterHost {
  readonly members: Members;
  readonly waiting: WaitingCalls;
  /** How often a call may be taken back from where it waits. */
  readonly maxCallMoves: number;
  /** Where a call goes. @throws IscepError, or rejects with it */
  place(options: CallOptions | undefined): Placement | Promise<Placement>;
  /** The error for a call that found no instance at all. */
  nobody(): IscepError;
  /** Remembers that the run with this id is at this instance. */
  isAt(run: string, member: Member): void;
}

/** A call does not move when its caller has chosen the instance, or when it must be found again by its key. */
export function mayMove(options: CallOptions | undefined): boolean {
  return options?.idempotencyKey === undefined && (options?.to === undefined || options.to === "any");
}

/** The options for one instance. The timeout is shorter by the time that earlier instances took. */
export function optionsThere<Options extends CallOptions>(
  options: Options | undefined,
  wait: boolean,
  begunAtMs: number,
): Options | undefined {
  const timeoutMs = options?.timeoutMs;
  if (wait && timeoutMs === undefined) return options;
  const left =
    timeoutMs === undefined ? {} : { timeoutMs: Math.max(1, Math.ceil(timeoutMs - (performance.now() - begunAtMs))) };
  return { ...(options as Options), ...left, wait };
}

import type { Identity } from "./identity.js";
import { outputChangesOf, type Outcome, type OutcomeStatus, type OutputChanges } from "./outcome.js";

/** `running`, or how the run ended. */
export const runStatuses = [
  "running",
  "completed",
  "failed",
  "killed",
  "timeout",
  "cancelled",
  "rejected",
  "lost",
] as const satisfies readonly (OutcomeStatus | "running")[];

/** A run as others may see it. */
export interface RunRecord extends OutputChanges {
  readonly run: string;
  readonly command: string;
  readonly owner: string;
  readonly startedAtMs: number;
  readonly endedAtMs?: number;
  readonly status: OutcomeStatus | "running";
  readonly code?: string;
  readonly exitCode?: number;
  readonly signal?: string;
  readonly outputBytes: number;
}

/** A page of a list of runs. */
export interface RunsPage {
  /** Newest first. */
  readonly runs: readonly RunRecord[];
  /** To be given as `after` for the next page; absent on the last one. */
  readonly next?: string;
}

export function maySee(identity: Identity, { owner, command }: Pick<RunRecord, "owner" | "command">): boolean {
  return (owner === identity.owner && identity.mayRun(command)) || identity.maySeeRunsOf(command);
}

/** What logs and lists say about an outcome, in addition to its status. */
export function factsOf(outcome: Outcome): Pick<RunRecord, "code" | "exitCode" | "signal" | keyof OutputChanges> {
  return {
    ...("error" in outcome ? { code: outcome.error.code } : {}),
    ...("exitCode" in outcome && outcome.exitCode !== undefined ? { exitCode: outcome.exitCode } : {}),
    ...("signal" in outcome ? { signal: outcome.signal } : {}),
    ...outputChangesOf(outcome),
  };
}

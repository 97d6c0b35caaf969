import type { Identity } from "../identity/identity.js";
import type { OutcomeStatus } from "./outcome.js";
import type { Run } from "./run.js";

/** A run as others may see it. */
export interface RunRecord {
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

export function maySee(identity: Identity, run: Run): boolean {
  return run.identity.owner === identity.owner && identity.mayRun(run.command);
}

export function recordOfRun(run: Run): RunRecord {
  return {
    run: run.id,
    command: run.command,
    owner: run.identity.owner,
    startedAtMs: run.startedAtMs,
    ...(run.endedAtMs === undefined ? {} : { endedAtMs: run.endedAtMs }),
    status: run.outcome?.status ?? "running",
    outputBytes: run.outputBytes,
  };
}

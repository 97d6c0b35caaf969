/** Counts of runs by time and outcome, and how long they took, from a list of runs. */
import type { RunRecord, RunStatus } from "../api/types.js";

export interface Bucket {
  readonly fromMs: number;
  readonly completed: number;
  /** Runs that were cancelled or refused did not fail. */
  readonly other: number;
  readonly failed: number;
}

const failedStatuses: readonly RunStatus[] = ["failed", "killed", "timeout", "lost"];

export function hasFailed({ status }: Pick<RunRecord, "status">): boolean {
  return failedStatuses.includes(status);
}

/** Buckets of equal width from a time to another, each run in the one in which it started. */
export function bucketsOf(runs: readonly RunRecord[], fromMs: number, toMs: number, count: number): readonly Bucket[] {
  const widthMs = (toMs - fromMs) / count;
  const counts = Array.from({ length: count }, (_, index) => ({
    fromMs: fromMs + index * widthMs,
    completed: 0,
    other: 0,
    failed: 0,
  }));
  for (const run of runs) {
    if (run.startedAtMs === undefined || run.status === "running") continue;
    const bucket = counts[Math.floor((run.startedAtMs - fromMs) / widthMs)];
    if (bucket !== undefined) bucket[run.status === "completed" ? "completed" : hasFailed(run) ? "failed" : "other"]++;
  }
  return counts;
}

export interface CommandStatistics {
  readonly command: string;
  readonly runs: number;
  readonly failed: number;
  /** It counts completed runs only; undefined when there are none. */
  readonly medianMs: number | undefined;
  readonly longestMs: number | undefined;
  readonly lastMs: number | undefined;
}

/** By command, those with the most runs first. */
export function statisticsOf(runs: readonly RunRecord[]): readonly CommandStatistics[] {
  const byCommand = new Map<string, RunRecord[]>();
  for (const run of runs) {
    if (run.status === "running") continue;
    const known = byCommand.get(run.command);
    if (known === undefined) byCommand.set(run.command, [run]);
    else known.push(run);
  }
  return [...byCommand]
    .map(([command, own]) => {
      const durations = own
        .flatMap((run) => (run.status === "completed" ? (durationOf(run) ?? []) : []))
        .toSorted((a, b) => a - b);
      const started = own.flatMap(({ startedAtMs }) => startedAtMs ?? []);
      return {
        command,
        runs: own.length,
        failed: own.filter(hasFailed).length,
        medianMs: durations[Math.floor((durations.length - 1) / 2)],
        longestMs: durations.at(-1),
        lastMs: started.length === 0 ? undefined : Math.max(...started),
      };
    })
    .toSorted((one, other) => other.runs - one.runs || (one.command < other.command ? -1 : 1));
}

export function durationOf({ startedAtMs, endedAtMs }: RunRecord): number | undefined {
  return startedAtMs === undefined || endedAtMs === undefined ? undefined : Math.max(0, endedAtMs - startedAtMs);
}

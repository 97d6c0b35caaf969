/** Limits of the files in which runs are kept. */
import { forever, MiB, type Limit } from "./limit.js";

export const runsFolderLimits = {
  maxStoredOutputBytes: {
    min: 1,
    default: 64 * MiB,
    max: 1024 * 1024 * MiB,
    reason: "output of one run that is kept in files; the oldest is removed first",
  },
  outputSegmentBytes: {
    min: 1,
    default: 4 * MiB,
    max: 1024 * MiB,
    reason: "size of one file with output, which is kept or removed as a whole",
  },
  maxUnwrittenOutputBytes: {
    default: 4 * MiB,
    max: 1024 * MiB,
    reason:
      "output of one run that may wait for the disk; then its writer waits. As much again for the ends of all runs that wait for the disk; beyond it, they lose their values",
  },
  maxStoredValueBytes: {
    default: 4 * MiB,
    max: 64 * MiB,
    reason: "value of a run that is kept in its file; a larger one is gone after a restart",
  },
  maxRunsFolderBytes: {
    default: 1024 * MiB,
    max: 1024 * 1024 * MiB,
    reason: "all files of all runs; those of the oldest ended runs are removed first",
  },
  maxStoredRuns: {
    min: 1,
    default: 10_000,
    max: 1_000_000,
    reason: "runs with a file, and lines of the list of runs; the oldest ended ones are removed first",
  },
  storedRunDays: { default: 7, max: 36_500, reason: "how long a run is kept after its end, as logs are" },
  maxHistoryBytes: {
    default: 16 * MiB,
    max: 1024 * MiB,
    reason: "how much of the newest commands logs a server reads when it starts",
  },
  serverLeaseMs: {
    min: 1,
    default: 10_000,
    max: forever,
    reason:
      "how often a server writes in its runs folder that it lives; after four times this without a sign, others end its runs",
  },
  otherServersIntervalMs: {
    min: 1,
    default: 500,
    max: forever,
    reason: "how often a server looks in its runs folder for the ends of runs of other servers",
  },
  maxRunsPage: { min: 1, default: 100, max: 10_000, reason: "runs in one answer to `runs`" },
} as const satisfies Record<string, Limit>;

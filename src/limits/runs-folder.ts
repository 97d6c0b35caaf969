/** Limits of what is kept of runs in files. */
import { forever, MiB, type Limit } from "./limit.js";

export const runsFolderLimits = {
  maxStoredOutputBytes: {
    min: 1,
    default: 64 * MiB,
    max: 1024 * 1024 * MiB,
    reason: "output of one run in files; the oldest goes first",
  },
  outputSegmentBytes: {
    min: 1,
    default: 4 * MiB,
    max: 1024 * MiB,
    reason: "of one file with output, which is kept or removed as a whole",
  },
  maxUnwrittenOutputBytes: {
    default: 4 * MiB,
    max: 1024 * MiB,
    reason: "output of one run that waits for the disk; then its writer waits",
  },
  maxStoredValueBytes: {
    default: 1 * MiB,
    max: 64 * MiB,
    reason: "the value of a run that is kept in its file; a larger one is gone when the server is started again",
  },
  maxRunsFolderBytes: {
    default: 1024 * MiB,
    max: 1024 * 1024 * MiB,
    reason: "all files of all runs; the oldest ended runs go first",
  },
  maxStoredRuns: {
    min: 1,
    default: 10_000,
    max: 1_000_000,
    reason: "runs with a file, and lines of the list of runs; the oldest ended ones go first",
  },
  storedRunDays: { default: 7, max: 36_500, reason: "after its end a run is kept for so long, as logs are" },
  maxHistoryBytes: {
    default: 16 * MiB,
    max: 1024 * MiB,
    reason: "of the commands logs, the newest, that a server reads when it starts",
  },
  serverLeaseMs: {
    min: 1,
    default: 10_000,
    max: forever,
    reason:
      "a server says in its runs folder this often that it lives; after four times others give its runs their end",
  },
  otherServersIntervalMs: {
    min: 1,
    default: 500,
    max: forever,
    reason: "a server looks this often in its runs folder how runs that other servers there have under way ended",
  },
  maxRunsPage: { min: 1, default: 100, max: 10_000, reason: "runs in one answer to `runs`" },
} as const satisfies Record<string, Limit>;

/** Limits of runs: how many there may be, how long they take, what they print and what is kept of them. */
import { forever, KiB, MiB, type Limit } from "./limit.js";

export const runLimits = {
  maxRunOutputBytes: {
    default: 1 * MiB,
    max: 64 * MiB,
    reason:
      "each of standard output and standard error in the result of a script; the rest is cut, and the result says so",
  },
  maxScriptOutputBytes: {
    default: 1024 * 1024 * 1024 * MiB,
    max: 1024 * 1024 * 1024 * MiB,
    reason:
      "output of a script that sets no max_output of its own. A reader holds the script back, and what is kept has its own limits",
  },
  maxErrorDetailsBytes: {
    default: 4 * KiB,
    max: 64 * KiB,
    reason: "JSON of the details of an error that a command throws; larger details are left out",
  },
  maxErrorMessageCharacters: {
    min: 256,
    default: 8_192,
    max: 64 * KiB,
    reason: "the message of the error that a run ends with; a longer one is cut before anybody is told",
  },
  scriptReadBytes: {
    min: 1,
    default: 256 * KiB,
    max: 256 * KiB,
    reason:
      "output of all scripts together that is read in one turn of the event loop, so that callers have their turn",
  },
  functionWriteBytes: {
    min: 1,
    default: 256 * KiB,
    max: 16 * MiB,
    reason:
      "output that a function writes before its next `write` waits for a turn of the event loop, so that callers have theirs",
  },
  maxProgressLineBytes: {
    default: 1 * KiB,
    max: 64 * KiB,
    reason: "a ::progress line of a script; a longer line is output like any other",
  },
  maxProgressMessageCharacters: {
    default: 1_024,
    max: 64 * KiB,
    reason: "the message of one report of progress; a longer one is cut",
  },
  maxRetainedOutputBytes: {
    default: 1 * MiB,
    max: 64 * MiB,
    reason: "output of one run that is kept in memory for clients that attach later",
  },
  maxRetainedRuns: {
    default: 1_000,
    max: 1_000_000,
    reason: "ended runs whose outcome and output are kept in memory",
  },
  maxKeptRunsBytes: {
    default: 256 * MiB,
    max: 1024 * 1024 * MiB,
    reason: "values and output of all ended runs in memory; the oldest are then read from files, or gone without these",
  },
  callerGraceMs: {
    default: 35_000,
    max: forever,
    reason:
      "how long a version 2 caller whose connection broke may come back for its run; then the run is cancelled. Longer than reconnectTimeoutMs",
  },
  maxMetricCommands: {
    default: 200,
    max: 100_000,
    reason: "commands with metrics of their own; all others count together, as each has some 30 lines",
  },
  maxRuns: { min: 1, default: 64, max: 100_000, reason: "functions and scripts that run at once in one server" },
  maxQueuedRuns: {
    default: 256,
    max: 100_000,
    reason:
      "runs that wait for a place; one more is answered with busy. The arguments of as many and maxRuns more may be checked at once",
  },
  maxQueuedRunsPerKey: { default: 32, max: 100_000, reason: "calls of one concurrency key that wait or have joined" },
  maxThreads: {
    min: 1,
    default: 4,
    max: 1_024,
    reason: "worker threads for commands with thread: true, as in the original",
  },
  maxRunReaders: {
    min: 1,
    default: 1_000,
    max: 1_000_000,
    reason:
      "clients that read the output of one run at once, as each piece of its output goes to all of them; one more is answered with busy",
  },
  queuePositionIntervalMs: {
    default: 500,
    max: forever,
    reason: "how often at most a waiting caller gets a new position in the queue",
  },
  scheduleCatchUpMs: {
    min: 60_000,
    default: 3_600_000,
    max: 86_400_000,
    reason: "how late a planned time that was missed, because the server was down, is still started",
  },
  scheduleClaimMs: {
    min: 1,
    default: 1_000,
    max: 60_000,
    reason:
      "how often a server asks again whether another instance starts a planned time, while the broker cannot say; it asks as long as a missed time is still started",
  },
  scheduleCheckMs: {
    min: 1,
    default: 30_000,
    max: 60_000,
    reason: "how soon schedules notice that the clock was set",
  },
  killGraceMs: {
    default: 5_000,
    max: forever,
    reason: "time between SIGTERM and SIGKILL to the process group of a script",
  },
  terminalResizeIntervalMs: {
    default: 100,
    max: forever,
    reason: "how often at most a script's terminal gets a new size, as each costs a process; the latest counts",
  },
  progressIntervalMs: {
    default: 100,
    max: forever,
    reason: "how often at most progress of a run is sent, because windows do not hold it back; the latest counts",
  },
  threadIdleMs: {
    default: 60_000,
    max: forever,
    reason: "how long a worker thread without work is kept; to start one costs some 50 ms",
  },
  threadLoadGraceMs: {
    default: 10_000,
    max: forever,
    reason:
      "how long a worker thread that must end may go on loading its modules; Node never closes a file that a thread was reading when it was ended",
  },
  processScanTimeoutMs: {
    default: 2_000,
    max: forever,
    reason:
      "time to look through /proc for the processes of a run; a process that is stuck in the kernel may hold the reader",
  },
  pipeGraceMs: {
    default: 1_000,
    max: forever,
    reason: "how long pipes of a script stay open after its exit, when a process that it started holds them",
  },
} as const satisfies Readonly<Record<string, Limit>>;

import { IscepError } from "../errors.js";
import { argumentLimits } from "./arguments.js";
import { clientLimits } from "./clients.js";
import { fileLimits } from "./files.js";
import { forever, KiB, MiB, type Limit } from "./limit.js";
import { runsFolderLimits } from "./runs-folder.js";

export type { Limit } from "./limit.js";

/**
 * Every limit and timeout of iscep, those of src/limits/ among them: name with its unit, default, reason. `limits: { … }` of the server and of `connect`
 * overrides single ones. A test holds the table in SECURITY.md against this file.
 */

export const limitTable = {
  // Bytes
  maxUnauthenticatedPacketBytes: {
    default: 64 * KiB,
    max: 64 * MiB,
    reason: "before a good token nobody may make the server hold more than a small packet",
  },
  maxPacketBytes: {
    min: 1,
    default: 4 * MiB,
    max: 64 * MiB,
    reason: "the largest Size field that is accepted; checked before any memory is taken",
  },
  maxVersion1TlsAnswerBytes: {
    default: 16_384,
    max: 64 * MiB,
    reason: "a version 1 peer reads one TLS record a packet; a larger packet breaks its connection",
  },
  maxVersion1PlainAnswerBytes: {
    default: 64 * KiB - 1,
    max: 64 * MiB,
    reason: "a version 1 peer reads one segment a packet; from 64 KiB on it loses step",
  },
  maxRunOutputBytes: {
    default: 1 * MiB,
    max: 64 * MiB,
    reason: "standard output and error of a script, each, that a version 1 answer can carry; more is cut and flagged",
  },
  maxPendingWriteBytes: {
    default: 1 * MiB,
    max: 64 * MiB,
    reason: "bytes that wait for a slow reader before its connection counts as stalled",
  },

  maxScriptOutputBytes: {
    default: 64 * MiB,
    max: 1024 * 1024 * 1024 * MiB,
    reason: "a script that sets no max_output of its own prints at most this; more is cut and flagged, or ends it",
  },
  maxProgressLineBytes: {
    default: 1 * KiB,
    max: 64 * KiB,
    reason: "a ::progress line of a script; a longer one is output like any other",
  },

  // Version 2
  flushBytes: {
    default: 2 * KiB,
    max: 1 * MiB,
    reason: "messages that are worth a packet before the turn of the event loop ends; the peer works on it meanwhile",
  },
  maxDataBytes: { default: 32 * KiB, max: 4 * MiB, reason: "of one DATA packet: larger ones keep others waiting" },
  streamWindowBytes: {
    default: 256 * KiB,
    max: 64 * MiB,
    reason: "output or input of one run that may be on its way; then its writer waits",
  },
  connectionWindowBytes: { default: 1 * MiB, max: 256 * MiB, reason: "the same for all runs of a connection together" },
  maxRetainedOutputBytes: {
    default: 1 * MiB,
    max: 64 * MiB,
    reason: "output of one run that is kept in memory for those who attach later",
  },
  maxCallsInFlight: {
    default: 1_024,
    max: 1_000_000,
    reason: "calls of one connection that have no answer yet; the server tells its clients",
  },
  maxRetainedRuns: {
    default: 1_000,
    max: 1_000_000,
    reason: "ended runs whose outcome and output are in memory for those who ask",
  },
  runRetentionMs: { default: 600_000, max: forever, reason: "and for how long" },
  callerGraceMs: {
    default: 5_000,
    max: forever,
    reason: "a caller of version 2 whose connection broke may come back for its run; then it is cancelled",
  },
  pingIntervalMs: {
    default: 30_000,
    max: forever,
    reason: "a silent connection of version 2 is asked whether it is there; two questions without an answer end it",
  },
  minPingIntervalMs: {
    default: 5_000,
    max: forever,
    reason: "pings that come sooner on a connection that does nothing else are a flood",
  },
  maxEarlyPings: {
    default: 3,
    max: 1_000,
    reason: "of these before the connection is closed; a client in a hurry has some free",
  },
  maxEarlyCancels: {
    default: 200,
    max: 1_000_000,
    reason: "cancels within 10 s of runs younger than 1 s, before the connection is closed (HTTP/2 Rapid Reset)",
  },
  maxUnknownMessages: {
    default: 100,
    max: 1_000_000,
    reason: "unknown messages that a connection may send before it is closed",
  },

  // Shape of JSON
  maxJsonDepth: {
    min: 1,
    default: 64,
    max: 512,
    reason: "writing deeply nested JSON overflows the stack between 1,000 and 5,000",
  },
  maxJsonItems: {
    default: 1_000_000,
    max: 100_000_000,
    reason: "elements of all arrays in a value that is sent; an empty array may claim to have four billion",
  },
  maxJsonKeys: {
    default: 10_000,
    max: 10_000_000,
    reason: "objects with many keys cost far more memory than their bytes",
  },

  // Counts
  maxConnections: {
    min: 1,
    default: 10_000,
    max: 1_000_000,
    reason: "each idle connection costs about 10 KB and a file descriptor",
  },
  maxRefusedConnections: {
    default: 64,
    max: 100_000,
    reason: "connections over a limit that are told so at once; beyond these they are dropped without a word",
  },
  maxConnectionsPerSource: {
    default: 256,
    max: 1_000_000,
    reason: "one address cannot take all places; loopback and unix sockets are exempt",
  },
  maxUnauthenticatedConnections: {
    default: 512,
    max: 1_000_000,
    reason:
      "from here every new connection is dropped until others have shown a token; loopback and unix sockets are exempt",
  },
  earlyDropStart: {
    default: 128,
    max: 1_000_000,
    reason:
      "unauthenticated connections from which on new ones are dropped at random, 30% at first, all at the limit above",
  },
  maxFailedTokensPerConnection: { default: 6, max: 1_000, reason: "guesses on one connection before it is closed" },
  maxPenalisedSources: {
    default: 65_536,
    max: 1_000_000,
    reason: "addresses remembered for failed tokens; memory stays bounded",
  },
  maxRuns: { min: 1, default: 64, max: 100_000, reason: "functions and scripts that run at once in one server" },
  maxQueuedRuns: { default: 256, max: 100_000, reason: "runs that wait for a place; one more is answered with busy" },
  maxQueuedRunsPerKey: { default: 32, max: 100_000, reason: "calls of one concurrency key that wait, or have joined" },
  maxThreads: {
    min: 1,
    default: 4,
    max: 1_024,
    reason: "worker threads for commands with thread: true, as in the original",
  },
  maxShownProblems: {
    default: 5,
    max: 1_000,
    reason: "faults of a call's arguments that one message tells; the rest is counted",
  },
  maxShownCharacters: {
    default: 64,
    max: 10_000,
    reason: "of a caller's own word, such as an unknown argument's name, that a message repeats",
  },
  listenBacklog: {
    default: 4_096,
    max: 65_535,
    reason: "with Node's 511 a burst of connections waits a second for a retry",
  },

  // Times
  tlsHandshakeTimeoutMs: {
    default: 5_000,
    max: forever,
    reason: "Node's own default of 120 s lets silent peers collect",
  },
  authenticationTimeoutMs: {
    default: 10_000,
    max: forever,
    reason: "from connect to the first packet with a good token; the original closes an idle connection after as long",
  },
  packetTimeoutMs: {
    default: 10_000,
    max: forever,
    reason: "from a packet's first byte to its last; absolute, so that dripping bytes does not extend it",
  },
  packetTimeoutPer64KiBMs: {
    default: 1_000,
    max: forever,
    reason: "added to the packet timeout for each 64 KiB that has come",
  },
  idleTimeoutMs: {
    default: 120_000,
    max: forever,
    reason: "a version 1 connection without a packet and without a run",
  },
  writeStallTimeoutMs: { default: 10_000, max: forever, reason: "a reader that takes nothing for so long is gone" },
  lingerTimeoutMs: {
    default: 1_000,
    max: forever,
    reason: "after the last packet and our FIN, the time to read it before the socket is destroyed",
  },
  runTimeoutMs: {
    default: 300_000,
    max: forever,
    reason: "a run without a timeout of its own; a version 1 caller that has gone cannot cancel",
  },
  queuePositionIntervalMs: { default: 500, max: forever, reason: "who waits hears of a new position this often" },
  scheduleCatchUpMs: {
    min: 60_000,
    default: 3_600_000,
    max: 86_400_000,
    reason: "a planned time of a schedule that was missed, as the server was down, is made up for within this",
  },
  scheduleCheckMs: {
    min: 1,
    default: 30_000,
    max: 60_000,
    reason: "schedules notice within this that the clock was set",
  },
  killGraceMs: { default: 5_000, max: forever, reason: "between SIGTERM and SIGKILL to the process group of a script" },
  progressIntervalMs: {
    default: 100,
    max: forever,
    reason: "progress of a script is told at most this often, the latest counts: it is not held back by windows",
  },
  threadIdleMs: {
    default: 60_000,
    max: forever,
    reason: "a worker thread without work ends after this; starting one costs some 50 ms",
  },
  processScanTimeoutMs: {
    default: 2_000,
    max: forever,
    reason: "looking through /proc for what a run has started; a process stuck in the kernel may hold its reader",
  },
  pipeGraceMs: {
    default: 1_000,
    max: forever,
    reason: "after a script's exit a grandchild may hold its pipes; they are then destroyed",
  },
  closeGraceMs: { default: 10_000, max: forever, reason: "for runs under way when the server closes" },
  penaltyMs: { default: 5_000, max: forever, reason: "added for each failed token of an address" },
  penaltyStartMs: {
    default: 15_000,
    max: forever,
    reason: "sum from which the address is refused: three mistakes are free",
  },
  maxPenaltyMs: { default: 600_000, max: forever, reason: "an address is never refused for longer" },

  ...argumentLimits,
  ...clientLimits,
  ...fileLimits,
  ...runsFolderLimits,
} as const satisfies Record<string, Limit>;

export type LimitName = keyof typeof limitTable;
export type Limits = { readonly [Name in LimitName]: number };

export const defaultLimits: Limits = Object.freeze(
  Object.fromEntries(Object.entries(limitTable).map(([name, limit]) => [name, limit.default])),
) as Limits;

/**
 * The defaults with single limits replaced.
 * @throws IscepError `usage` for an unknown name, or a value that is no whole number from 0 to the limit's maximum.
 */
export function resolveLimits(overrides: Partial<Limits> = {}): Limits {
  const resolved: Record<string, number> = { ...defaultLimits };
  for (const [name, value] of Object.entries(overrides)) {
    if (value === undefined) continue;
    if (!isLimitName(name))
      throw new IscepError("usage", `there is no limit named "${name}"; src/limits.ts lists them`);
    const { min = 0, max }: Limit = limitTable[name];
    if (!Number.isSafeInteger(value) || value < min || value > max) {
      throw new IscepError("usage", `limit ${name} must be a whole number from ${min} to ${max}, not ${String(value)}`);
    }
    resolved[name] = value;
  }
  return resolved as Limits;
}

function isLimitName(name: string): name is LimitName {
  return Object.hasOwn(limitTable, name);
}

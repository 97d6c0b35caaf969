import { IscepError } from "./errors.js";

/**
 * Every limit and timeout of iscep: name with its unit, default, reason. `limits: { … }` of the server and of `connect`
 * overrides single ones. A test holds the table in SECURITY.md against this file.
 */

const forever = 2 ** 31 - 1; // the longest delay that Node's timers take
const KiB = 1024;
const MiB = 1024 * KiB;

export interface Limit {
  readonly default: number;
  /** The smallest value that may be configured; 0 where it is not said. */
  readonly min?: number;
  /** The largest value that may be configured. */
  readonly max: number;
  readonly reason: string;
}

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
  maxLogFieldBytes: { default: 2 * KiB, max: 64 * KiB, reason: "one hostile value cannot fill the log" },
  maxLogBufferBytes: {
    default: 4 * MiB,
    max: 1024 * MiB,
    reason: "lines of one log that wait for a disk that takes nothing; more are counted and dropped",
  },
  maxTokensFileBytes: { default: 4 * MiB, max: 64 * MiB, reason: "about 10,000 tokens; a larger file is a mistake" },
  maxConfigurationBytes: { default: 1 * MiB, max: 64 * MiB, reason: "an iscep.yaml; a larger one is a mistake" },
  maxArgumentBytes: {
    default: 64 * KiB,
    max: 64 * MiB,
    reason: "a string in declared arguments that sets no maxLength of its own, in UTF-8",
  },
  maxArgvElementBytes: {
    default: 131_071,
    max: 131_071,
    reason: "one argument of a script; with a byte more Linux refuses to start it",
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
    reason: "ended runs whose outcome and output can still be asked for",
  },
  runRetentionMs: { default: 600_000, max: forever, reason: "and for how long" },
  answerGraceMs: {
    default: 1_000,
    max: forever,
    reason: "client: the server enforces a call's timeout, and this is how long its answer may take after that",
  },
  reconnectMinDelayMs: {
    default: 50,
    max: forever,
    reason:
      "client: before the first attempt to come back; doubles, with jitter, so that a restarted server is not stormed",
  },
  reconnectMaxDelayMs: { default: 2_000, max: forever, reason: "client: and never longer than this" },
  reconnectTimeoutMs: {
    default: 30_000,
    max: forever,
    reason: "client: after this the runs that it wanted to take up again are lost",
  },
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
  maxThreads: {
    min: 1,
    default: 4,
    max: 1_024,
    reason: "worker threads for commands with thread: true, as in the original",
  },
  maxQueuedCalls: {
    default: 10_000,
    max: 1_000_000,
    reason: "calls that one client may have waiting on its version 1 connection",
  },
  maxArgumentItems: {
    default: 1_000,
    max: 1_000_000,
    reason: "a list in declared arguments that sets no maxItems of its own",
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
  maxLogFiles: { min: 1, default: 7, max: 3_650, reason: "days of logs that are kept, as in the original" },
  maxLogArguments: {
    default: 32,
    max: 10_000,
    reason: "names of arguments in a line of the commands log; the rest is counted",
  },
  maxLogCauses: {
    default: 5,
    max: 100,
    reason: "an error and its causes in a line of the error log; chains may be endless",
  },
  maxLoggedSources: {
    default: 4_096,
    max: 1_000_000,
    reason: "addresses whose malformed input is counted apart; beyond, together",
  },
  maxYamlAliases: { default: 100, max: 10_000, reason: "aliases of aliases in an iscep.yaml grow without bound" },
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
  killGraceMs: { default: 5_000, max: forever, reason: "between SIGTERM and SIGKILL to the process group of a script" },
  threadIdleMs: {
    default: 60_000,
    max: forever,
    reason: "a worker thread without work ends after this; starting one costs some 50 ms",
  },
  pipeGraceMs: {
    default: 1_000,
    max: forever,
    reason: "after a script's exit a grandchild may hold its pipes; they are then destroyed",
  },
  closeGraceMs: { default: 10_000, max: forever, reason: "for runs under way when the server closes" },
  connectTimeoutMs: {
    default: 10_000,
    max: forever,
    reason: "client: address look-up, TCP and TLS handshake together",
  },
  callTimeoutMs: {
    default: 330_000,
    max: forever,
    reason:
      "client: longer than runTimeoutMs, so that the server's own answer comes first; the original's 5 s lost long backups",
  },
  penaltyMs: { default: 5_000, max: forever, reason: "added for each failed token of an address" },
  penaltyStartMs: {
    default: 15_000,
    max: forever,
    reason: "sum from which the address is refused: three mistakes are free",
  },
  maxPenaltyMs: { default: 600_000, max: forever, reason: "an address is never refused for longer" },
  malformedLogIntervalMs: {
    default: 1_000,
    max: forever,
    reason: "malformed input makes a line a source at most this often; the rest is counted",
  },
  logFlushMs: {
    default: 500,
    max: forever,
    reason: "lines wait this long at most, so that many go to the disk in one write",
  },
  logProblemIntervalMs: {
    default: 60_000,
    max: forever,
    reason: "a log that cannot be written says so at most this often",
  },
  tokensFileCheckMs: {
    default: 250,
    max: forever,
    reason: "the tokens file's date is compared this often where the system reports no changes",
  },
  fileLockTimeoutMs: {
    default: 10_000,
    max: forever,
    reason: "waiting for another process that writes the tokens file",
  },
  tokenLifetimeDays: {
    default: 90,
    max: 36_500,
    reason: "a new token's, unless said otherwise: a forgotten token ends by itself",
  },
  tokenWarningDays: {
    default: 14,
    max: 36_500,
    reason: "before a token expires its server says so, in time to rotate it",
  },
  certificateLifetimeDays: {
    default: 3_650,
    max: 36_500,
    reason:
      "of a certificate that iscep makes: clients trust its key by the pin, and a date would only stop the service",
  },
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

import { IscepError } from "../errors.js";
import { argumentLimits } from "./arguments.js";
import { clientLimits } from "./clients.js";
import { fileLimits } from "./files.js";
import { forever, KiB, MiB, type Limit } from "./limit.js";
import { httpLimits } from "./http.js";
import { mcpLimits } from "./mcp.js";
import { natsLimits } from "./nats.js";
import { natsServiceLimits } from "./nats-service.js";
import { noticeLimits } from "./notices.js";
import { runLimits } from "./runs.js";
import { runsFolderLimits } from "./runs-folder.js";

export type { Limit } from "./limit.js";

/**
 * Every limit and timeout of iscep, with those of the other files of this folder. The end of a name is its unit. `limits: { … }` of
 * the server and of `connect` changes single limits. A test holds the table in SECURITY.md against this one.
 */
export const limitTable = {
  // Bytes
  maxUnauthenticatedPacketBytes: {
    default: 64 * KiB,
    max: 64 * MiB,
    reason: "packet before a good token: no stranger may make the server hold more",
  },
  maxUnauthenticatedBytes: {
    default: 256 * KiB,
    max: 1024 * MiB,
    reason:
      "bytes that a connection may send in all before a good token; a greeting, a proof and some mistakes need less",
  },
  maxPacketBytes: {
    min: 1,
    default: 4 * MiB,
    max: 64 * MiB,
    reason: "the largest Size field that is accepted; it is checked before any memory is taken",
  },
  maxVersion1TlsAnswerBytes: {
    default: 16_384,
    max: 64 * MiB,
    reason: "a version 1 peer reads one TLS record for each packet; a larger packet breaks its connection",
  },
  maxVersion1PlainAnswerBytes: {
    default: 64 * KiB - 1,
    max: 64 * MiB,
    reason: "a version 1 peer reads one segment for each packet; from 64 KiB on it loses step",
  },
  maxPendingWriteBytes: {
    default: 1 * MiB,
    max: 64 * MiB,
    reason:
      "output that waits for a slow reader of one connection; with answers it may be twice as much, then nothing more is done for that connection",
  },
  maxServerPendingWriteBytes: {
    default: 256 * MiB,
    max: 1024 * 1024 * MiB,
    reason: "the same for all connections of a server together; beyond that only those who have read get more",
  },

  // Version 2
  flushBytes: {
    default: 2 * KiB,
    max: 1 * MiB,
    reason:
      "messages are sent from this size on, before the turn of the event loop ends, so that the peer can begin to work",
  },
  maxDataBytes: {
    default: 32 * KiB,
    max: 4 * MiB,
    reason: "bytes of one DATA packet; larger packets keep other calls waiting",
  },
  streamWindowBytes: {
    default: 256 * KiB,
    max: 64 * MiB,
    reason: "output or input of one run that may be on its way; then the writer waits",
  },
  connectionWindowBytes: { default: 1 * MiB, max: 256 * MiB, reason: "the same for all runs of a connection together" },
  maxCallsInFlight: {
    default: 1_024,
    max: 1_000_000,
    reason: "calls of one connection that have no answer yet; the server announces this number to its clients",
  },
  runRetentionMs: { default: 600_000, max: forever, reason: "how long an ended run is kept in memory" },
  pingIntervalMs: {
    default: 30_000,
    max: forever,
    reason:
      "how often a silent connection of version 2 is asked whether it is alive; two pings without an answer end it",
  },
  minPingIntervalMs: {
    default: 5_000,
    max: forever,
    reason: "pings that come sooner than this, on a connection that does nothing else, count as early",
  },
  maxEarlyPings: {
    default: 3,
    max: 1_000,
    reason: "early pings before the connection is closed as a flood; a client in a hurry may send a few",
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
    reason: "depth of JSON; to write deeply nested JSON overflows the stack between 1,000 and 5,000",
  },
  maxJsonItems: {
    default: 1_000_000,
    max: 100_000_000,
    reason: "elements of all arrays in a value that is sent; an empty array may claim to have four billion",
  },
  maxJsonKeys: {
    default: 10_000,
    max: 10_000_000,
    reason: "keys in a JSON text; objects with many keys cost far more memory than their bytes",
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
    reason: "connections over a limit that get an answer at once; beyond these they are dropped without one",
  },
  maxConnectionsPerSource: {
    default: 256,
    max: 1_000_000,
    reason: "connections of one address, so that it cannot take all places; loopback and unix sockets are exempt",
  },
  maxUnauthenticatedConnections: {
    default: 512,
    max: 1_000_000,
    reason:
      "connections without a token; one more takes the place of the oldest of the address that has the most, or is dropped when that is its own; loopback and unix sockets are exempt",
  },
  earlyDropStart: {
    default: 128,
    max: 1_000_000,
    reason:
      "connections without a token of one address from which on its new ones are dropped at random: 30% at first, all at the limit above",
  },
  maxFailedTokensPerConnection: {
    default: 6,
    max: 1_000,
    reason:
      "wrong tokens, or unreadable packets of version 1 before a good token, on one connection before it is closed",
  },
  maxPenalisedSources: {
    default: 65_536,
    max: 1_000_000,
    reason: "addresses that are remembered for wrong tokens, so that memory stays bounded",
  },
  maxShownProblems: {
    default: 5,
    max: 1_000,
    reason: "faults of a call's arguments that one message names; the rest is counted",
  },
  maxShownCharacters: {
    default: 64,
    max: 10_000,
    reason: "characters of a caller's own word, such as the name of an unknown argument, that a message repeats",
  },
  listenBacklog: {
    default: 4_096,
    max: 65_535,
    reason:
      "connections that wait for the server to accept them; with Node's 511, some of a burst wait a second for a retry",
  },

  // Times
  tlsHandshakeTimeoutMs: {
    default: 5_000,
    max: forever,
    reason: "time for a TLS handshake; with Node's default of 120 s, silent peers would pile up",
  },
  authenticationTimeoutMs: {
    default: 10_000,
    max: forever,
    reason:
      "time from connect to the first packet with a good token; the original closes an idle connection after as long",
  },
  workSliceMs: {
    min: 1,
    default: 2,
    max: 1_000,
    reason:
      "time for what one connection has sent, before others have their turn; all connections without a token share one such time",
  },
  packetTimeoutMs: {
    default: 10_000,
    max: forever,
    reason: "time from a packet's first byte to its last, however slowly the bytes come",
  },
  packetTimeoutPer64KiBMs: {
    default: 1_000,
    max: forever,
    reason: "added to the packet timeout for each 64 KiB that has come",
  },
  idleTimeoutMs: {
    default: 120_000,
    max: forever,
    reason: "how long a version 1 connection may be without a packet and without a run",
  },
  writeStallTimeoutMs: {
    default: 10_000,
    max: forever,
    reason: "a reader that takes nothing, or grants nothing for output that waits for it, for this long is gone",
  },
  lingerTimeoutMs: {
    default: 1_000,
    max: forever,
    reason: "how long the peer has to read our last packet before the socket is destroyed",
  },
  runTimeoutMs: {
    default: 300_000,
    max: forever,
    reason: "time for a run whose command sets no timeout; a version 1 caller cannot cancel it",
  },
  closeGraceMs: { default: 10_000, max: forever, reason: "how long runs may go on when the server closes" },
  penaltyMs: { default: 5_000, max: forever, reason: "added to the penalty of an address for each wrong token" },
  penaltyStartMs: {
    default: 15_000,
    max: forever,
    reason: "penalty from which the address is refused, so three mistakes are free",
  },
  maxPenaltyMs: { default: 600_000, max: forever, reason: "the longest time that an address is refused" },

  ...runLimits,
  ...argumentLimits,
  ...clientLimits,
  ...httpLimits,
  ...mcpLimits,
  ...natsLimits,
  ...natsServiceLimits,
  ...fileLimits,
  ...runsFolderLimits,
  ...noticeLimits,
} as const satisfies Record<string, Limit>;

export type LimitName = keyof typeof limitTable;
export type Limits = { readonly [Name in LimitName]: number };

/** Never changed, and never handed out. To copy a frozen object of this size takes 40 µs, and this one takes 1. */
const defaults: Readonly<Record<string, number>> = Object.fromEntries(
  Object.entries(limitTable).map(([name, limit]) => [name, limit.default]),
);

export const defaultLimits = Object.freeze({ ...defaults }) as Limits;

/**
 * The defaults with single limits replaced.
 * @throws IscepError `usage` for an unknown name, or a value that is not a whole number between the limit's minimum and maximum
 */
export function resolveLimits(overrides?: Partial<Limits>): Limits {
  if (overrides === undefined) return defaultLimits;
  const resolved: Record<string, number> = { ...defaults };
  for (const [name, value] of Object.entries(overrides)) {
    if (value === undefined) continue;
    if (!isLimitName(name)) throw new IscepError("usage", `there is no limit named "${name}"; SECURITY.md lists them`);
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

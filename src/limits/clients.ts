/** Limits of clients. A server does not use them. */
import { forever, MiB, type Limit } from "./limit.js";

export const clientLimits = {
  answerGraceMs: {
    default: 1_000,
    max: forever,
    reason:
      "client: how much longer than a call's timeout it waits for the answer, because the server enforces the timeout",
  },
  reconnectMinDelayMs: {
    default: 50,
    max: forever,
    reason:
      "client: the wait before the first attempt to connect again; it doubles, with jitter, so that clients do not all return at once",
  },
  reconnectMaxDelayMs: {
    default: 2_000,
    max: forever,
    reason: "client: the longest wait between two attempts to connect again",
  },
  reconnectTimeoutMs: {
    default: 30_000,
    max: forever,
    reason: "client: how long it tries to come back for its runs; then they are lost",
  },
  maxListedCommands: {
    default: 100_000,
    max: 10_000_000,
    reason: "client: commands that it takes from a server's list, which comes in pages; more would fill its memory",
  },
  maxProtocolFaults: {
    min: 1,
    default: 3,
    max: 1_000,
    reason:
      "client: connections, one after the other, on which the server broke the protocol; after these its runs are lost",
  },
  maxTokenConnections: {
    min: 1,
    default: 8,
    max: 10_000,
    reason:
      "client of version 2: further connections for calls with other tokens; those without a call are closed first",
  },
  maxQueuedCalls: {
    default: 10_000,
    max: 1_000_000,
    reason: "client: calls that may wait on its version 1 connection",
  },
  connectTimeoutMs: {
    default: 10_000,
    max: forever,
    reason:
      "client: the time for address look-up, TCP, TLS handshake and greeting together. Over a broker, as much again for the server's proof",
  },
  natsGoneMs: {
    min: 1,
    default: 4_000,
    max: forever,
    reason:
      "client over NATS: an instance of which it has heard nothing for so long is gone, and the runs there are lost",
  },
  maxKnownInstances: {
    min: 1,
    default: 1_000,
    max: 1_000_000,
    reason: "client over NATS: instances of a service that it knows; anybody who may publish there can invent more",
  },
  natsStrangerMs: {
    min: 1,
    default: 1_000,
    max: forever,
    reason:
      "client over NATS: how long it waits for the proof of an instance that it does not know, before it goes on without it",
  },
  natsPauseMs: {
    min: 1,
    default: 1_000,
    max: forever,
    reason: "client over NATS: how long it leaves an instance alone that it could not reach; it doubles each time",
  },
  natsMaxPauseMs: {
    min: 1,
    default: 30_000,
    max: forever,
    reason: "client over NATS: the longest such pause",
  },
  maxRememberedRuns: {
    min: 1,
    default: 10_000,
    max: 10_000_000,
    reason:
      "client over NATS: runs, and as many keys, of which it remembers the instance; for others it asks all instances",
  },
  maxCallMoves: {
    default: 3,
    max: 1_000,
    reason:
      "client over NATS: how often a call that waits is given to another instance that has room; then it keeps its place",
  },
  tlsSessionLifetimeMs: {
    default: 5 * 60_000,
    max: 86_400_000,
    reason:
      "client: how long after a full TLS handshake its session may be resumed; then the server shows its certificate again. 0: never resumed",
  },
  maxTlsSessions: {
    default: 64,
    max: 10_000,
    reason: "client: TLS sessions that the process keeps for resumption, and TLS contexts, one for each trust",
  },
  callTimeoutMs: {
    default: 330_000,
    max: forever,
    reason:
      "client: longer than runTimeoutMs, so that the server's own answer comes first; with the original's 5 s, long backups were lost",
  },
  maxCollectedOutputBytes: {
    default: 64 * MiB,
    max: 1024 * MiB,
    reason:
      "command line: output of one run that --json holds in memory; if there is more, it prints what the server's answer holds",
  },
  followTimeoutMs: {
    default: 20 * 86_400_000,
    max: forever,
    reason:
      "command line: how long it follows a run when nobody set a timeout; the run's own timeout ends it much sooner, and timers take at most 24 days",
  },
  completionTimeoutMs: {
    default: 1_500,
    max: forever,
    reason: "command line: how long TAB waits for a server, because a person waits with it",
  },
  completionCacheMs: {
    default: 60_000,
    max: forever,
    reason:
      "command line: how long the answer for TAB counts, so that the next TAB is quick and a new command shows soon",
  },
  maxCompletionCacheBytes: {
    default: 1 * MiB,
    max: 64 * MiB,
    reason: "command line: a larger answer for TAB is not kept in a file",
  },
} as const satisfies Record<string, Limit>;

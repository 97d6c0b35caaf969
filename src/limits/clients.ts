/** Limits of clients; a server does not go by them. */
import { forever, MiB, type Limit } from "./limit.js";

export const clientLimits = {
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
  maxTokenConnections: {
    min: 1,
    default: 8,
    max: 10_000,
    reason: "version 2: further connections, for calls with another token; those without a call are closed first",
  },
  maxQueuedCalls: {
    default: 10_000,
    max: 1_000_000,
    reason: "calls that one client may have waiting on its version 1 connection",
  },
  connectTimeoutMs: {
    default: 10_000,
    max: forever,
    reason: "client: address look-up, TCP and TLS handshake and greeting together",
  },
  callTimeoutMs: {
    default: 330_000,
    max: forever,
    reason:
      "client: longer than runTimeoutMs, so that the server's own answer comes first; the original's 5 s lost long backups",
  },
  maxCollectedOutputBytes: {
    default: 64 * MiB,
    max: 1024 * MiB,
    reason:
      "command line: output of one run that --json holds in memory; of more it prints what the server's answer holds",
  },
  followTimeoutMs: {
    default: 20 * 86_400_000,
    max: forever,
    reason:
      "command line: how long a run is followed when nobody said a timeout; its own ends it much sooner, and timers take no more than 24 days",
  },
  completionTimeoutMs: {
    default: 1_500,
    max: forever,
    reason: "command line: a server that is asked at TAB; somebody waits with a line half typed",
  },
  completionCacheMs: {
    default: 60_000,
    max: forever,
    reason: "command line: its answer counts for so long, so that the next TAB is quick, and a new command soon shows",
  },
  maxCompletionCacheBytes: {
    default: 1 * MiB,
    max: 64 * MiB,
    reason: "command line: an answer larger than this is not kept in a file",
  },
} as const satisfies Record<string, Limit>;

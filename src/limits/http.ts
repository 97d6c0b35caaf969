/** Limits of the HTTP door. */
import { forever, KiB, MiB, type Limit } from "./limit.js";

export const httpLimits = {
  maxPipelinedRequests: {
    min: 1,
    default: 32,
    max: 10_000,
    reason: "HTTP: requests that a connection may send before it has their answers; with one more it is cut",
  },
  maxHttpHeadBytes: {
    min: 1_024,
    default: 16_384,
    max: 1_048_576,
    reason: "HTTP: all header fields of a request together, with its first line",
  },
  eventHeartbeatMs: {
    default: 15_000,
    max: forever,
    reason:
      "HTTP: after so long without an event a comment is sent, so that no proxy takes a stream of events for dead",
  },
  maxTypedBytes: {
    min: 1,
    default: 64 * KiB,
    max: 64 * MiB,
    reason:
      "HTTP: standard input of a run that waits for the command, where each request brings a piece of it; also the body of such a request",
  },
  maxTypingRequests: {
    min: 1,
    default: 32,
    max: 10_000,
    reason: "HTTP: requests that wait until the standard input of one run takes more; one more is refused",
  },
  typedInputTimeoutMs: {
    default: 10_000,
    max: forever,
    reason: "HTTP: how long such a request waits for a command that does not read; then nothing of it is taken",
  },
  maxBrowserSessions: {
    default: 1_000,
    max: 1_000_000,
    reason: "HTTP: browsers that are signed in; the oldest session makes room",
  },
  browserSessionMs: {
    default: 43_200_000,
    max: forever,
    reason: "HTTP: how long a browser stays signed in",
  },
} as const satisfies Record<string, Limit>;

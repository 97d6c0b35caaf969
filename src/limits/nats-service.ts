/** Limits of requests without a session, and of calls that wait in JetStream. */
import { forever, KiB, MiB, type Limit } from "./limit.js";

export const natsServiceLimits = {
  natsClockSkewMs: {
    min: 1_000,
    default: 90_000,
    max: 3_600_000,
    reason:
      "NATS: how far the time in a proof of a single request may be from the server's clock; the request is remembered for twice as long, so that it counts once",
  },
  natsMaxRememberedRequests: {
    min: 1,
    default: 65_536,
    max: 10_000_000,
    reason: "NATS: single requests of one token that are remembered; while there are so many, further ones are refused",
  },
  natsMaxAllRememberedRequests: {
    min: 1,
    default: 262_144,
    max: 100_000_000,
    reason:
      "NATS: single requests of all tokens together that are remembered; while there are so many, further ones are refused",
  },
  natsMaxRequests: {
    min: 1,
    default: 1_024,
    max: 1_000_000,
    reason:
      "NATS: single requests that have no answer yet; as many more may be under way to other instances, and further ones are refused",
  },
  natsMaxDiscoveriesPerSecond: {
    min: 1,
    default: 100,
    max: 1_000_000,
    reason: "NATS: questions of PING, INFO, STATS and of durable calls that are answered in a second; more are dropped",
  },
  natsMaxRefusedPerSecond: {
    min: 1,
    default: 100,
    max: 1_000_000,
    reason:
      "NATS: single requests without a good proof that are answered in a second; more are dropped without an answer",
  },
  natsHandOverMs: {
    min: 1,
    default: 2_000,
    max: forever,
    reason: "NATS: how long an instance waits for another one to say whether it takes a request",
  },
  natsLeaveMs: {
    default: 50,
    max: 60_000,
    reason:
      "NATS: for how long an instance that closes still takes requests, and hands them over, while others are full; lingerTimeoutMs at most",
  },
  natsMaxHops: {
    min: 0,
    default: 8,
    max: 64,
    reason: "NATS: how many instances a request may be given to, one after the other, before it waits or is refused",
  },
  natsMaxInstances: {
    min: 1,
    default: 1_000,
    max: 100_000,
    reason: "NATS: other instances whose beats an instance remembers",
  },
  natsDurableMs: {
    min: 1_000,
    default: 604_800_000,
    max: forever,
    reason: "NATS: how long a durable call may wait for an instance, and how old its proof may be then",
  },
  natsMaxDurableCalls: {
    min: 1,
    default: 4_096,
    max: 1_000_000_000,
    reason:
      "NATS: durable calls that wait; one more is refused. The bound is a number, because a stream with a bound in bytes removes its oldest messages",
  },
  natsMaxDurableCallBytes: {
    min: 4_096,
    default: 64 * KiB,
    max: 64 * MiB,
    reason:
      "NATS: size of a durable call with its headers; this times `natsMaxDurableCalls` is the most that calls take of the broker's disk",
  },
  natsRedeliverMs: {
    min: 100,
    default: 10_000,
    max: forever,
    reason: "NATS: when an instance took a durable call and said nothing for so long, another one gets it",
  },
  natsTakeMs: {
    min: 1_000,
    default: 10_000,
    max: forever,
    reason: "NATS: how long an instance that has room waits for a durable call before it asks again",
  },
  natsMaxClaims: {
    min: 1,
    default: 262_144,
    max: 1_000_000_000,
    reason:
      "NATS: keys that the broker remembers in each of three buckets (started calls, planned times, requests), with at most some 400 bytes of its disk each",
  },
} as const satisfies Record<string, Limit>;

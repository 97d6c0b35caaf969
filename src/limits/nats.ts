/** Limits of the NATS door, and of clients that come over a broker. */
import { forever, KiB, MiB, type Limit } from "./limit.js";

export const natsLimits = {
  natsConnectTimeoutMs: {
    min: 1,
    default: 5_000,
    max: forever,
    reason: "NATS: the time for one attempt to reach the broker: address look-up, TCP, TLS and greeting together",
  },
  natsReconnectMs: {
    min: 1,
    default: 500,
    max: forever,
    reason: "NATS: the wait between two attempts to reach a broker that is gone; they go on for ever",
  },
  natsPingMs: {
    min: 1,
    default: 2_000,
    max: forever,
    reason: "NATS: how often the broker is asked whether it is there; after two questions without an answer it is gone",
  },
  natsBeatMs: {
    min: 1,
    default: 1_000,
    max: forever,
    reason: "NATS: how often an instance tells that it is there, and how much it has to do",
  },
  natsMaxStrangers: {
    min: 1,
    default: 256,
    max: 1_000_000,
    reason:
      "NATS: links of callers who have shown no good token yet; one more takes the place of the oldest, because nobody knows whose they are",
  },
  natsMaxLinksPerSecond: {
    min: 1,
    default: 500,
    max: 1_000_000,
    reason:
      "NATS: new links that an instance takes in a second, and refusals that it answers in a second; the rest is dropped",
  },
  natsMaxAnswersPerSecond: {
    min: 1,
    default: 100,
    max: 1_000_000,
    reason: "NATS: answers of an instance in a second to the question which instances there are; beats come anyway",
  },
  natsMessageBytes: {
    min: 64,
    default: 128 * KiB,
    max: 64 * MiB,
    reason: "NATS: bytes of a link in one message, if the broker's max_payload is not lower",
  },
  natsLinkWindowBytes: {
    min: 16 * KiB,
    default: 1 * MiB,
    max: 64 * MiB,
    reason:
      "NATS: bytes of one link on their way in one direction, so a slow reader never fills the broker; as much as the runs of a connection may have on their way",
  },
  natsStreamWindowBytes: {
    min: 1,
    default: 1 * MiB,
    max: 64 * MiB,
    reason:
      "NATS: in place of `streamWindowBytes`, unless that is larger; a window waits for two hops more than over a socket, and each grant is a message of the broker",
  },
  natsWindowsBytes: {
    default: 32 * MiB,
    max: 1024 * MiB,
    reason:
      "NATS: the same for all links that a process receives on; when it is used up, the others keep the 16 KiB of their beginning. A broker cuts a client for which 64 MiB wait",
  },
  natsUnsentBytes: {
    min: 64 * KiB,
    default: 8 * MiB,
    max: 1024 * MiB,
    reason: "NATS: bytes that a process may have sent before the broker has said that it took them",
  },
} as const satisfies Record<string, Limit>;

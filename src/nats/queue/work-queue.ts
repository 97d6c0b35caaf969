/**
 * Durable calls wait in a stream of JetStream from which each is taken once. The first client or instance that needs
 * the stream makes it.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { Consumer, JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import type { Limits } from "../../limits/limits.js";
import type { Broker } from "../broker.js";
import { callSubjects } from "../call-subjects.js";
import { Claims } from "./claims.js";
import { beingMadeMs, isBeingMade, jetStreamFault } from "./jetstream-faults.js";

const nanos = 1_000_000;
const consumerName = "iscep";
const noStream = 10_059;

type QueueLimits = Pick<Limits, "natsDurableMs" | "natsMaxDurableBytes" | "natsRedeliverMs">;

export function queueName(service: string): string {
  return `iscep_${service}`;
}

export interface WorkQueue {
  readonly jetStream: JetStreamClient;
  readonly streams: JetStreamManager["streams"];
  /** Resolves to the same consumer each time. When it fails, open the queue again. */
  consumer(): Promise<Consumer>;
}

/**
 * Opens the queue, and makes what is missing. A stream that an operator has made with other terms, such as copies on
 * several brokers, is kept. The consumer gets our terms. @throws IscepError `busy`, `unauthorized`
 */
export async function openWorkQueue(broker: Broker, service: string, limits: QueueLimits): Promise<WorkQueue> {
  const { jetstream, jetstreamManager, AckPolicy, DiscardPolicy, RetentionPolicy, StorageType } =
    await import("@nats-io/jetstream");
  const stream = queueName(service);
  try {
    const manager = await jetstreamManager(broker.connection, { checkAPI: false });
    const jetStream = jetstream(broker.connection);
    try {
      await manager.streams.info(stream);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === noStream)) throw error;
      const made = manager.streams.add({
        name: stream,
        subjects: [`${callSubjects.submits(service)}>`],
        retention: RetentionPolicy.Workqueue,
        storage: StorageType.File,
        // A new call is refused, so that its caller knows. An old one that made room would be gone silently.
        discard: DiscardPolicy.New,
        max_age: limits.natsDurableMs * nanos,
        max_bytes: limits.natsMaxDurableBytes,
      });
      await made.catch((fault: unknown) => {
        if (!isBeingMade(fault)) throw fault;
        return pause(beingMadeMs);
      });
    }
    const open = async (): Promise<Consumer> => {
      await manager.consumers.add(stream, {
        durable_name: consumerName,
        ack_policy: AckPolicy.Explicit,
        ack_wait: limits.natsRedeliverMs * nanos,
        max_deliver: -1,
        max_ack_pending: 10_000,
      });
      return jetStream.consumers.get(stream, consumerName);
    };
    let opened: Promise<Consumer> | undefined;
    return { jetStream, streams: manager.streams, consumer: () => (opened ??= open()) };
  } catch (error) {
    throw jetStreamFault(broker.where, error);
  }
}

/** Claims of started calls and of planned times. They outlive every call that can still come from the queue. */
export function queueClaims(
  broker: Broker,
  service: string,
  { natsDurableMs, natsMaxClaimBytes }: Pick<Limits, "natsDurableMs" | "natsMaxClaimBytes">,
): Claims {
  return new Claims(broker, queueName(service), { keepMs: 2 * natsDurableMs, maxBytes: natsMaxClaimBytes });
}

/**
 * Durable calls wait in a stream of JetStream from which each is taken once. The first client or instance that needs
 * the stream makes it.
 */
import type { Consumer, JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import type { Limits } from "../../limits/limits.js";
import type { Broker } from "../broker.js";
import { callSubjects } from "../call-subjects.js";
import { Claims } from "./claims.js";
import { codeOf, jetStreamFault, noConsumer } from "./jetstream-faults.js";
import { makeStream } from "./streams.js";

const nanos = 1_000_000;
const consumerName = "iscep";

type QueueLimits = Pick<
  Limits,
  "natsDurableMs" | "natsMaxDurableCalls" | "natsMaxDurableCallBytes" | "natsRedeliverMs"
>;

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
 * Opens the queue, and makes the stream and the consumer when they are missing. Existing ones keep their terms.
 * @throws IscepError `busy`, `unauthorized`, `configuration`
 */
export async function openWorkQueue(broker: Broker, service: string, limits: QueueLimits): Promise<WorkQueue> {
  const { jetstream, jetstreamManager, AckPolicy, RetentionPolicy } = await import("@nats-io/jetstream");
  const stream = queueName(service);
  try {
    const manager = await jetstreamManager(broker.connection, { checkAPI: false });
    const jetStream = jetstream(broker.connection);
    await makeStream(manager, {
      name: stream,
      subjects: [`${callSubjects.submits(service)}>`],
      retention: RetentionPolicy.Workqueue,
      max_age: limits.natsDurableMs * nanos,
      max_msgs: limits.natsMaxDurableCalls,
      max_msg_size: limits.natsMaxDurableCallBytes,
    });
    const open = async (): Promise<Consumer> => {
      try {
        return await jetStream.consumers.get(stream, consumerName);
      } catch (error) {
        if (codeOf(error) !== noConsumer) throw error;
      }
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

/** Claims of started calls and of idempotency keys. They outlive every call that can still come from the queue. */
export function queueClaims(
  broker: Broker,
  service: string,
  { natsDurableMs, natsMaxClaims }: Pick<Limits, "natsDurableMs" | "natsMaxClaims">,
): Claims {
  return new Claims(broker, queueName(service), { keepMs: 2 * natsDurableMs, maxClaims: natsMaxClaims });
}

/** Makes streams of JetStream that refuse new messages when they are full, and never remove old ones to make room. */
import { setTimeout as pause } from "node:timers/promises";
import type { JetStreamManager, StreamConfig } from "@nats-io/jetstream";
import { IscepError } from "../../errors.js";
import { beingMadeMs, codeOf, isBeingMade, noStream } from "./jetstream-faults.js";

/** The most that a message takes beside its headers and its payload. nats-server takes no subject longer than 4 KiB. */
const aroundBytes = 4_608;

export interface StreamTerms extends Partial<StreamConfig> {
  readonly name: string;
  readonly max_msgs: number;
  readonly max_msg_size: number;
}

/**
 * Makes the stream if there is none. A stream that an operator has made with other terms, such as copies on several
 * brokers, is kept, unless it removes messages when it is full.
 * @throws IscepError `configuration`, and what the library throws
 */
export async function makeStream({ streams }: JetStreamManager, terms: StreamTerms): Promise<void> {
  try {
    const { config } = await streams.info(terms.name);
    if (!removesNothing(config))
      throw new IscepError(
        "configuration",
        `the stream ${terms.name} of the broker removes old messages when it is full; give it --discard=new, --max-msgs and --max-msg-size, and no --max-bytes (docs/SCALING.md)`,
      );
    return;
  } catch (error) {
    if (codeOf(error) !== noStream) throw error;
  }
  try {
    await streams.add({ ...terms, discard: "new", storage: "file" });
  } catch (error) {
    if (!isBeingMade(error)) throw error;
    await pause(beingMadeMs);
  }
}

/**
 * A stream that is full by its bytes removes the oldest message for a new one, also with `discard: new`, because
 * nats-server counts fewer bytes of a message before it is stored than afterwards. The number of messages is exact.
 */
function removesNothing({ discard, max_bytes, max_msgs, max_msg_size }: StreamConfig): boolean {
  if (discard !== "new") return false;
  if (max_bytes <= 0) return true;
  return max_msgs > 0 && max_msg_size > 0 && max_msgs * (max_msg_size + aroundBytes) <= max_bytes;
}

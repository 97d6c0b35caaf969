/** Waits for a broker that is not there yet, for as long as the server lives. */
import { setTimeout as pause } from "node:timers/promises";
import { toIscepError, type IscepError } from "../../../errors.js";
import { Broker, type BrokerOptions } from "../../../nats/broker.js";

/**
 * @param failed called after each attempt in vain
 * @returns undefined when the signal came first
 */
export async function brokerAtLast(
  options: BrokerOptions & { readonly signal: AbortSignal },
  failed: (error: IscepError) => void,
): Promise<Broker | undefined> {
  const { signal, limits } = options;
  while (!signal.aborted) {
    try {
      return await Broker.open(options);
    } catch (error) {
      if (!signal.aborted) failed(toIscepError(error, "connect_failed"));
    }
    // The pause rejects only when the signal comes.
    await pause(limits.natsReconnectMs, undefined, { signal }).catch(() => {});
  }
  return undefined;
}

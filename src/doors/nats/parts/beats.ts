/** Tells callers that this instance is there, how much it has to do, and when it leaves. */
import { encodeBeat } from "../../../nats/beat.js";
import { Rate } from "../../../nats/rate.js";
import { isInbox, subjects } from "../../../nats/subjects.js";
import type { NatsPart, NatsPartContext } from "./part.js";

/**
 * On a server with few places, each run changes the state to full and back to ready. Callers need not hear of every
 * change.
 */
const leastPauseMs = 50;

export function openBeats({ server, broker, service, beat }: NatsPartContext): NatsPart {
  const subject = subjects.beat(service);
  let toldAtMs = 0;
  let soon: NodeJS.Timeout | undefined;
  const tell = (): void => {
    clearTimeout(soon);
    soon = undefined;
    toldAtMs = performance.now();
    broker.publish(subject, encodeBeat(beat()));
  };
  const changed = (): void => {
    const waitMs = toldAtMs + leastPauseMs - performance.now();
    if (waitMs <= 0) tell();
    else soon ??= setTimeout(tell, waitMs);
  };
  const timer = setInterval(tell, server.limits.natsBeatMs);
  const unlisten = server.onLoadChanged(changed);
  const unlistenBroker = broker.listen({ back: tell });
  const answers = new Rate(server.limits.natsMaxAnswersPerSecond);
  const who = broker.subscribe(subjects.who(service), ({ reply }) => {
    if (answers.take() && isInbox(reply)) broker.publish(reply, encodeBeat(beat()));
  });
  tell();
  return {
    drain: tell,
    close: () => {
      clearInterval(timer);
      clearTimeout(soon);
      unlisten();
      unlistenBroker();
      if (!broker.connection.isClosed()) who.unsubscribe();
      tell();
    },
  };
}

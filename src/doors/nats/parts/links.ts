/** Sessions of version 2 over links. The server keeps and counts them like connections. */
import { LinkListener } from "../../../nats/links/listener.js";
import { natsSource } from "../../../nats/subjects.js";
import type { NatsPart, NatsPartContext } from "./part.js";

export function openLinks({ server, broker, service, instance }: NatsPartContext): NatsPart {
  const listener = new LinkListener(broker, service, instance, server.limits, (link) => {
    server.acceptLink(link, { source: natsSource });
  });
  return {
    drain: () => listener.stopAccepting(),
    close: () => listener.close(),
  };
}

/** Gives a request that cannot begin here to another instance, which answers the caller itself. */
import type { MsgHdrs } from "@nats-io/transport-node";
import { IscepError } from "../../errors.js";
import { callSubjects } from "../../nats/call-subjects.js";
import { provenHeaders } from "../../session/request-proof.js";
import { withRoom } from "./other-instances.js";
import type { NatsPartContext } from "./part.js";
import { proofName, replyName, triedName, type ServiceMessage } from "./service-message.js";

/** What another instance says when it is given a request. */
export const taken = "taken";
export const refusedIt = "no";

export class HandOver {
  readonly #context: NatsPartContext;

  constructor(context: NatsPartContext) {
    this.#context = context;
  }

  /** Somebody else may begin it at once. */
  isPossible({ tried }: ServiceMessage): boolean {
    const { server, others } = this.#context;
    return tried.length < server.limits.natsMaxHops && withRoom(others.all, tried).length > 0;
  }

  /**
   * Resolves to true when another instance has it now.
   * @throws IscepError `lost` when an instance may have it, and nobody knows
   */
  async give(message: ServiceMessage): Promise<boolean> {
    const { instance, server, others } = this.#context;
    const tried = [...message.tried, instance];
    while (tried.length <= server.limits.natsMaxHops) {
      const [next] = withRoom(others.all, tried);
      if (next === undefined) return false;
      if (await this.to(next.instance, message, tried)) return true;
      tried.push(next.instance);
    }
    return false;
  }

  /** @throws IscepError `lost` */
  async to(other: string, message: ServiceMessage, tried: readonly string[]): Promise<boolean> {
    const { broker, service, server } = this.#context;
    const subject = callSubjects.to(service, other, message.command);
    try {
      const answer = await broker.connection.request(subject, message.payload, {
        timeout: server.limits.natsHandOverMs,
        headers: await headersFor(message, tried),
      });
      return answer.string() === taken;
    } catch (cause) {
      if (hasNoResponder(cause)) return false;
      throw new IscepError("lost", "the instance that was given the request did not say whether it has it", { cause });
    }
  }
}

async function headersFor(message: ServiceMessage, tried: readonly string[]): Promise<MsgHdrs> {
  const { headers } = await import("@nats-io/transport-node");
  const made = headers();
  for (const name of provenHeaders) {
    const value = message.headers[name];
    if (value !== undefined) made.set(name, value);
  }
  if (message.proof !== undefined) made.set(proofName, message.proof);
  if (message.traceparent !== undefined) made.set("traceparent", message.traceparent);
  made.set(replyName, message.reply);
  made.set(triedName, tried.join(","));
  return made;
}

function hasNoResponder(thrown: unknown): boolean {
  for (let error = thrown; error instanceof Error; error = error.cause)
    if (error.name === "NoRespondersError") return true;
  return false;
}

/** Gives a request that cannot begin here to another instance, which answers the caller itself. */
import { timingSafeEqual } from "node:crypto";
import type { MsgHdrs } from "@nats-io/transport-node";
import { IscepError } from "../../../errors.js";
import { callSubjects } from "../../../nats/call-subjects.js";
import { hasNoResponder, wasTooLong } from "../../../nats/faults.js";
import { natsSource } from "../../../nats/subjects.js";
import { provenHeaders, readProofHeader, takenMessage } from "../../../session/request-proof.js";
import { openFor, withRoom } from "../parts/other-instances.js";
import type { NatsPartContext } from "../parts/part.js";
import { proofName, replyName, triedName, type ServiceMessage } from "./message.js";

/** The answer of an instance that does not take a request. */
export const refusedIt = "no";

/**
 * The answer of an instance that takes a request. On a server with tokens, the instance proves with the keys of the
 * request's token that it is one, because anybody who may write on the bus can send a word. Returns undefined when it
 * must not take the request.
 */
export function takenBy({ server, service }: NatsPartContext, message: ServiceMessage, by: string): string | undefined {
  if (server.access !== "tokens") return "taken";
  const { proven, nonce = "" } = readProofHeader(message.proof ?? "") ?? {};
  if (proven === undefined) return undefined;
  const proof = server.proofTo(proven.reference, natsSource, takenMessage(service, message.command, nonce, by));
  return proof === undefined ? undefined : `taken ${proof.toString("base64url")}`;
}

function isTakenAnswer(answer: Uint8Array, expected: string | undefined): boolean {
  if (expected === undefined || answer.length !== expected.length) return false;
  return timingSafeEqual(answer, Buffer.from(expected));
}

export class HandOver {
  readonly #context: NatsPartContext;

  constructor(context: NatsPartContext) {
    this.#context = context;
  }

  /** True when another instance may begin the request at once. */
  isPossible({ tried }: ServiceMessage): boolean {
    const { server, others } = this.#context;
    return tried.length < server.limits.natsMaxHops && withRoom(others.all, tried).length > 0;
  }

  /**
   * Resolves to true when another instance has the request now.
   * @throws IscepError `lost` when nobody knows whether an instance has the request
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

  /**
   * Resolves to true when another instance has the request now, and lets it wait there for its turn.
   * @throws IscepError `lost` when nobody knows whether an instance has the request
   */
  async giveToWait(message: ServiceMessage): Promise<boolean> {
    const { server, others } = this.#context;
    for (const { instance } of openFor(others.all, ["ready", "full"]).slice(0, server.limits.natsMaxHops))
      if (await this.to(instance, message, [])) return true;
    return false;
  }

  /**
   * @param tried the instances that have had the request. Without any, the other one must take it, even if it waits there
   * @throws IscepError `lost`
   */
  async to(other: string, message: ServiceMessage, tried: readonly string[]): Promise<boolean> {
    const { broker, service, server } = this.#context;
    const subject = callSubjects.to(service, other, message.command);
    try {
      const answer = await broker.connection.request(subject, message.payload, {
        timeout: server.limits.natsHandOverMs,
        headers: await headersFor(message, tried),
      });
      const isTaken = isTakenAnswer(answer.data, takenBy(this.#context, message, other));
      if (isTaken) this.#context.others.trust(other);
      return isTaken;
    } catch (cause) {
      // The headers for the other instance may make the message too long. Then nothing was sent.
      if (hasNoResponder(cause) || wasTooLong(cause)) return false;
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

/** A call as it came from the queue: who calls, and how it begins. */
import type { JsMsg } from "@nats-io/jetstream";
import { createHash } from "node:crypto";
import type { Client } from "../../../client/client.js";
import type { RunHandle } from "../../../client/protocol/run-handle.js";
import { IscepError, toIscepError } from "../../../errors.js";
import type { Limits } from "../../../limits/limits.js";
import { submittedOf } from "../../../nats/call-subjects.js";
import { keyName } from "../../../nats/queue/claims.js";
import { noToken } from "../../../nats/queue/durable.js";
import { natsSource } from "../../../nats/subjects.js";
import { queuedRunId, readProofHeader, toQueue, type RequestProof } from "../../../session/request-proof.js";
import type { NatsPartContext } from "../parts/part.js";
import { argumentsOf, headerOf, proofName, provenHeadersOf, wishesOf } from "../service/message.js";
import { tokenProofOf } from "../service/proofs.js";

const longestTimeoutMs = 2 ** 31 - 1;

export interface QueuedCall {
  readonly run: string;
  readonly command: string;
  readonly payload: Buffer;
  readonly proof: RequestProof;
  readonly message: JsMsg;
}

/** Returns undefined when the headers cannot be read, or the id of its run or its proof does not fit the message. */
export function readQueuedCall(message: JsMsg, service: string): QueuedCall | undefined {
  if (message.headers?.hasError === true) return undefined;
  const { run, command } = submittedOf(message.subject, service);
  const proof = readProofHeader(headerOf(message.headers, proofName) ?? "");
  if (proof === undefined || proof.to !== toQueue) return undefined;
  const { data } = message;
  const payload = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const { timeMs, nonce, proven, to } = proof;
  const request = { service, command, to, timeMs, nonce, headers: {}, payload };
  if (queuedRunId(request, proven?.reference ?? noToken) !== run) return undefined;
  return { run, command, payload, proof, message };
}

/**
 * The client that makes the call, or the error that its caller hears. Returns undefined when no token that is valid now
 * has made the proof. Anybody without a token can send any number of messages without a valid proof, so such a message
 * must neither take the place of a call nor leave anything behind.
 */
export function callerOf(
  { server, service }: Pick<NatsPartContext, "server" | "service">,
  { run, command, payload, proof, message }: QueuedCall,
): Client | IscepError | undefined {
  const { natsClockSkewMs, natsDurableMs } = server.limits;
  const token = tokenProofOf(proof, service, { command, payload, headers: provenHeadersOf(message.headers) });
  if (token === undefined && server.access === "tokens") return undefined;
  let client: Client;
  try {
    client = server.clientOf({ source: natsSource, proof: token, runId: run });
  } catch (error) {
    const fault = toIscepError(error);
    return fault.code === "unauthorized" ? undefined : fault;
  }
  const ageMs = Date.now() - proof.timeMs;
  if (ageMs <= natsDurableMs && ageMs >= -natsClockSkewMs) return client;
  void client.close();
  return new IscepError("unauthorized", "the proof of the call is too old, or its time has not come yet");
}

export interface KeyClaim {
  /** The name, among the claims, of the owner's idempotency key. */
  readonly key: string;
  /** The text of the claim: the run of this call, and a hash of the command and its arguments. */
  readonly text: string;
}

/** undefined for a call without an idempotency key. @throws IscepError when the request cannot be understood */
export async function keyClaimOf(
  client: Client,
  { run, command, payload, message }: QueuedCall,
): Promise<KeyClaim | undefined> {
  const { idempotencyKey } = wishesOf(provenHeadersOf(message.headers));
  if (idempotencyKey === undefined) return undefined;
  const { owner } = await client.whoAmI();
  const call = createHash("sha256").update(`${command}\0`).update(payload).digest("base64url");
  return { key: `durable.${keyName(owner, idempotencyKey)}`, text: `${run} ${call}` };
}

/** @throws IscepError when the request cannot be understood */
export function beginCall(client: Client, limits: Limits, { command, payload, proof, message }: QueuedCall): RunHandle {
  const { timeoutMs = longestTimeoutMs, idempotencyKey } = wishesOf(provenHeadersOf(message.headers));
  const args = argumentsOf(payload, limits);
  const traceparent = headerOf(message.headers, "traceparent");
  return client.run(command, args, {
    timeoutMs,
    output: false,
    detach: true,
    idempotencyKey: idempotencyKey ?? `nats ${proof.nonce}`,
    ...(traceparent === undefined ? {} : { traceparent }),
  });
}

/** The caller's side of durable calls: to submit one, and to ask what became of it. */
import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { IscepError } from "../../errors.js";
import { secretOf, serverKey } from "../../identity/tokens.js";
import type { Limits } from "../../limits/limits.js";
import { isOutcomeStatus, type OutcomeStatus } from "../../model/outcome.js";
import { durableMessage, proofHeader, queuedRunId, toQueue, type ProvenHeaders } from "../../session/request-proof.js";
import { isServerProof, tokenReference } from "../../session/proof.js";
import { isJsonObject, parseJson } from "../../wire/json.js";
import type { Broker } from "../broker.js";
import { callSubjects } from "../call-subjects.js";
import { beingMadeMs, isRefusal, isWithoutAnswer, jetStreamFault } from "./jetstream-faults.js";
import { keysOf, newRequest } from "../request-header.js";
import { isId } from "../subjects.js";
import { openWorkQueue } from "./work-queue.js";

/** The header with the id of a message in JetStream. Messages with the same id count once. */
const messageIdName = "Nats-Msg-Id";
/** Stands for the token of a caller who has none. */
export const noToken = "-";

export interface DurableCall {
  readonly service: string;
  readonly command: string;
  /** The arguments, as one JSON object. */
  readonly payload: string | Uint8Array;
  /** Default: none, for a service that asks for none. */
  readonly token?: string | undefined;
  readonly headers?: ProvenHeaders;
  /** The caller's place in a trace. */
  readonly traceparent?: string | undefined;
}

type DurableLimits = Pick<
  Limits,
  "natsDurableMs" | "natsMaxDurableCalls" | "natsMaxDurableCallBytes" | "natsRedeliverMs"
>;

/**
 * Puts a call into the queue. Resolves to the id of its run when the broker has the call on its disk.
 * @throws IscepError `busy` when JetStream is full or missing, `too_large`, `unauthorized` when the broker does not
 * allow it, `lost` when nobody knows whether the broker has the call
 */
export async function submitDurable(broker: Broker, call: DurableCall, limits: DurableLimits): Promise<string> {
  const { service, command, token, headers: proven = {} } = call;
  const request = { ...newRequest(service, command, call.payload), to: toQueue, headers: proven };
  const keys = token === undefined ? undefined : keysOf(token);
  const run = queuedRunId(request, keys === undefined ? noToken : tokenReference(keys.storedKey));
  const { headers: make } = await import("@nats-io/transport-node");
  const headers = make();
  for (const [name, value] of Object.entries(proven)) headers.set(name, value);
  headers.set("Iscep-Proof", proofHeader(request, keys));
  headers.set(messageIdName, run);
  if (call.traceparent !== undefined) headers.set("traceparent", call.traceparent);
  const bytes = request.payload.length + 2_048;
  const { natsMaxDurableCallBytes } = limits;
  const [most, whose] =
    broker.maxPayloadBytes < natsMaxDurableCallBytes
      ? [broker.maxPayloadBytes, "max_payload of the broker"]
      : [natsMaxDurableCallBytes, "natsMaxDurableCallBytes"];
  if (bytes > most)
    throw new IscepError("too_large", `a durable call has at most ${most} bytes with its headers (${whose})`);
  const queue = await openWorkQueue(broker, service, limits);
  const subject = callSubjects.submit(service, run, command);
  for (let triesLeft = 3; ; triesLeft--) {
    try {
      await queue.jetStream.publish(subject, request.payload, { headers });
      return run;
    } catch (error) {
      // The broker tells of a stream a moment before it listens for it.
      if (isWithoutAnswer(error) && triesLeft > 0) await pause(beingMadeMs);
      else if (isRefusal(error)) throw jetStreamFault(broker.where, error);
      else {
        const sentence =
          "the broker did not say whether it has the durable call; look for its run before you call again";
        throw new IscepError("lost", sentence, { cause: error, details: { run } });
      }
    }
  }
}

/**
 * `waiting`: no instance has taken the call. `started`: the instance has it, or is gone and has lost it. `unknown`:
 * there is no such call.
 */
export type DurableState =
  | { readonly state: "waiting" | "unknown" }
  /** The call has the idempotency key of another one, and joined its run. */
  | { readonly state: "joined"; readonly run: string }
  | { readonly state: "started"; readonly instance: string; readonly isThere: boolean }
  | {
      readonly state: "ended";
      readonly instance: string;
      readonly status: OutcomeStatus;
      readonly code?: string;
      /** The run that the call joined by its idempotency key, if that run has another id. */
      readonly run?: string;
    };

/**
 * Asks the instances what became of a durable call.
 * @returns undefined when no instance gives an answer that can be believed
 * @throws IscepError `busy` when the instance that answers cannot know now
 */
export async function durableState(
  broker: Broker,
  service: string,
  run: string,
  { natsHandOverMs }: Pick<Limits, "natsHandOverMs">,
  token?: string,
): Promise<DurableState | undefined> {
  const nonce = randomBytes(16).toString("base64url");
  const question = token === undefined ? run : `${run} ${tokenReference(keysOf(token).storedKey)} ${nonce}`;
  let data: Uint8Array;
  try {
    ({ data } = await broker.connection.request(callSubjects.durable(service), question, { timeout: natsHandOverMs }));
  } catch {
    return undefined;
  }
  if (token === undefined) return readDurableState(data);
  // Anybody who may subscribe there can answer, and must not make a caller believe that a call has completed.
  const answer = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const proof = Buffer.from(answer.subarray(0, proofCharacters).toString("latin1"), "base64url");
  const state = answer.subarray(proofCharacters + 1);
  const isProven = isServerProof(serverKey(secretOf(token)), proof, durableMessage(service, run, nonce, state));
  return isProven ? readDurableState(state) : undefined;
}

/** A proof has 32 bytes, written as base64url. A space follows it. */
const proofCharacters = 43;

const jsonLimits = { maxJsonDepth: 4, maxJsonItems: 20, maxJsonKeys: 20 };

export function readDurableState(data: Uint8Array): DurableState | undefined {
  const value = parseJson(Buffer.from(data.buffer, data.byteOffset, data.length), jsonLimits);
  if (!isJsonObject(value)) return undefined;
  const { state, instance, isThere, status, code, run, error } = value;
  if (typeof error === "string") throw new IscepError("busy", error);
  if (state === "waiting" || state === "unknown") return { state };
  if (state === "joined") return typeof run === "string" ? { state, run } : undefined;
  if (!isId(instance)) return undefined;
  if (state === "started") return { state, instance, isThere: isThere === true };
  if (state !== "ended" || !isOutcomeStatus(status)) return undefined;
  return {
    state,
    instance,
    status,
    ...(typeof code === "string" ? { code } : {}),
    ...(typeof run === "string" ? { run } : {}),
  };
}

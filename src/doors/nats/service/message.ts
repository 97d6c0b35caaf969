/** Reads one request of a caller without a session. */
import type { Msg, MsgHdrs } from "@nats-io/transport-node";
import { IscepError } from "../../../errors.js";
import type { Limits } from "../../../limits/limits.js";
import { isId, isInbox } from "../../../nats/subjects.js";
import { provenHeaders, type ProvenHeaders } from "../../../session/request-proof.js";
import { isJsonObject, parseJson, type JsonLimits, type JsonObject } from "../../../wire/json.js";

export const proofName = "Iscep-Proof";
/**
 * With these headers, an instance that gives a request to another one says where the answer goes, and which instances
 * had it before.
 */
export const replyName = "Iscep-Reply";
export const triedName = "Iscep-Tried";
const traceName = "traceparent";

export interface ServiceMessage {
  readonly command: string;
  readonly payload: Buffer;
  /** The subject that the answer goes to. */
  readonly reply: string;
  readonly headers: ProvenHeaders;
  readonly proof: string | undefined;
  readonly traceparent: string | undefined;
  /** The instances that have had the request. */
  readonly tried: readonly string[];
  /** The request came to the subject of this instance, and no other instance may take it. */
  readonly isBound: boolean;
  /**
   * The subject at which an instance that gave us the request wants to hear whether we take it. undefined: no instance
   * gave it.
   */
  readonly giver: string | undefined;
}

/** Returns undefined when the message names no subject that an answer may go to, or has headers that cannot be read. */
export function readServiceMessage(command: string, message: Msg, isDirect: boolean): ServiceMessage | undefined {
  const { data, reply, headers } = message;
  if (!isInbox(reply) || headers?.hasError === true) return undefined;
  const given = isDirect ? headerOf(headers, replyName) : undefined;
  if (given !== undefined && !isInbox(given)) return undefined;
  const tried = isDirect ? (headerOf(headers, triedName) ?? "").split(",", 65).filter(isId) : [];
  return {
    command,
    payload: Buffer.from(data.buffer, data.byteOffset, data.byteLength),
    reply: given ?? reply,
    headers: provenHeadersOf(headers),
    proof: headerOf(headers, proofName),
    traceparent: headerOf(headers, traceName),
    tried,
    isBound: isDirect && given === undefined,
    giver: given === undefined ? undefined : reply,
  };
}

export function provenHeadersOf(headers: MsgHdrs | undefined): ProvenHeaders {
  return Object.fromEntries(
    provenHeaders.flatMap((name) => {
      const value = headerOf(headers, name);
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** The first header of this name, in upper or lower case, because tools differ in that. An empty header counts as none. */
export function headerOf(headers: MsgHdrs | undefined, name: string): string | undefined {
  const value = headers?.values(name, "insensitive")[0];
  return value === "" ? undefined : value;
}

export interface CallWishes {
  /** How long the caller waits, in milliseconds. undefined: as long as the command may take. */
  readonly timeoutMs?: number;
  /** The caller wants the run's id, and not its outcome. */
  readonly detach: boolean;
  readonly idempotencyKey?: string;
}

/** @throws IscepError `usage` */
export function wishesOf(headers: ProvenHeaders): CallWishes {
  const { "Iscep-Timeout": timeout, "Iscep-Detach": detach, "Idempotency-Key": idempotencyKey } = headers;
  if (timeout !== undefined && !/^[1-9]\d{0,9}$/.test(timeout))
    throw new IscepError("usage", "Iscep-Timeout is a whole number of milliseconds");
  if (detach !== undefined && detach !== "true")
    throw new IscepError("usage", "Iscep-Detach is `true`, or it is left out");
  if (idempotencyKey !== undefined && idempotencyKey.length > 256)
    throw new IscepError("usage", "an Idempotency-Key has 1 to 256 characters");
  return {
    detach: detach !== undefined,
    ...(timeout === undefined ? {} : { timeoutMs: Math.min(Number(timeout), 2 ** 31 - 1) }),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
  };
}

/** An empty payload means no arguments. @throws IscepError `protocol`, `invalid_arguments` */
export function argumentsOf(payload: Buffer, limits: JsonLimits & Pick<Limits, "maxPacketBytes">): JsonObject {
  if (payload.length === 0) return {};
  if (payload.length > limits.maxPacketBytes)
    throw new IscepError("too_large", `a request has at most ${limits.maxPacketBytes} bytes (maxPacketBytes)`);
  const value = parseJson(payload, limits);
  if (isJsonObject(value)) return value;
  throw new IscepError("invalid_arguments", "the payload must be one JSON object: the arguments by their names");
}

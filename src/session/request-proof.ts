/**
 * Proves a token for one request on a bus, where there is no session to prove it in. The token never travels, and nothing
 * that decides what is run can be changed on the way (PROTOCOL.md, "A single request").
 */
import { createHash } from "node:crypto";
import { clientProof, isClientProof, tokenReference, type ClientKeys } from "./proof.js";

/** Which instance may take a request: any of the service, any that takes it from the queue, or the one with this id. */
export const toAny = "any";
export const toQueue = "queue";

/** The headers that the proof covers, in this order. A missing header counts as an empty one. */
export const provenHeaders = ["Iscep-Timeout", "Iscep-Detach", "Idempotency-Key"] as const;

export type ProvenHeaders = Readonly<Partial<Record<(typeof provenHeaders)[number], string>>>;

/** What a proof is about. */
export interface ProvenRequest {
  readonly service: string;
  readonly command: string;
  /** `any`, `queue`, or the id of an instance. */
  readonly to: string;
  /** When it was made, by the clock of the caller, as Unix time in milliseconds. */
  readonly timeMs: number;
  /** 16 to 64 characters of base64url that the caller uses once. */
  readonly nonce: string;
  readonly headers: ProvenHeaders;
  readonly payload: Uint8Array;
}

/** What the header Iscep-Proof says. */
export interface RequestProof extends Pick<ProvenRequest, "to" | "timeMs" | "nonce"> {
  /** The token that is proven. undefined for a server that asks for no token. */
  readonly proven?: { readonly reference: string; readonly proof: Buffer };
}

const title = "iscep nats request";

/** The bytes that the proof covers. */
export function requestMessage(request: ProvenRequest): Buffer {
  const { service, command, to, timeMs, nonce, headers, payload } = request;
  return joined([
    title,
    service,
    command,
    to,
    String(timeMs),
    nonce,
    ...provenHeaders.map((name) => headers[name] ?? ""),
    createHash("sha256").update(payload).digest(),
  ]);
}

/** Each part has its length in front, so that no two lists of parts give the same bytes. */
function joined(parts: readonly (string | Buffer)[]): Buffer {
  return Buffer.concat(
    parts.flatMap((part) => {
      const bytes = Buffer.from(part);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.length);
      return [length, bytes];
    }),
  );
}

/** What the answer to a proven request consists of. */
export interface ProvenAnswer extends Pick<ProvenRequest, "service" | "command" | "nonce" | "payload"> {
  /** The header Nats-Service-Error-Code; empty when there is no error. */
  readonly errorCode: string;
}

/** The bytes that the server's proof of an answer covers. */
export function answerMessage({ service, command, nonce, errorCode, payload }: ProvenAnswer): Buffer {
  const digest = createHash("sha256").update(payload).digest();
  return joined(["iscep nats answer", service, command, nonce, errorCode, digest]);
}

/** The bytes that an instance proves when it takes a request from another one. */
export function takenMessage(service: string, command: string, nonce: string, instance: string): Buffer {
  return joined(["iscep nats taken", service, command, nonce, instance]);
}

/** The bytes that an instance proves when it says what became of a durable call. */
export function durableMessage(service: string, run: string, nonce: string, answer: Uint8Array): Buffer {
  return joined(["iscep nats durable", service, run, nonce, createHash("sha256").update(answer).digest()]);
}

/** The text of the header Iscep-Proof. Without keys it names the request, and proves nothing. */
export function proofHeader(request: ProvenRequest, keys?: ClientKeys): string {
  const { to, timeMs, nonce } = request;
  const named = `to=${to},time=${timeMs},nonce=${nonce}`;
  if (keys === undefined) return named;
  const proof = clientProof(keys, requestMessage(request)).toString("base64url");
  return `token=${tokenReference(keys.storedKey)},${named},proof=${proof}`;
}

const fieldPatterns: ReadonlyMap<string, RegExp> = new Map([
  ["token", /^[A-Za-z0-9_-]{24}$/],
  ["to", /^[A-Za-z0-9]{1,64}$/],
  ["time", /^[1-9][0-9]{0,13}$/],
  ["nonce", /^[A-Za-z0-9_-]{16,64}$/],
  ["proof", /^[A-Za-z0-9_-]{43}$/],
]);

/** Returns undefined for a text that is no such header. An unknown field is refused, because it may change the meaning. */
export function readProofHeader(text: string): RequestProof | undefined {
  const fields = new Map<string, string>();
  for (const field of text.split(",", 6)) {
    const equals = field.indexOf("=");
    const name = field.slice(0, Math.max(0, equals)).trim();
    const value = field.slice(equals + 1).trim();
    if (fieldPatterns.get(name)?.test(value) !== true || fields.has(name)) return undefined;
    fields.set(name, value);
  }
  const [to, time, nonce] = [fields.get("to"), fields.get("time"), fields.get("nonce")];
  if (to === undefined || time === undefined || nonce === undefined) return undefined;
  const reference = fields.get("token");
  const proof = fields.get("proof");
  if ((reference === undefined) !== (proof === undefined)) return undefined;
  const proven =
    reference === undefined || proof === undefined
      ? {}
      : { proven: { reference, proof: Buffer.from(proof, "base64url") } };
  return { to, timeMs: Number(time), nonce, ...proven };
}

/** @param storedKey of the token that the proof names; a random one if there is no such token */
export function isProvenRequest(storedKey: Buffer, proof: Buffer, request: ProvenRequest): boolean {
  return isClientProof(storedKey, proof, requestMessage(request));
}

/**
 * The id of the run of a request that waits in a queue. The caller knows it before anybody has taken the request. It is
 * a UUIDv7 (RFC 9562, section 5.7) like that of any run: the time of the request, then bits of a hash, so no caller can
 * choose it.
 */
export function queuedRunId({ service, timeMs, nonce }: ProvenRequest, reference: string): string {
  const hash = createHash("sha256")
    .update(joined(["iscep nats run", service, reference, String(timeMs), nonce]))
    .digest();
  const time = Buffer.alloc(6);
  time.writeUIntBE(timeMs % 2 ** 48, 0, 6);
  const rest = hash.subarray(0, 10);
  rest.writeUInt8((rest.readUInt8(0) & 0x0f) | 0x70, 0);
  rest.writeUInt8((rest.readUInt8(2) & 0x3f) | 0x80, 2);
  const hex = Buffer.concat([time, rest]).toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

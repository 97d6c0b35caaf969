/** Makes the header with which a program proves its token for one request (PROTOCOL.md, "A single request over NATS"). */
import { randomBytes } from "node:crypto";
import { IscepError } from "../errors.js";
import { clientKey, secretOf, serverKey, storedKeyOf } from "../identity/tokens.js";
import { isServerProof, type ClientKeys } from "../session/proof.js";
import {
  answerMessage,
  proofHeader,
  provenHeaders,
  readProofHeader,
  toAny,
  type ProvenHeaders,
} from "../session/request-proof.js";
import { checkServiceName, isId } from "./subjects.js";

export interface NatsProofOptions {
  readonly token: string;
  /** The name of the service. */
  readonly service: string;
  readonly command: string;
  /** What is sent, byte for byte: the arguments as one JSON object. Default: nothing, which is no arguments. */
  readonly payload?: string | Uint8Array;
  /** The id of the only instance that may take the request. Default: any instance may, which needs JetStream. */
  readonly to?: string;
  /** The headers among Iscep-Timeout, Iscep-Detach and Idempotency-Key that are sent too. Default: none. */
  readonly headers?: ProvenHeaders;
}

/**
 * The text of the header Iscep-Proof for one request. Make one for each request: it counts once, and for 90 seconds.
 * @throws IscepError `usage`
 */
export function natsProof(options: NatsProofOptions): string {
  const { token, service, command, payload = "", to = toAny, headers = {} } = options;
  if (to !== toAny && !isId(to)) throw new IscepError("usage", `"${String(to).slice(0, 40)}" is no id of an instance`);
  const isKnown = (name: string): boolean => provenHeaders.some((known) => known === name);
  for (const name of Object.keys(headers)) {
    if (!isKnown(name))
      throw new IscepError("usage", `a proof covers ${provenHeaders.join(", ")}, and not "${name.slice(0, 40)}"`);
  }
  const request = { ...newRequest(checkServiceName(service), command, payload), to, headers };
  return proofHeader(request, keysOf(token));
}

export interface NatsAnswer {
  readonly token: string;
  readonly service: string;
  readonly command: string;
  /** The header Iscep-Proof of the request. */
  readonly sent: string;
  /** The header Iscep-Proof of the answer. */
  readonly proof: string;
  /** The header Nats-Service-Error-Code of the answer. Default: there is none. */
  readonly errorCode?: string;
  /** What came, byte for byte. */
  readonly payload: string | Uint8Array;
}

/** True when the answer to this request comes from a server that has the keys of the token, and was not changed. */
export function isNatsAnswer(answer: NatsAnswer): boolean {
  const { token, service, command, sent, proof, errorCode = "", payload } = answer;
  const nonce = readProofHeader(sent)?.nonce;
  const given = /^proof=([A-Za-z0-9_-]{43})$/.exec(proof)?.[1];
  if (nonce === undefined || given === undefined) return false;
  const message = answerMessage({ service, command, nonce, errorCode, payload: Buffer.from(payload) });
  return isServerProof(serverKey(secretOf(token)), Buffer.from(given, "base64url"), message);
}

/** The parts of a request that is made now, with its time and a new nonce. */
export function newRequest(
  service: string,
  command: string,
  payload: string | Uint8Array,
): { service: string; command: string; payload: Buffer; timeMs: number; nonce: string } {
  const nonce = randomBytes(16).toString("base64url");
  return { service, command, payload: Buffer.from(payload), timeMs: Date.now(), nonce };
}

export function keysOf(token: string): ClientKeys {
  const key = clientKey(secretOf(token));
  return { clientKey: key, storedKey: storedKeyOf(key) };
}

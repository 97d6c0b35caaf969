/**
 * Proves a token without sending it. This is the exchange of RFC 5802 (SCRAM) over both nonces and the channel binding
 * of RFC 9266. The slow hash is left out, because a token's secret is random (PROTOCOL.md, "Authentication").
 */
import { createHash, createHmac, randomFillSync, timingSafeEqual } from "node:crypto";
import type { PacketKey } from "../wire/packet-mac.js";

export const nonceBytes = 32;

/** To ask for random bytes costs the same for one nonce as for many. Nonces are public as soon as they are used. */
const nonces = Buffer.alloc(64 * nonceBytes);
let usedBytes = nonces.length;

/** A new nonce, in the form that HELLO has. */
export function newNonce(): string {
  if (usedBytes === nonces.length) {
    randomFillSync(nonces);
    usedBytes = 0;
  }
  return nonces.toString("base64url", usedBytes, (usedBytes += nonceBytes));
}

/** RFC 9266, section 3: the label and length of the exported keying material. Cleartext binds to nothing. */
export const exporterLabel = "EXPORTER-Channel-Binding";
export const exporterBytes = 32;

/** The bytes that both proofs cover: the contents of both HELLO packets as they were sent, and the TLS channel. */
export function authenticationMessage(clientHello: Buffer, serverHello: Buffer, channelBinding: Buffer): Buffer {
  const parts = [Buffer.from("iscep 2"), clientHello, serverHello, channelBinding];
  const message = Buffer.alloc(parts.reduce((bytes, part) => bytes + 4 + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    offset = message.writeUInt32BE(part.length, offset);
    offset += part.copy(message, offset);
  }
  return message;
}

export interface ClientKeys {
  /** HMAC(secret, "client"). Only a client with the token can make it. */
  readonly clientKey: Buffer;
  /** SHA-256(clientKey), which is in the tokens file. */
  readonly storedKey: Buffer;
}

/**
 * Names a token without showing it. It is made one-way from the stored key, so a listener can neither make proofs with
 * it nor compute the token.
 */
export function tokenReference(storedKey: Buffer): string {
  return hmac(storedKey, "iscep 2 reference").subarray(0, 18).toString("base64url");
}

export function clientProof(keys: ClientKeys, message: Buffer): Buffer {
  return xor(keys.clientKey, hmac(keys.storedKey, message));
}

export function isClientProof(storedKey: Buffer, proof: Buffer, message: Buffer): boolean {
  if (proof.length !== 32) return false;
  return timingSafeEqual(sha256(xor(proof, hmac(storedKey, message))), storedKey);
}

export function serverProof(serverKey: Buffer, message: Buffer): Buffer {
  return hmac(serverKey, message);
}

export function isServerProof(serverKey: Buffer, proof: Buffer, message: Buffer): boolean {
  return proof.length === 32 && timingSafeEqual(serverProof(serverKey, message), proof);
}

/** The keys of both directions, for packets with a key. Each session has its own, because both HELLO have their nonces. */
export interface PacketKeys {
  readonly client: PacketKey;
  readonly server: PacketKey;
}

/** @param hash what both HELLO agree on, which has a key */
export function packetKeys(storedKey: Buffer, message: Buffer, hash: string | undefined): PacketKeys {
  const keyOf = (what: string): Buffer => hmac(storedKey, Buffer.concat([Buffer.from(`iscep 2 ${what}`), message]));
  const keysOf = (side: "client" | "server"): PacketKey => ({
    hmac: keyOf(`packets of the ${side}`),
    gmac: hash === "hmac-gmac" ? keyOf(`long packets of the ${side}`) : undefined,
  });
  return { client: keysOf("client"), server: keysOf("server") };
}

function hmac(key: Buffer, text: string | Buffer): Buffer {
  return createHmac("sha256", key).update(text).digest();
}

function sha256(bytes: Buffer): Buffer {
  return createHash("sha256").update(bytes).digest();
}

function xor(a: Buffer, b: Buffer): Buffer {
  return Buffer.from(a.map((byte, index) => byte ^ (b[index] ?? 0)));
}

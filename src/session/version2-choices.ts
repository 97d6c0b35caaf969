/**
 * What HELLO agrees on beyond the version: the hash of packets, and what binds the proof to TLS. The client offers, the
 * server chooses, and both HELLO packets are part of the proof, so nobody in between can choose for both sides. A
 * client that offers nothing gets SHA-256 and the exporter (PROTOCOL.md, "HELLO").
 */
import { IscepError } from "../errors.js";
import { packetHashes, sha256, type PacketHash, type PacketHashName } from "../wire/packet-hash.js";
import type { ServerHello } from "./version2-hello.js";

/** What carries the packets. `nats`: a bus, on which everybody with rights there can send packets too. */
export type Carrier = "tls" | "unix" | "cleartext" | "nats";

/** What binds the proof to a TLS connection: RFC 9266 and RFC 5929. */
export type BindingName = "tls-exporter" | "tls-server-end-point";

/**
 * The best hash comes first. On a bus it has a key. Over TLS and unix sockets no byte can change unseen, so a hash
 * would find nothing.
 */
const hashesFor: Readonly<Record<Carrier, readonly PacketHashName[]>> = {
  tls: ["none", "crc32", "sha256"],
  unix: ["none", "crc32", "sha256"],
  cleartext: ["crc32", "sha256"],
  nats: ["hmac-gmac", "hmac-sha256", "sha256"],
};

/** What a client offers. SHA-256 is always possible, so it is not offered. */
export function offeredHashes(carrier: Carrier): readonly PacketHashName[] {
  return hashesFor[carrier].filter((name) => name !== "sha256");
}

/**
 * The server's choice. undefined: the client offered nothing that is allowed, so the answer names no hash, and SHA-256
 * counts.
 * @param hasKeys false when callers prove nothing, so there is no key
 */
export function chooseHash(offered: readonly string[], carrier: Carrier, hasKeys: boolean): PacketHashName | undefined {
  return hashesFor[carrier].find((name) => offered.includes(name) && (hasKeys || !isKeyed({ hash: name })));
}

/** The first one costs less, but not every peer can do it. */
const keyedHashes: readonly string[] = ["hmac-gmac", "hmac-sha256"] satisfies readonly PacketHashName[];

/** True when packets have a hash with a key, as soon as the caller is proven. */
export function isKeyed({ hash }: { readonly hash?: string | undefined }): boolean {
  return hash !== undefined && keyedHashes.includes(hash);
}

/** True when a proof counts only with packets that have a key. */
export function needsKey(carrier: Carrier): boolean {
  return hashesFor[carrier].some((name) => keyedHashes.includes(name));
}

/**
 * The server's choice on TLS. undefined: the client did not ask.
 * @param mayUseEndPoint the server allows it, and its certificate has such a binding
 */
export function chooseBinding(
  offered: readonly string[] | undefined,
  mayUseEndPoint: boolean,
): BindingName | undefined {
  if (offered === undefined) return undefined;
  const isOnly = !offered.includes("tls-exporter") && offered.includes("tls-server-end-point");
  return isOnly && mayUseEndPoint ? "tls-server-end-point" : "tls-exporter";
}

/**
 * The hash that the server chose for all packets behind both HELLO.
 * @throws IscepError `protocol` for a choice that this client did not offer
 */
export function checkChoices({ hash, binding }: ServerHello, carrier: Carrier): PacketHash {
  if (binding !== undefined && binding !== "tls-exporter") throw notOffered("binding", binding);
  if (hash === undefined) return sha256;
  const name = hashesFor[carrier].find((each) => each === hash);
  if (name === undefined) throw notOffered("hash", hash);
  return packetHashes[name];
}

function notOffered(what: string, name: string): IscepError {
  return new IscepError("protocol", `the server chose the ${what} "${name}", which was not offered on this connection`);
}

/** HELLO, by which both sides agree on version 2 (PROTOCOL.md, "HELLO"). */
import { hash } from "node:crypto";
import { IscepError } from "../errors.js";
import { limitTable } from "../limits/limits.js";
import { isJsonObject, parseJson, type JsonLimits, type JsonObject } from "../wire/json.js";
import { hashBytes, PacketType, type PacketView } from "../wire/packet.js";
import { encodePacket } from "../wire/version1.js";
import { checkHash, encodeTextPacket } from "../wire/version2.js";
import { nonceBytes } from "./proof.js";

/** The protocol name by which TLS agrees on version 2 during the handshake (RFC 7301). */
export const alpnProtocol = "iscep/2";

/** The limits that the server announces, and that clients must keep. */
export interface SessionLimits {
  readonly maxPacketBytes: number;
  readonly maxDataBytes: number;
  readonly maxCallsInFlight: number;
  readonly streamWindowBytes: number;
  readonly connectionWindowBytes: number;
  /** Cancels of runs younger than `earlyCancelAgeMs` that it takes within `earlyCancelPeriodMs`. */
  readonly maxEarlyCancels: number;
  /** Pings that come faster, on a connection without other work, count as a flood after a few. */
  readonly minPingIntervalMs: number;
}

export const earlyCancelAgeMs = 1_000;
export const earlyCancelPeriodMs = 10_000;

export interface ClientHello {
  readonly versions: readonly number[];
  readonly nonce: string;
  readonly agent: string;
  /** The hashes that the client can do in addition to SHA-256. */
  readonly hashes?: readonly string[];
  /** The channel bindings that the client can do, if there are others than the exporter. */
  readonly bindings?: readonly string[];
  /** The notifications that the client knows beyond those that are sent to all. */
  readonly notifications?: readonly string[];
}

export interface ServerHello {
  readonly version: 2;
  readonly nonce: string;
  readonly agent: string;
  /** `token`: an `authenticate` request must come first. */
  readonly authentication: "token" | "none";
  /** The hash of all packets behind both HELLO. undefined: SHA-256. */
  readonly hash?: string | undefined;
  /** What binds the proof to TLS. undefined: the exporter. */
  readonly binding?: string | undefined;
  readonly limits: SessionLimits;
}

/**
 * HELLO has the checksum of version 1, because a server of version 1 may read it. That server then sees a sound packet
 * of an unknown type.
 */
export function encodeClientHello(hello: ClientHello): Buffer {
  return encodePacket(PacketType.HELLO, JSON.stringify(hello));
}

export function encodeServerHello(hello: ServerHello): Buffer {
  return encodeTextPacket(PacketType.HELLO, JSON.stringify(hello));
}

/** @throws IscepError `protocol` */
export function decodeClientHello(packet: PacketView, limits: JsonLimits): ClientHello {
  const content = packet.bytes.subarray(packet.start, packet.end);
  if (packet.bytes.toString("latin1", packet.end, packet.end + hashBytes) !== hash("md5", content)) {
    throw new IscepError("protocol", "the checksum of HELLO is not the MD5 of its content in lower-case hex");
  }
  const hello = parseJson(content, limits);
  if (!isJsonObject(hello) || !Array.isArray(hello["versions"])) throw wrongHello();
  const { nonce, agent } = hello;
  const versions = hello["versions"].filter((version: unknown) => typeof version === "number");
  return {
    versions,
    nonce: checkNonce(nonce),
    agent: typeof agent === "string" ? agent : "",
    ...namesOf(hello, "hashes"),
    ...namesOf(hello, "bindings"),
    ...namesOf(hello, "notifications"),
  };
}

/** Unknown names are kept, as they are for a later version. */
function namesOf<Field extends string>(hello: JsonObject, field: Field): { readonly [Key in Field]?: string[] } {
  const names = hello[field];
  if (names === undefined) return {};
  if (!Array.isArray(names)) throw wrongHello();
  const texts = names.filter((name: unknown) => typeof name === "string");
  return { [field]: texts } as { [Key in Field]: string[] };
}

/** @throws IscepError `protocol` */
export function decodeServerHello(packet: PacketView, limits: JsonLimits): ServerHello {
  checkHash(packet);
  const hello = parseJson(packet.bytes.subarray(packet.start, packet.end), limits);
  if (!isJsonObject(hello) || hello["version"] !== 2 || !isJsonObject(hello["limits"])) throw wrongHello();
  const { nonce, agent, authentication, hash: chosenHash, binding, limits: told } = hello;
  if (authentication !== "token" && authentication !== "none") throw wrongHello();
  const limit = (name: keyof SessionLimits, min = 1, otherwise?: number): number => {
    const value = told[name] ?? otherwise;
    // No server can be configured with more. So it is a mistake, or an attempt to make this side keep without end what
    // it sends.
    const { max } = limitTable[name];
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min || value > max) throw wrongHello();
    return value;
  };
  return {
    version: 2,
    nonce: checkNonce(nonce),
    agent: typeof agent === "string" ? agent : "",
    authentication,
    ...choice("hash", chosenHash),
    ...choice("binding", binding),
    limits: {
      maxPacketBytes: limit("maxPacketBytes"),
      maxDataBytes: limit("maxDataBytes"),
      maxCallsInFlight: limit("maxCallsInFlight"),
      streamWindowBytes: limit("streamWindowBytes"),
      connectionWindowBytes: limit("connectionWindowBytes"),
      // Servers up to 0.1.0 say nothing of these, and have the defaults or more.
      maxEarlyCancels: limit("maxEarlyCancels", 0, limitTable.maxEarlyCancels.default),
      minPingIntervalMs: limit("minPingIntervalMs", 0, limitTable.minPingIntervalMs.default),
    },
  };
}

function choice<Field extends string>(field: Field, value: unknown): { readonly [Key in Field]?: string } {
  if (value === undefined) return {};
  if (typeof value !== "string") throw wrongHello();
  return { [field]: value } as { [Key in Field]: string };
}

function checkNonce(nonce: unknown): string {
  if (typeof nonce !== "string" || Buffer.from(nonce, "base64url").length !== nonceBytes) throw wrongHello();
  return nonce;
}

function wrongHello(): IscepError {
  return new IscepError("protocol", "a HELLO lacks a field, or has one of another form");
}

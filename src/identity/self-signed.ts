/**
 * A certificate for one server, signed by its own key: RFC 5280 with one shape only, EC P-256 and ECDSA with SHA-256.
 * Written by hand, as a library for all of X.509 weighs megabytes and wants to extend the global `Reflect` of the
 * service that iscep runs in.
 */
import { createHash, generateKeyPair, randomBytes, sign, type KeyObject } from "node:crypto";
import { isIP } from "node:net";
import { hostname } from "node:os";
import { domainToASCII } from "node:url";
import { promisify } from "node:util";
import { IscepError } from "../errors.js";
import { defaultLimits, limitTable } from "../limits.js";
import { addressBytes } from "./source.js";

export interface CertificateOptions {
  /** Names and addresses that clients call the server by. Default: localhost, 127.0.0.1, ::1 and this machine's name. */
  readonly hosts?: readonly string[];
  /** Default `certificateLifetimeDays`. */
  readonly days?: number;
  /** When it begins to count, for tests. Default: now. */
  readonly nowMs?: number;
}

const dayMs = 86_400_000;

/** @throws IscepError `usage` for hosts that are none, and days out of range */
export async function createSelfSigned(options: CertificateOptions = {}): Promise<{ certPem: string; keyPem: string }> {
  const { hosts = defaultHosts(), days = defaultLimits.certificateLifetimeDays, nowMs = Date.now() } = options;
  if (!Number.isInteger(days) || days < 1 || days > limitTable.certificateLifetimeDays.max) {
    throw new IscepError("usage", `days must be a whole number from 1 to ${limitTable.certificateLifetimeDays.max}`);
  }
  const names = hosts.map(hostName);
  const { publicKey, privateKey } = await promisify(generateKeyPair)("ec", { namedCurve: "P-256" });
  const der = certificateDer(names, publicKey, privateKey, nowMs, nowMs + days * dayMs);
  const lines = der.toString("base64").replace(/.{1,64}/g, "$&\n");
  return {
    certPem: `-----BEGIN CERTIFICATE-----\n${lines}-----END CERTIFICATE-----\n`,
    keyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

function defaultHosts(): string[] {
  const own = hostname();
  return ["localhost", "127.0.0.1", "::1", ...(own !== "localhost" && isHostName(domainToASCII(own)) ? [own] : [])];
}

function hostName(host: string): string {
  const name = isIP(host) === 0 ? domainToASCII(host) : host;
  if (isIP(host) === 0 && !isHostName(name))
    throw new IscepError("usage", `${JSON.stringify(host)} is no host name and no address`);
  return name;
}

function isHostName(name: string): boolean {
  return (
    name.length <= 253 &&
    /^(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/i.test(name)
  );
}

const oid = {
  commonName: "550403",
  subjectKeyIdentifier: "551d0e",
  keyUsage: "551d0f",
  subjectAltName: "551d11",
  basicConstraints: "551d13",
  extendedKeyUsage: "551d25",
  serverAuth: "2b06010505070301",
  ecdsaWithSha256: "2a8648ce3d040302",
} as const;

// RFC 5280, section 4.1
function certificateDer(
  names: readonly string[],
  publicKey: KeyObject,
  privateKey: KeyObject,
  fromMs: number,
  toMs: number,
): Buffer {
  const algorithm = sequence(objectId(oid.ecdsaWithSha256));
  const shortName = names.find((name) => name.length <= 64) ?? "iscep"; // the longest that a common name may be
  const name = sequence(tlv(0x31, sequence(objectId(oid.commonName), tlv(0x0c, Buffer.from(shortName)))));
  const spki = publicKey.export({ type: "spki", format: "der" });
  const toBeSigned = sequence(
    tlv(0xa0, integer(2)), // version 3
    serialNumber(),
    algorithm,
    name,
    sequence(time(fromMs - dayMs), time(toMs)), // from a day before: clocks differ
    name,
    spki,
    tlv(
      0xa3,
      sequence(
        extension(oid.basicConstraints, true, sequence()), // no authority: its key cannot vouch for another host
        extension(oid.keyUsage, true, tlv(0x03, Buffer.from([7, 0x80]))), // digitalSignature
        extension(oid.extendedKeyUsage, false, sequence(objectId(oid.serverAuth))),
        extension(oid.subjectAltName, false, sequence(...names.map(generalName))),
        extension(
          oid.subjectKeyIdentifier,
          false,
          tlv(0x04, createHash("sha256").update(spki).digest().subarray(0, 20)),
        ), // RFC 7093
      ),
    ),
  );
  return sequence(toBeSigned, algorithm, bitString(sign("sha256", toBeSigned, privateKey)));
}

function generalName(name: string): Buffer {
  return isIP(name) === 0 ? tlv(0x82, Buffer.from(name)) : tlv(0x87, addressBytes(name));
}

/** Positive and not 0, as the first of its 16 bytes is from 0x40 to 0x7f. */
function serialNumber(): Buffer {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return tlv(0x02, bytes);
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  return sequence(objectId(id), ...(critical ? [tlv(0x01, Buffer.from([0xff]))] : []), tlv(0x04, value));
}

/** RFC 5280, section 4.1.2.5: two digits for the year up to 2049, four from then on. */
function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/\.[0-9]+Z$|[-:T]/g, "");
  return digits < "2050" ? tlv(0x17, Buffer.from(`${digits.slice(2)}Z`)) : tlv(0x18, Buffer.from(`${digits}Z`));
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tlv(0x30, ...parts);
}

function integer(value: number): Buffer {
  return tlv(0x02, Buffer.from([value]));
}

function objectId(hex: string): Buffer {
  return tlv(0x06, Buffer.from(hex, "hex"));
}

function bitString(bytes: Buffer): Buffer {
  return tlv(0x03, Buffer.from([0]), bytes);
}

/** X.690, section 8.1: tag, length, contents. */
function tlv(tag: number, ...parts: readonly Buffer[]): Buffer {
  const contents = Buffer.concat(parts);
  const { length } = contents;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), contents]);
  const hex = length.toString(16);
  const lengthBytes = Buffer.from(hex.padStart(hex.length + (hex.length % 2), "0"), "hex");
  return Buffer.concat([Buffer.from([tag, 0x80 | lengthBytes.length]), lengthBytes, contents]);
}

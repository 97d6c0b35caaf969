/** A certificate for one server, signed by its own key (RFC 5280): EC P-256, ECDSA with SHA-256. */
import { KeyObject, randomBytes, webcrypto } from "node:crypto";
import { isIP } from "node:net";
import { hostname } from "node:os";
import { domainToASCII } from "node:url";
import { IscepError } from "../errors.js";
import { defaultLimits, limitTable } from "../limits/limits.js";

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
  // Imported here only: it is heavy, and the library below it extends the global `Reflect` for its annotations.
  await import("reflect-metadata");
  const x509 = await import("@peculiar/x509");
  x509.cryptoProvider.set(webcrypto);
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: [names.find((name) => name.length <= 64) ?? "iscep"] }], // the longest that a common name may be
    notBefore: new Date(nowMs - dayMs), // clocks differ
    notAfter: new Date(nowMs + days * dayMs),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true), // no authority: its key cannot vouch for another host
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(names.map(generalName)),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return {
    certPem: `${certificate.toString("pem")}\n`,
    keyPem: KeyObject.from(keys.privateKey).export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

/** Positive and not 0, as the first of its 16 bytes is from 0x40 to 0x7f. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString("hex");
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

function generalName(name: string): { type: "dns" | "ip"; value: string } {
  return { type: isIP(name) === 0 ? "dns" : "ip", value: name };
}

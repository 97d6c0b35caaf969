/**
 * Makes a certificate for one server, signed by its own key (RFC 5280). The key is EC P-256 and the signature is ECDSA
 * with SHA-256, unless a key is given.
 */
import { createPrivateKey, createPublicKey, KeyObject, randomBytes, webcrypto } from "node:crypto";
import { isIP } from "node:net";
import { hostname } from "node:os";
import { domainToASCII } from "node:url";
import { IscepError } from "../errors.js";
import { defaultLimits, limitTable } from "../limits/limits.js";

export interface CertificateOptions {
  /**
   * The names and addresses by which clients call the server. Default: localhost, 127.0.0.1, ::1 and this machine's
   * name.
   */
  readonly hosts?: readonly string[];
  /** Default: `certificateLifetimeDays`. */
  readonly days?: number;
  /** The key of the certificate, as PEM; with the same key the pin stays the same. Default: a new key, EC P-256. */
  readonly keyPem?: string;
  /** The time from which it is valid, for tests. Default: now. */
  readonly nowMs?: number;
}

const dayMs = 86_400_000;

/** @throws IscepError `usage` for hosts that are not valid, and days out of range */
export async function createSelfSigned(options: CertificateOptions = {}): Promise<{ certPem: string; keyPem: string }> {
  const { hosts = defaultHosts(), days = defaultLimits.certificateLifetimeDays, nowMs = Date.now() } = options;
  if (!Number.isInteger(days) || days < 1 || days > limitTable.certificateLifetimeDays.max) {
    throw new IscepError("usage", `days must be a whole number from 1 to ${limitTable.certificateLifetimeDays.max}`);
  }
  const names = hosts.map(hostName);
  // This is imported only here, because it is heavy, and because the library below it extends the global `Reflect`.
  await import("reflect-metadata");
  const x509 = await import("@peculiar/x509");
  x509.cryptoProvider.set(webcrypto);
  const { keys, algorithm } = await keyPair(options.keyPem);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: [names.find((name) => name.length <= 64) ?? "iscep"] }], // a common name has at most 64
    notBefore: new Date(nowMs - dayMs), // clocks differ
    notAfter: new Date(nowMs + days * dayMs),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true), // no authority: its key signs for no other host
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

const newKey = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

const algorithms: Readonly<
  Record<string, { readonly name: string; readonly namedCurve?: string; readonly hash: string }>
> = {
  "ec prime256v1": newKey,
  "ec secp384r1": { name: "ECDSA", namedCurve: "P-384", hash: "SHA-384" },
  "ec secp521r1": { name: "ECDSA", namedCurve: "P-521", hash: "SHA-512" },
  rsa: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
};

interface SigningKeys {
  readonly keys: webcrypto.CryptoKeyPair;
  readonly algorithm: { readonly name: string; readonly hash: string };
}

async function keyPair(pem: string | undefined): Promise<SigningKeys> {
  const { subtle } = webcrypto;
  if (pem === undefined) return { keys: await subtle.generateKey(newKey, true, ["sign", "verify"]), algorithm: newKey };
  const key = privateKeyOf(pem);
  const { namedCurve } = key.asymmetricKeyDetails ?? {};
  const kind = [key.asymmetricKeyType, namedCurve].filter((word) => word !== undefined).join(" ");
  const algorithm = Object.hasOwn(algorithms, kind) ? algorithms[kind] : undefined;
  if (algorithm === undefined) {
    throw new IscepError(
      "usage",
      `a certificate cannot be made here for a key of the kind ${kind}; take EC (P-256, P-384, P-521) or RSA`,
    );
  }
  const pkcs8 = key.export({ type: "pkcs8", format: "der" });
  const spki = createPublicKey(key).export({ type: "spki", format: "der" });
  const [privateKey, publicKey] = await Promise.all([
    subtle.importKey("pkcs8", pkcs8, algorithm, true, ["sign"]),
    subtle.importKey("spki", spki, algorithm, true, ["verify"]),
  ]);
  return { keys: { privateKey, publicKey }, algorithm };
}

function privateKeyOf(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw new IscepError("configuration", "the key is not a private key in PEM form without a passphrase", { cause });
  }
}

/** The number is positive and not 0, because its first of 16 bytes is from 0x40 to 0x7f. */
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

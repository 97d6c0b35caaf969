/** An authority that signs certificates of clients, as an organisation has one. */
import { KeyObject, webcrypto } from "node:crypto";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const dayMs = 86_400_000;

export interface Signed {
  readonly certificate: string;
  readonly key: string;
}

export interface Authority {
  readonly pem: string;
  /** For one name, or several, as only a careless authority does it. */
  sign(...commonNames: string[]): Promise<Signed>;
}

export async function authority(name: string): Promise<Authority> {
  // The library needs this one to be there before it is loaded.
  await import("reflect-metadata");
  const x509 = await import("@peculiar/x509");
  x509.cryptoProvider.set(webcrypto);
  const newKeys = (): Promise<webcrypto.CryptoKeyPair> =>
    webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const own = await newKeys();
  const dates = { notBefore: new Date(Date.now() - dayMs), notAfter: new Date(Date.now() + 30 * dayMs) };
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [name] }],
    ...dates,
    signingAlgorithm: algorithm,
    keys: own,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
    ],
  });
  return {
    pem: root.toString("pem"),
    async sign(...commonNames) {
      const keys = await newKeys();
      const signed = await x509.X509CertificateGenerator.create({
        subject: commonNames.map((commonName) => ({ CN: [commonName] })),
        issuer: root.subject,
        ...dates,
        signingAlgorithm: algorithm,
        publicKey: keys.publicKey,
        signingKey: own.privateKey,
        extensions: [new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth])],
      });
      const key = KeyObject.from(keys.privateKey).export({ type: "pkcs8", format: "pem" }).toString();
      return { certificate: signed.toString("pem"), key };
    },
  };
}

/** Its signature has no hash function of its own. */
export async function ed25519Certificate(): Promise<{ readonly cert: string; readonly key: string }> {
  await import("reflect-metadata");
  const x509 = await import("@peculiar/x509");
  x509.cryptoProvider.set(webcrypto);
  const signingAlgorithm = { name: "Ed25519" };
  const keys = (await webcrypto.subtle.generateKey(signingAlgorithm, true, [
    "sign",
    "verify",
  ])) as webcrypto.CryptoKeyPair;
  const dates = { notBefore: new Date(Date.now() - dayMs), notAfter: new Date(Date.now() + 30 * dayMs) };
  const made = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ CN: ["localhost"] }],
    ...dates,
    signingAlgorithm,
    keys,
  });
  const key = KeyObject.from(keys.privateKey).export({ type: "pkcs8", format: "pem" }).toString();
  return { cert: made.toString("pem"), key };
}

/** What clients will find wrong with a server's key and certificates, although the server can load them. */
import { createPrivateKey, type X509Certificate } from "node:crypto";
import { systemCodeOf } from "../../files/system-code.js";
import { certificatesIn, type Certificate } from "../../identity/certificates.js";
import { tryHandshake } from "../../identity/handshake.js";

export interface CertificateFaults {
  /** Why no client can connect. */
  readonly wrong?: string;
  /** Faults that only clients notice that trust an authority, and not a pin. */
  readonly warnings: readonly string[];
}

/** @param name how messages name the certificate */
export async function certificateFaults(name: string, certificate: Certificate): Promise<CertificateFaults> {
  const [leaf, ...others] = certificatesIn(certificate.certPem);
  if (leaf === undefined) return { warnings: [] };
  const chain = chainOf(leaf, others);
  const { failure, distrust } = await tryHandshake(certificate, (chain.at(-1) ?? leaf).toString());
  if (failure !== undefined) {
    const { asymmetricKeyType: type = "", asymmetricKeyDetails } = createPrivateKey(certificate.keyPem);
    const form = [type, asymmetricKeyDetails?.namedCurve].filter((word) => word !== undefined).join(" ");
    return {
      wrong: `no client can connect with ${name}: TLS does not agree on its key (${form}, ${codeOf(failure)}); make another key and certificate with \`iscep cert\``,
      warnings: [],
    };
  }
  const unused = others.filter((other) => !chain.some(({ raw }) => raw.equals(other.raw)));
  return {
    warnings: [
      ...(distrust === undefined
        ? []
        : [
            `clients that trust an authority, and not a pin, refuse ${name}: ${distrust}; renew it, and what signed it`,
          ]),
      ...unused.map(
        ({ subject }) =>
          `${name} holds a certificate that did not sign the others (${subject.replaceAll("\n", ", ")}); remove it, or add what is between`,
      ),
    ],
  };
}

/** The certificates from the server's own to the highest one, in whichever order the file has them. */
function chainOf(leaf: X509Certificate, others: readonly X509Certificate[]): X509Certificate[] {
  const chain = [leaf];
  for (let last = leaf; ;) {
    const issuer = others.find((other) => !chain.some(({ raw }) => raw.equals(other.raw)) && hasSigned(other, last));
    if (issuer === undefined) return chain;
    chain.push(issuer);
    last = issuer;
  }
}

function hasSigned(issuer: X509Certificate, certificate: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

function codeOf(failure: unknown): string {
  return systemCodeOf(failure) ?? String(failure);
}

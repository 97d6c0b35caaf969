/** The certificate that a client showed in its TLS handshake, as far as it matters who the client is. */
import type { TLSSocket } from "node:tls";
import type { ClientCertificate } from "../model/identity.js";
import { nameOfCommonName } from "./certificate-entry.js";
import { pinOfCertificate } from "./certificates.js";

/** `hasAuthority`: the server named authorities, so that the handshake checked who signed the certificate. */
export function clientCertificateOf(socket: TLSSocket, hasAuthority: boolean): ClientCertificate | undefined {
  const shown = socket.getPeerX509Certificate();
  if (shown === undefined) return undefined;
  const validFromMs = Date.parse(shown.validFrom);
  const validToMs = Date.parse(shown.validTo);
  try {
    // Two common names would let an authority vouch for one, and us read the other.
    const name: unknown = hasAuthority && socket.authorized ? shown.toLegacyObject().subject?.CN : undefined;
    const names = [pinOfCertificate(shown), ...(typeof name === "string" ? [nameOfCommonName(name)] : [])];
    return { names, validFromMs, validToMs };
  } catch {
    // A kind of key that this OpenSSL does not know: it names nobody.
    return { names: [], validFromMs, validToMs };
  }
}

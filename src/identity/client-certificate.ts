/** Reads from the certificate of a TLS handshake what says who the client is. */
import type { TLSSocket } from "node:tls";
import type { ClientCertificate } from "../model/identity.js";
import { nameOfCommonName } from "./certificate-entry.js";
import { pinOfCertificate } from "./certificates.js";

/**
 * @param hasAuthority true when the server named authorities, so that the handshake checked who signed the certificate
 */
export function clientCertificateOf(socket: TLSSocket, hasAuthority: boolean): ClientCertificate | undefined {
  const shown = socket.getPeerX509Certificate();
  if (shown === undefined) return undefined;
  const validFromMs = Date.parse(shown.validFrom);
  const validToMs = Date.parse(shown.validTo);
  try {
    // With two common names, an authority could vouch for one, and we could read the other.
    const name: unknown = hasAuthority && socket.authorized ? shown.toLegacyObject().subject?.CN : undefined;
    const names = [pinOfCertificate(shown), ...(typeof name === "string" ? [nameOfCommonName(name)] : [])];
    return { names, validFromMs, validToMs };
  } catch {
    // This OpenSSL does not know this kind of key, so it identifies no client.
    return { names: [], validFromMs, validToMs };
  }
}

import { defaultStateFolder, ensureServerCertificate, loadServerCertificate } from "../identity/certificates.js";
import { checkCertificate, type CertificatePem } from "../transport/listener.js";
import { clientAuthorities } from "./client-certificates.js";
import { placesOf } from "./listen-places.js";
import type { ServerOptions } from "./options.js";

export interface ServerCertificate extends CertificatePem {
  readonly pin: string;
}

/**
 * The certificate that the options ask for: given files, our own in the state folder (made on the first start), or
 * none.
 * @throws IscepError `configuration` for files that are missing or wrong; it never falls back to cleartext
 */
export async function serverCertificate(options: ServerOptions): Promise<ServerCertificate | undefined> {
  if (options.tls === false || placesOf(options).every((place) => "unix" in place)) return undefined;
  const certificate =
    typeof options.tls === "object"
      ? loadServerCertificate(options.tls)
      : await ensureServerCertificate(options.stateFolder ?? defaultStateFolder());
  const asked = { ...certificate, clientAuthorities: clientAuthorities(options) };
  checkCertificate(asked);
  return asked;
}

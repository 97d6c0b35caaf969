/**
 * Handles client certificates: whether the server asks for them, what they are trusted by, and which identity they
 * give.
 */
import { TLSSocket } from "node:tls";
import { IscepError } from "../errors.js";
import { CertificateAuthenticator } from "../identity/certificate-authenticator.js";
import { clientCertificateOf } from "../identity/client-certificate.js";
import { readAuthorities } from "../identity/trust.js";
import type { Authenticator, TokensAuthenticator } from "../model/identity.js";
import type { ByteStream } from "../transport/byte-stream.js";
import { placesOf } from "./listen-places.js";
import type { ServerOptions } from "./options.js";

type ClientOptions = Pick<ServerOptions, "clientCertificates">;

function modeOf({ clientCertificates }: ClientOptions): "certificate" | "certificate+token" | undefined {
  const mode = clientCertificates?.mode ?? "certificate";
  return clientCertificates === undefined || mode === "token" ? undefined : mode;
}

/**
 * @throws IscepError `usage` when certificates are required where no client could show one, or when nothing says whose
 *   they are
 */
export function checkClientCertificates(options: ServerOptions): void {
  if (modeOf(options) === undefined) return;
  if (typeof options.tokens !== "string") {
    throw new IscepError(
      "usage",
      "client certificates need a tokens file, which says whose they are: `iscep tokens add OWNER --certificate FILE`",
    );
  }
  if (options.tls === false || placesOf(options).some((place) => "unix" in place)) {
    throw new IscepError(
      "usage",
      "client certificates need TLS in every place that the server listens on; leave out unix sockets and cleartext",
    );
  }
}

/**
 * The authorities, in PEM form, whose certificates may be known by their names. It is empty when only pins count, and
 * undefined when no certificate is asked for.
 * @throws IscepError `configuration` for a file that is missing or has no certificate
 */
export function clientAuthorities(options: ClientOptions): readonly string[] | undefined {
  if (modeOf(options) === undefined) return undefined;
  const files = [options.clientCertificates?.ca ?? []].flat();
  return files.flatMap((file) => readAuthorities(file)).map((authority) => authority.toString());
}

/** Decides who may speak on this connection. If no certificate is asked for, only the tokens decide. */
export function authenticatorOf(
  options: ClientOptions,
  tokens: TokensAuthenticator | undefined,
  socket: ByteStream | undefined,
  source: string,
): { readonly authenticator: Authenticator | undefined; readonly showedCertificate: boolean } {
  const mode = modeOf(options);
  if (mode === undefined || tokens === undefined) return { authenticator: tokens, showedCertificate: false };
  const hasAuthority = [options.clientCertificates?.ca ?? []].flat().length > 0;
  const certificate = socket instanceof TLSSocket ? clientCertificateOf(socket, hasAuthority) : undefined;
  return {
    authenticator: new CertificateAuthenticator({ tokens, mode, certificate, source }),
    showedCertificate: certificate !== undefined,
  };
}

/** Tries a server's key and certificate as a client would meet them: by a TLS handshake in memory. */
import { duplexPair } from "node:stream";
import { connect, createSecureContext, TLSSocket } from "node:tls";
import { minTlsVersion } from "./certificates.js";

export interface TriedHandshake {
  /** Why no client can connect; undefined when the handshake ended well. */
  readonly failure?: unknown;
  /** The code of OpenSSL for what is wrong to a client that trusts the given authority. */
  readonly distrust?: string;
}

/** @param authority the certificate that the client trusts, as PEM */
export async function tryHandshake(
  { certPem, keyPem }: { readonly certPem: string; readonly keyPem: string },
  authority: string,
): Promise<TriedHandshake> {
  const [near, far] = duplexPair();
  const secureContext = createSecureContext({ cert: certPem, key: keyPem, minVersion: minTlsVersion });
  const server = new TLSSocket(far, { isServer: true, secureContext });
  const client = connect({
    socket: near,
    ca: authority,
    allowPartialTrustChain: true,
    minVersion: minTlsVersion,
    rejectUnauthorized: false,
    // The names are not judged here, because it is not known by which one clients call.
    checkServerIdentity: () => undefined,
  });
  try {
    await new Promise<void>((resolve, reject) => {
      // The server's own error says more than the alert that the client gets.
      server.once("error", reject);
      client.once("error", (error) => setImmediate(reject, error));
      client.once("close", () => setImmediate(reject, new Error("the server closed the connection")));
      client.once("secureConnect", resolve);
    });
    // authorizationError is declared as an Error, but is the code as a text.
    const code: unknown = client.authorizationError;
    return client.authorized || typeof code !== "string" ? {} : { distrust: code };
  } catch (failure) {
    return { failure };
  } finally {
    for (const socket of [client, server]) socket.on("error", () => {}).destroy();
  }
}

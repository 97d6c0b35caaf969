/** Our credentials as options of the library of NATS. */
import type * as Library from "@nats-io/transport-node";
import { readFileSync } from "node:fs";
import { systemCodeOf } from "../files/system-code.js";
import { IscepError } from "../errors.js";
import { readPem } from "../identity/certificates.js";
import { refuseUnknownOption } from "../text/unknown-option.js";
import { natsTlsFileNames, type NatsCredentials, type NatsTlsFiles } from "./credentials.js";

/**
 * A credentials file and an nkey are read again each time that the connection is made, so that new ones count. Files of
 * TLS are read once.
 * @throws IscepError `usage` for options that contradict each other, `configuration` for files that are missing or
 *   wrong
 */
export function connectionCredentials(
  library: typeof Library,
  given: NatsCredentials,
): Pick<Library.ConnectionOptions, "authenticator" | "user" | "pass" | "tls" | "inboxPrefix"> {
  const { user, password, credentials, nkey, tls, inboxPrefix } = given;
  const ways = [user, credentials, nkey].filter((way) => way !== undefined).length;
  if (ways > 1) throw new IscepError("usage", "user, credentials and nkey of nats are three ways; give one of them");
  return {
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { pass: password }),
    ...(credentials === undefined && nkey === undefined
      ? {}
      : { authenticator: authenticatorOf(library, credentials, nkey) }),
    ...(tls === undefined || tls === false ? {} : { tls: tlsOptions(tls) }),
    ...(inboxPrefix === undefined ? {} : { inboxPrefix }),
  };
}

function authenticatorOf(
  library: typeof Library,
  credentials: string | undefined,
  nkey: string | undefined,
): Library.Authenticator {
  if (credentials !== undefined) {
    const read = (): Uint8Array => readSecret(credentials, "credentials");
    check(() => library.credsAuthenticator(read())(""), credentials, "credentials file");
    return library.credsAuthenticator(read);
  }
  const path = nkey ?? "";
  const read = (): Uint8Array => Buffer.from(readSecret(path, "nkey").toString("utf8").trim());
  check(() => library.nkeyAuthenticator(read())(""), path, "file with the seed of an nkey");
  return library.nkeyAuthenticator(read);
}

/** A fault in the file must be reported now, and not later as a fault of the connection. */
function check(use: () => unknown, path: string, what: string): void {
  try {
    use();
  } catch (error) {
    if (error instanceof IscepError) throw error;
    throw new IscepError("configuration", `${path} is no ${what} of NATS`, { cause: error });
  }
}

function readSecret(path: string, what: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const missing = systemCodeOf(error) === "ENOENT";
    const fault = missing ? "does not exist; check the path" : "cannot be read by this user; check its owner and mode";
    throw new IscepError("configuration", `the ${what} file ${path} for the broker ${fault}`, { cause: error });
  }
}

function tlsOptions(tls: true | NatsTlsFiles): Library.TlsOptions {
  if (tls === true) return {};
  refuseUnknownOption("tls of nats", tls, natsTlsFileNames);
  const { ca, cert, key } = tls;
  if ((cert === undefined) !== (key === undefined)) {
    throw new IscepError("usage", "a certificate for the broker and its key belong together; give cert and key");
  }
  return {
    ...(ca === undefined ? {} : { ca: readPem(ca, "ca") }),
    ...(cert === undefined ? {} : { cert: readPem(cert, "certificate") }),
    ...(key === undefined ? {} : { key: readPem(key, "key") }),
  };
}

/** Who we are for the broker, as its operator has decided. Tokens of iscep are another matter. */
import type * as Library from "@nats-io/transport-node";
import { readFileSync } from "node:fs";
import { IscepError } from "../errors.js";
import { readPem } from "../identity/certificates.js";
import { refuseUnknownOption } from "../text/unknown-option.js";

export interface NatsTlsFiles {
  /** PEM text, or the path of a PEM file: the authority that signed the broker's certificate. Default: the system's. */
  readonly ca?: string;
  /** PEM text, or the path of a PEM file: the certificate that we show to the broker. Default: none. */
  readonly cert?: string;
  /** PEM text, or the path of a PEM file: the key of `cert`. Default: none. */
  readonly key?: string;
}

export interface NatsCredentials {
  /** The user for the broker. Default: the one in the address, or none. */
  readonly user?: string;
  /** The password of `user`. Default: the one in the address, or none. */
  readonly password?: string;
  /** The path of a credentials file (`.creds`), which has a JWT and the seed of its key. Default: none. */
  readonly credentials?: string;
  /** The path of a file with the seed of an nkey (`SU…`). Default: none. */
  readonly nkey?: string;
  /**
   * true: nothing but TLS will do, with the authorities of the system. An object: the same, with these files. Default: TLS
   * when the broker offers it.
   */
  readonly tls?: boolean | NatsTlsFiles;
  /** What the subjects of our own answers begin with, where the broker lets a user have only some. Default: `_INBOX`. */
  readonly inboxPrefix?: string;
}

export const natsCredentialNames = {
  user: true,
  password: true,
  credentials: true,
  nkey: true,
  tls: true,
  inboxPrefix: true,
} satisfies Record<keyof NatsCredentials, true>;
const tlsFileNames = { ca: true, cert: true, key: true } satisfies Record<keyof NatsTlsFiles, true>;

/**
 * What the library takes of them. The files are read again for each connection, so that new ones count.
 * @throws IscepError `usage` for what contradicts itself, `configuration` for files that are missing or wrong
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

/** A fault of the file is told now, and not as a fault of the connection. */
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
    const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
    const fault = missing ? "does not exist; check the path" : "cannot be read by this user; check its owner and mode";
    throw new IscepError("configuration", `the ${what} file ${path} for the broker ${fault}`, { cause: error });
  }
}

function tlsOptions(tls: true | NatsTlsFiles): Library.TlsOptions {
  if (tls === true) return {};
  refuseUnknownOption("tls of nats", tls, tlsFileNames);
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

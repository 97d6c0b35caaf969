/**
 * Decides which server a client trusts: the owner of one key (a pin), of a certificate or authority (a CA file), or any
 * server that the system's authorities vouch for.
 */
import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { checkServerIdentity, type ConnectionOptions, type TLSSocket } from "node:tls";
import { systemCodeOf } from "../files/system-code.js";
import { IscepError } from "../errors.js";
import { minTlsVersion, pinOfCertificate, readPem } from "./certificates.js";
import { normalPin } from "./pin.js";

export interface TrustOptions {
  /** The name or address by which the client calls the server. */
  readonly host: string;
  /** PEM text, or the path of a PEM file: the server's own certificate, or the authority that signed it. */
  readonly ca?: string;
  /**
   * Pins, as `pinOfCertificate` and `iscep cert` give them. The server's key must fit one of them. The pins alone
   * decide: dates and names of the certificate do not count.
   */
  readonly pin?: string | readonly string[];
}

/** How a client recognises its server. */
export interface Trust {
  /** Options for tls.connect, in addition to host and port. */
  readonly connection: ConnectionOptions;
  /**
   * A name for what is trusted. It differs for other pins, other authorities, or another name of the server. undefined
   * when this side shows a certificate too.
   */
  readonly name: string | undefined;
  /** The same for the part of `connection` that a TLS context is made of. */
  readonly contextName: string;
  /**
   * Call this at 'secureConnect', before the first write. With a pin, this decides. Returns the server's certificate. Call
   * it once for each socket, because Node gives the certificate only once.
   * @throws IscepError `not_trusted`
   */
  check(socket: TLSSocket): X509Certificate | undefined;
  /**
   * The same for a socket that resumed a session of this trust. Node has no certificate for it. What was compared with
   * a pin holds, because only the owner of that key can know the secret of the session.
   * @throws IscepError `not_trusted`
   */
  checkResumed(socket: TLSSocket): void;
  /** The error of a failed handshake as `tlsFailure` tells it to people; undefined for other errors. */
  explain(error: Error): IscepError | undefined;
}

/**
 * @throws IscepError `usage` for text that is not a pin, `configuration` for a CA file that is missing or has no
 *   certificate
 */
export function trustOptions({ host, ca, pin }: TrustOptions): Trust {
  const name = host.replace(/^\[(.*)\]$/, "$1");
  const explain = (error: Error): IscepError | undefined => tlsFailure(error, host);
  const base: ConnectionOptions = {
    minVersion: minTlsVersion,
    rejectUnauthorized: true,
    ...(isIP(name) === 0 ? { servername: name } : {}), // RFC 6066 has no addresses there
  };
  const authorities = ca === undefined ? undefined : readAuthorities(ca); // also with a pin: a missing file is a fault
  const pems = authorities?.map((certificate) => certificate.toString());
  const nameWith = (...parts: readonly unknown[]): string => JSON.stringify([name, ...parts]);
  if (pin !== undefined) {
    const expected = [pin].flat().map(checkedPin);
    if (expected.length === 0)
      throw new IscepError("usage", "the list of pins is empty, so no server would be trusted");
    const check = (socket: TLSSocket): X509Certificate => checkPin(socket, expected, name);
    const checkResumed = (): void => {};
    const connection = { ...base, rejectUnauthorized: false };
    return { connection, name: nameWith("pins", ...expected), contextName: "system", check, checkResumed, explain };
  }
  const checkResumed = (socket: TLSSocket): void => {
    if (!socket.authorized) throw tlsFailure(socket.authorizationError, name) ?? notTrusted(name, "is not trusted");
  };
  const check = (socket: TLSSocket): X509Certificate | undefined => {
    checkResumed(socket);
    return socket.getPeerX509Certificate();
  };
  if (authorities === undefined) {
    return {
      connection: { ...base, checkServerIdentity: (_, peer) => checkServerIdentity(name, peer) },
      name: nameWith("system"),
      contextName: "system",
      check,
      checkResumed,
      explain,
    };
  }
  return {
    connection: {
      ...base,
      ca: pems,
      // The file may hold the server's own certificate, even if another authority signed it.
      allowPartialTrustChain: true,
      checkServerIdentity: (_, peer) => {
        const given = authorities.some((certificate) => certificate.raw.equals(peer.raw));
        return given ? undefined : checkServerIdentity(name, peer);
      },
    },
    name: nameWith("ca", ...(pems ?? [])),
    contextName: JSON.stringify(pems),
    check,
    checkResumed,
    explain,
  };
}

const reasons: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: "is signed by itself and is not the one that was given",
  SELF_SIGNED_CERT_IN_CHAIN: "comes from an authority that is not known here",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "comes from an authority that is not known here",
  UNABLE_TO_GET_ISSUER_CERT: "comes from an authority that is not known here",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "comes from an authority that is not known here",
  CERT_UNTRUSTED: "comes from an authority that is not known here",
  CERT_REJECTED: "is refused by this system",
  CERT_REVOKED: "has been revoked",
  CERT_HAS_EXPIRED: "has expired; renew it on the server",
  CERT_NOT_YET_VALID: "does not count yet; is this machine's clock right?",
  ERROR_IN_CERT_NOT_BEFORE_FIELD: "has a broken date",
  ERROR_IN_CERT_NOT_AFTER_FIELD: "has a broken date",
  ERR_TLS_CERT_ALTNAME_INVALID: "is for other names than the one that was called",
  ERR_TLS_CERT_ALTNAME_FORMAT: "has names that cannot be read",
  HOSTNAME_MISMATCH: "is for other names than the one that was called",
  CERT_SIGNATURE_FAILURE: "has a wrong signature",
  UNABLE_TO_DECRYPT_CERT_SIGNATURE: "has a wrong signature",
  UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY: "has a wrong signature",
  CERT_CHAIN_TOO_LONG: "has too long a chain of authorities",
  PATH_LENGTH_EXCEEDED: "has too long a chain of authorities",
  INVALID_CA: "was signed by a certificate that is no authority",
  INVALID_PURPOSE: "is not meant for servers",
};

/**
 * What a failed TLS connection means to the caller: `not_trusted` for the server's certificate, `connect_failed` when
 * TLS itself failed, and undefined for other errors.
 * @param error the socket's error, or its `authorizationError`
 * @param where how the message names the server
 */
export function tlsFailure(error: unknown, where: string): IscepError | undefined {
  // authorizationError is declared as an Error, but is the code as a text.
  const code = systemCodeOf(error) ?? error;
  if (typeof code !== "string") return undefined;
  if (Object.hasOwn(reasons, code)) return notTrusted(where, reasons[code] ?? "", error);
  if (code === "ERR_SSL_WRONG_VERSION_NUMBER" || code === "ERR_SSL_PACKET_LENGTH_TOO_LONG") {
    return new IscepError(
      "connect_failed",
      `${where} does not speak TLS; if it is meant to be cleartext, call it with iscep+tcp://`,
      {
        cause: error,
      },
    );
  }
  if (code.startsWith("ERR_SSL_") || code === "EPROTO") {
    return new IscepError(
      "connect_failed",
      `TLS with ${where} failed (${code}); at least TLS 1.2 is needed on both sides`,
      { cause: error },
    );
  }
  return undefined;
}

function notTrusted(where: string, reason: string, cause?: unknown): IscepError {
  return new IscepError(
    "not_trusted",
    `the certificate of ${where} ${reason}. Give the server's pin (--pin sha256:…) or its certificate file (--ca FILE), ` +
      "taken from the server itself, where `iscep cert --show FILE` prints the pin",
    cause === undefined ? {} : { cause },
  );
}

function checkPin(socket: TLSSocket, pins: readonly string[], where: string): X509Certificate {
  const expected = pins.join(" or ");
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined)
    throw new IscepError("not_trusted", `${where} showed no certificate, and ${expected} was expected`);
  const shown = pinOfCertificate(certificate);
  if (pins.includes(shown)) return certificate;
  throw new IscepError(
    "not_trusted",
    `${where} has another key than the pinned one: expected ${expected}, it shows ${shown}. If the server was given a new key, ` +
      "take the new pin from the server itself; otherwise someone may be standing between",
    { details: { expected, shown } },
  );
}

/** @throws IscepError `usage` */
function checkedPin(pin: string): string {
  const normal = normalPin(pin);
  if (normal !== undefined) return normal;
  throw new IscepError("usage", "a pin is sha256: and 43 characters of base64url, as `iscep cert` prints it");
}

/** A program connects again and again with the same text, and to read a certificate costs half of a resumed handshake. */
let lastRead: { readonly pem: string; readonly certificates: readonly X509Certificate[] } | undefined;

/** @throws IscepError `configuration` */
export function readAuthorities(ca: string): readonly X509Certificate[] {
  const name = ca.includes("-----BEGIN ") ? "the ca text" : `the ca file ${ca}`;
  const pem = readPem(ca, "ca");
  if (lastRead?.pem === pem) return lastRead.certificates;
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0)
    throw new IscepError("configuration", `${name} holds no certificate (-----BEGIN CERTIFICATE-----)`);
  try {
    const certificates = blocks.map((block) => new X509Certificate(block));
    lastRead = { pem, certificates };
    return certificates;
  } catch (error) {
    throw new IscepError("configuration", `${name} holds a certificate that cannot be read`, { cause: error });
  }
}

/** What ties a proof to one TLS connection or to one instance, so that it counts nowhere else (PROTOCOL.md, "Authentication"). */
import { createHash } from "node:crypto";
import { TLSSocket } from "node:tls";
import { exporterBytes, exporterLabel } from "../session/proof.js";
import type { BindingName, Carrier } from "../session/version2-choices.js";
import type { ByteStream } from "./byte-stream.js";

export function carrierOf(socket: ByteStream, isUnix: boolean): Carrier {
  return socket.carrier ?? (socket instanceof TLSSocket ? "tls" : isUnix ? "unix" : "cleartext");
}

/** The bytes that both sides compute alike, of the TLS connection or of where a link leads. Cleartext has none. */
export function channelBinding(socket: ByteStream, name: BindingName = "tls-exporter"): Buffer {
  if (!(socket instanceof TLSSocket)) return Buffer.from(socket.boundTo ?? "");
  if (name === "tls-exporter") return socket.exportKeyingMaterial(exporterBytes, exporterLabel, Buffer.alloc(0));
  return endPointBinding(socket.getX509Certificate()?.raw) ?? Buffer.alloc(0);
}

/** True on the server's side of TLS, when its certificate has a binding by RFC 5929. */
export function hasEndPointBinding(socket: ByteStream): boolean {
  return socket instanceof TLSSocket && endPointBinding(socket.getX509Certificate()?.raw) !== undefined;
}

/** RFC 5929, section 4.1: MD5 and SHA-1 become SHA-256. The keys are the object identifiers of signatures, in DER, as hex. */
const hashOfSignature: Readonly<Record<string, string>> = {
  "2a864886f70d010104": "sha256", // md5WithRSAEncryption
  "2a864886f70d010105": "sha256", // sha1WithRSAEncryption
  "2a864886f70d01010e": "sha224",
  "2a864886f70d01010b": "sha256",
  "2a864886f70d01010c": "sha384",
  "2a864886f70d01010d": "sha512",
  "2a8648ce3d0401": "sha256", // ecdsa-with-SHA1
  "2a8648ce3d040301": "sha224",
  "2a8648ce3d040302": "sha256",
  "2a8648ce3d040303": "sha384",
  "2a8648ce3d040304": "sha512",
};

/**
 * The hash of the server's certificate, by the hash function of its signature. undefined for signatures that have none of
 * their own (Ed25519, RSASSA-PSS), for which RFC 5929 defines no binding.
 */
export function endPointBinding(certificate: Uint8Array | undefined): Buffer | undefined {
  if (certificate === undefined) return undefined;
  const name = hashOfSignature[signatureOf(Buffer.from(certificate)).toString("hex")];
  return name === undefined ? undefined : createHash(name).update(certificate).digest();
}

/**
 * The object identifier of the signature. A certificate is the SEQUENCE of what is signed, the signature's algorithm (a
 * SEQUENCE that begins with its identifier), and the signature (RFC 5280, section 4.1). OpenSSL has read it before.
 */
function signatureOf(certificate: Buffer): Buffer {
  const signed = contentOf(certificate, contentOf(certificate, 0).start);
  const identifier = contentOf(certificate, contentOf(certificate, signed.end).start);
  return certificate.subarray(identifier.start, identifier.end);
}

/** Where the content of the DER element at `offset` begins and ends. */
function contentOf(der: Buffer, offset: number): { readonly start: number; readonly end: number } {
  const first = der.readUInt8(offset + 1);
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  const length = lengthBytes === 0 ? first : der.readUIntBE(offset + 2, lengthBytes);
  const start = offset + 2 + lengthBytes;
  return { start, end: start + length };
}

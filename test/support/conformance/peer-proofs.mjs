// @ts-nocheck plain JavaScript, as somebody else may write it
/* oxlint-disable typescript/no-unsafe-call */
/** The codes of packets and the proofs of the peer of peer.mjs, written from PROTOCOL.md alone as it is. */
import { createCipheriv, createHash, createHmac } from "node:crypto";

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

export const sha256 = (bytes) => createHash("sha256").update(bytes).digest();
const hmac = (key, text) => createHmac("sha256", key).update(text).digest();

function uint32(number) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(number);
  return bytes;
}

/** What the last 32 bytes of a packet are, by the names of HELLO. */
export const hashes = {
  none: () => Buffer.alloc(32),
  crc32: (body) => Buffer.concat([uint32(crc32(body)), Buffer.alloc(28)]),
  sha256,
  // Both need a key, which exists only when the caller is proven. Until then they are SHA-256.
  "hmac-sha256": sha256,
  "hmac-gmac": sha256,
};

/** The codes of the packets of one side, with a key ("Packets with a key"). */
export class Codes {
  constructor(name, side, storedKey, message) {
    const key = (what) => hmac(storedKey, Buffer.concat([Buffer.from(`iscep 2 ${what} of the ${side}`), message]));
    this.key = key("packets");
    this.longKey = name === "hmac-gmac" ? key("long packets") : undefined;
    this.place = 0n;
  }

  /** The code of the next packet. */
  of(body) {
    const place = Buffer.alloc(8);
    place.writeBigUInt64BE(this.place);
    if (this.longKey === undefined || body.length + 32 < 4096) return hmac(this.key, Buffer.concat([place, body]));
    const gcm = createCipheriv("aes-256-gcm", this.longKey, Buffer.concat([Buffer.alloc(4), place]));
    gcm.setAAD(body);
    gcm.final();
    return Buffer.concat([gcm.getAuthTag(), Buffer.alloc(16)]);
  }
}

export function packet(type, content, hash = sha256) {
  const body = Buffer.concat([Buffer.from([type >> 8, type & 0xff]), content]);
  return Buffer.concat([uint32(body.length + 32), body, hash(body)]);
}

function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of Buffer.from(bytes)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

export function secretOf(token) {
  const match = /^isct_[0-9A-Za-z]{12}_([0-9A-Za-z]{43})([0-9A-Za-z]{6})$/.exec(token);
  if (match === null) return token;
  let crc = 0;
  for (const digit of match[2]) crc = crc * 62 + base62.indexOf(digit);
  return crc === crc32(token.slice(0, -6)) ? match[1] : token;
}

/** What both sides prove; all fields as PROTOCOL.md names them. */
export function proofs(token, clientHello, serverHello, binding) {
  const secret = secretOf(token);
  const clientKey = hmac(secret, "client");
  const storedKey = sha256(clientKey);
  const parts = [Buffer.from("iscep 2"), clientHello, serverHello, binding];
  const message = Buffer.concat(parts.flatMap((part) => [uint32(part.length), part]));
  const mask = hmac(storedKey, message);
  return {
    reference: hmac(storedKey, "iscep 2 reference").subarray(0, 18).toString("base64url"),
    clientProof: Buffer.from(clientKey.map((byte, index) => byte ^ mask[index])),
    serverProof: hmac(hmac(secret, "server"), message),
    storedKey,
    message,
  };
}

/** What binds a proof on TLS. `certificate`: the server's, in DER; the peers know certificates with SHA-256 only. */
export function bindingOf(socket, name, certificate) {
  if (!socket.encrypted) return Buffer.alloc(0);
  if (name === "tls-server-end-point") return sha256(certificate);
  return socket.exportKeyingMaterial(32, "EXPORTER-Channel-Binding", Buffer.alloc(0));
}

/**
 * What the last 32 bytes of a packet of version 2 are. Both sides agree on it by HELLO (PROTOCOL.md, "HELLO"). The
 * hashes here find bytes that broke on the way, and do not protect against attackers. Hashes that protect have a key
 * (packet-mac.ts).
 */
import { createHash, hash } from "node:crypto";
import { crc32 } from "node:zlib";
import { hashBytes, headerBytes, sizeFieldBytes, type PacketView } from "./packet.js";

/** The names by which HELLO offers and chooses. */
export const packetHashNames = ["none", "crc32", "sha256", "hmac-sha256", "hmac-gmac"] as const;
export type PacketHashName = (typeof packetHashNames)[number];

export interface PacketHash {
  readonly name: PacketHashName;
  /** How a message names it. */
  readonly words: string;
  /** Writes it into the last 32 bytes of a whole packet. */
  seal(packet: Buffer): void;
  /** The last 32 bytes of a packet that is `head` (with its Size field) and `bytes`. They must not be changed. */
  tail(head: Buffer, bytes: Uint8Array): Buffer;
  fits(packet: PacketView): boolean;
}

/** Type and content, which every hash covers. */
function covered({ bytes, start, end }: PacketView): Buffer {
  return bytes.subarray(start - headerBytes + sizeFieldBytes, end);
}

/** The only hash before HELLO could choose one. The server's HELLO still has it. */
export const sha256: PacketHash = {
  name: "sha256",
  words: "the SHA-256 of its type and content",
  seal(packet) {
    const end = packet.length - hashBytes;
    // The digest is a binary string, because to make a Buffer of it costs more than the digest.
    packet.write(hash("sha256", packet.subarray(sizeFieldBytes, end), "binary"), end, "binary");
  },
  tail: (head, bytes) => createHash("sha256").update(head.subarray(sizeFieldBytes)).update(bytes).digest(),
  fits: (packet) =>
    packet.bytes.toString("binary", packet.end, packet.end + hashBytes) === hash("sha256", covered(packet), "binary"),
};

/** For cleartext over a network. It finds every burst of up to 32 bits, and costs a third of SHA-256. */
const crc: PacketHash = {
  name: "crc32",
  words: "the CRC-32 of its type and content, and 28 zero bytes",
  seal(packet) {
    const end = packet.length - hashBytes;
    packet.fill(0, end + 4);
    packet.writeUInt32BE(crc32(packet.subarray(sizeFieldBytes, end)), end);
  },
  tail(head, bytes) {
    // Buffer.alloc would make memory of its own for each.
    const tail = Buffer.allocUnsafe(hashBytes).fill(0);
    tail.writeUInt32BE(crc32(bytes, crc32(head.subarray(sizeFieldBytes))));
    return tail;
  },
  fits: (packet) =>
    packet.bytes.readUInt32BE(packet.end) === crc32(covered(packet)) &&
    isZero(packet.bytes, packet.end + 4, packet.end + hashBytes),
};

const zeros = Buffer.alloc(hashBytes);

/** For TLS, which finds every change itself, and for unix sockets, where bytes cannot break. */
const none: PacketHash = {
  name: "none",
  words: "32 zero bytes",
  seal: (packet) => void packet.fill(0, packet.length - hashBytes),
  tail: () => zeros,
  fits: (packet) => isZero(packet.bytes, packet.end, packet.end + hashBytes),
};

/** A multiple of four bytes. */
function isZero(bytes: Buffer, from: number, to: number): boolean {
  let bits = 0;
  for (let index = from; index < to; index += 4) bits |= bytes.readInt32LE(index);
  return bits === 0;
}

/**
 * The hashes that count behind both HELLO. Before the caller has proven who they are, there is no key, and SHA-256
 * takes the place of a hash with a key.
 */
export const packetHashes: Readonly<Record<PacketHashName, PacketHash>> = {
  none,
  crc32: crc,
  sha256,
  "hmac-sha256": sha256,
  "hmac-gmac": sha256,
};

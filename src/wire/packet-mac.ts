/**
 * Hashes of packets with a key, for a carrier on which others can send packets too (PROTOCOL.md, "Packets with a key").
 * They cover the place of a packet among those of its direction, so none can be repeated, left out, or come in another
 * order.
 */
import { createCipheriv, createHmac, hash, timingSafeEqual } from "node:crypto";
import { IscepError } from "../errors.js";
import { hashBytes, headerBytes, sizeFieldBytes } from "./packet.js";
import type { PacketHash } from "./packet-hash.js";

/** The keys of one direction of one session, 32 bytes each. No other session or direction has them. */
export interface PacketKey {
  readonly hmac: Buffer;
  /** For long packets. undefined: they have an HMAC too. */
  readonly gmac?: Buffer | undefined;
}

/** From this Size on, a GMAC costs less than an HMAC: for 100 bytes it costs three times as much, for 32 KiB a third. */
export const longPacketSize = 4096;

/** How many packets one key may have. AES is a permutation, which shows after some 2^64 codes, far more than these. */
export const maxPlaces = 2 ** 48;

const blockBytes = 64;
const placeBytes = 8;
const nonceBytes = 12;
const tagBytes = 16;

/** What is hashed with a short packet. All sessions share it, because nothing else happens while one is hashed. */
const scratch = Buffer.alloc(blockBytes + placeBytes + longPacketSize);
const expected = Buffer.alloc(hashBytes);

/**
 * The hash for one direction of one session. It counts the packets.
 * @param firstPlace only tests begin later
 */
export function packetMac({ hmac, gmac }: PacketKey, firstPlace = 0): PacketHash {
  let count = firstPlace;
  const inner = Buffer.alloc(blockBytes + placeBytes);
  const outer = Buffer.alloc(blockBytes + hashBytes);
  for (let index = 0; index < blockBytes; index++) {
    const byte = hmac[index] ?? 0;
    inner[index] = byte ^ 0x36;
    outer[index] = byte ^ 0x5c;
  }

  /** RFC 2104 by two hashes, because to make an object of node:crypto costs twice as much as both. */
  const short = (into: Buffer, at: number, first: Uint8Array, second?: Uint8Array): void => {
    inner.writeUIntBE(count, blockBytes + 2, 6);
    scratch.set(inner);
    scratch.set(first, inner.length);
    let end = inner.length + first.length;
    if (second !== undefined) {
      scratch.set(second, end);
      end += second.length;
    }
    outer.write(hash("sha256", scratch.subarray(0, end), "binary"), blockBytes, "binary");
    into.write(hash("sha256", outer, "binary"), at, "binary");
  };

  const longHmac = (into: Buffer, at: number, first: Uint8Array, second?: Uint8Array): void => {
    const place = Buffer.alloc(placeBytes);
    place.writeUIntBE(count, 2, 6);
    const code = createHmac("sha256", hmac).update(place).update(first);
    if (second !== undefined) code.update(second);
    code.digest().copy(into, at);
  };

  /** Two packets with one nonce would show the key. No place counts twice, and no other direction or session has the key. */
  const long = (key: Buffer, into: Buffer, at: number, first: Uint8Array, second?: Uint8Array): void => {
    const nonce = Buffer.alloc(nonceBytes);
    nonce.writeUIntBE(count, nonceBytes - 6, 6);
    const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: tagBytes });
    cipher.setAAD(first);
    if (second !== undefined) cipher.setAAD(second);
    cipher.final();
    cipher.getAuthTag().copy(into, at);
    into.fill(0, at + tagBytes, at + hashBytes);
  };

  const write = (into: Buffer, at: number, first: Uint8Array, second?: Uint8Array): void => {
    if (count >= maxPlaces) throw new IscepError("protocol", "the session has sent all packets that its keys are for");
    const size = first.length + (second?.length ?? 0) + hashBytes;
    if (size < longPacketSize) short(into, at, first, second);
    else if (gmac === undefined) longHmac(into, at, first, second);
    else long(gmac, into, at, first, second);
  };

  return {
    name: gmac === undefined ? "hmac-sha256" : "hmac-gmac",
    words: "the one that its key, its place, its type and its content make",
    seal(packet) {
      const end = packet.length - hashBytes;
      write(packet, end, packet.subarray(sizeFieldBytes, end));
      count++;
    },
    tail(head, bytes) {
      const tail = Buffer.allocUnsafe(hashBytes);
      write(tail, 0, head.subarray(sizeFieldBytes), bytes);
      count++;
      return tail;
    },
    fits({ bytes, start, end }) {
      write(expected, 0, bytes.subarray(start - headerBytes + sizeFieldBytes, end));
      if (!timingSafeEqual(expected, bytes.subarray(end, end + hashBytes))) return false;
      count++;
      return true;
    },
  };
}

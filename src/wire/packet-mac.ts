/**
 * A hash of packets with a key, for a carrier on which others can send packets too (PROTOCOL.md, "Packets with a key").
 * It covers the place of a packet among those of its direction, so none can be repeated, left out, or come in another
 * order.
 */
import { createHmac, createSecretKey, timingSafeEqual } from "node:crypto";
import { hashBytes, headerBytes, sizeFieldBytes } from "./packet.js";
import type { PacketHash } from "./packet-hash.js";

/** For one direction of one session: it counts the packets. */
export function packetMac(key: Buffer): PacketHash {
  const secret = createSecretKey(key);
  const place = Buffer.alloc(8);
  let count = 0;
  const mac = (typeAndMore: Uint8Array, more?: Uint8Array): Buffer => {
    place.writeUInt32BE(Math.floor(count / 2 ** 32));
    place.writeUInt32BE(count >>> 0, 4);
    const hmac = createHmac("sha256", secret).update(place).update(typeAndMore);
    if (more !== undefined) hmac.update(more);
    return hmac.digest();
  };
  return {
    name: "hmac-sha256",
    words: "the one that its key, its place, its type and its content make",
    seal(packet) {
      const end = packet.length - hashBytes;
      mac(packet.subarray(sizeFieldBytes, end)).copy(packet, end);
      count++;
    },
    tail(head, bytes) {
      const tail = mac(head.subarray(sizeFieldBytes), bytes);
      count++;
      return tail;
    },
    fits({ bytes, start, end }) {
      const expected = mac(bytes.subarray(start - headerBytes + sizeFieldBytes, end));
      if (!timingSafeEqual(expected, bytes.subarray(end, end + hashBytes))) return false;
      count++;
      return true;
    },
  };
}

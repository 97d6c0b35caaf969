/**
 * Packets of version 2 (PROTOCOL.md, "Version 2"). MESSAGES carries a JSON array of JSON-RPC 2.0 messages. DATA carries
 * the raw bytes of one stream.
 */
import { IscepError } from "../errors.js";
import { sha256, type PacketHash } from "./packet-hash.js";
import { hashBytes, headerBytes, minPacketSize, PacketType, sizeFieldBytes, type PacketView } from "./packet.js";

/** The header before the bytes of a DATA packet: Stream 4 | Channel 1 | Offset 8. */
export const dataHeaderBytes = 13;

export const channels = ["stdin", "stdout", "stderr"] as const;
export type Channel = (typeof channels)[number];

export interface DataView {
  /** The id of the call or attach that opened the stream. */
  readonly stream: number;
  readonly channel: Channel;
  /** The offset of the first byte. It counts all bytes of the run's output, or of its input, from 0. */
  readonly offset: number;
  /** A view into the chunk that was received; empty at the end of stdin. */
  readonly bytes: Buffer;
}

function blank(type: number, contentBytes: number): Buffer {
  const packet = Buffer.allocUnsafe(headerBytes + contentBytes + hashBytes);
  packet.writeUInt32BE(minPacketSize + contentBytes, 0);
  packet.writeUInt16BE(type, sizeFieldBytes);
  return packet;
}

/** A packet whose content is text. */
export function encodeTextPacket(type: number, text: string, hash: PacketHash = sha256): Buffer {
  const packet = blank(type, Buffer.byteLength(text));
  packet.write(text, headerBytes, "utf8");
  hash.seal(packet);
  return packet;
}

export function encodeDataPacket(
  stream: number,
  channel: Channel,
  offset: number,
  bytes: Uint8Array,
  hash: PacketHash = sha256,
): Buffer {
  const packet = blank(PacketType.DATA, dataHeaderBytes + bytes.length);
  writeDataHeader(packet, stream, channel, offset);
  packet.set(bytes, headerBytes + dataHeaderBytes);
  hash.seal(packet);
  return packet;
}

/** The same packet in three parts, to be written one after the other, so that large bytes need not be copied. */
export function encodeDataParts(
  stream: number,
  channel: Channel,
  offset: number,
  bytes: Uint8Array,
  hash: PacketHash = sha256,
): readonly [head: Buffer, bytes: Uint8Array, hash: Buffer] {
  const head = Buffer.allocUnsafe(headerBytes + dataHeaderBytes);
  head.writeUInt32BE(minPacketSize + dataHeaderBytes + bytes.length, 0);
  head.writeUInt16BE(PacketType.DATA, sizeFieldBytes);
  writeDataHeader(head, stream, channel, offset);
  return [head, bytes, hash.tail(head, bytes)];
}

function writeDataHeader(packet: Buffer, stream: number, channel: Channel, offset: number): void {
  packet.writeUInt32BE(stream, headerBytes);
  packet[headerBytes + 4] = channels.indexOf(channel);
  packet.writeUInt32BE(Math.floor(offset / 2 ** 32), headerBytes + 5);
  packet.writeUInt32BE(offset >>> 0, headerBytes + 9);
}

/** @throws IscepError `protocol` when the hash does not belong to type and content */
export function checkHash(packet: PacketView, hash: PacketHash = sha256): void {
  if (!hash.fits(packet)) throw new IscepError("protocol", `the hash of a packet is not ${hash.words}`);
}

/** @throws IscepError `protocol` */
export function decodeData(packet: PacketView): DataView {
  const { bytes, start, end } = packet;
  if (end - start < dataHeaderBytes) throw new IscepError("protocol", "a DATA packet is shorter than its header");
  const channel = channels[bytes[start + 4] ?? channels.length];
  const high = bytes.readUInt32BE(start + 5);
  if (channel === undefined) throw new IscepError("protocol", "a DATA packet names a channel that does not exist");
  if (high >= 2 ** 21) throw new IscepError("protocol", "the offset of a DATA packet is beyond 2^53");
  return {
    stream: bytes.readUInt32BE(start),
    channel,
    offset: high * 2 ** 32 + bytes.readUInt32BE(start + 9),
    bytes: bytes.subarray(start + dataHeaderBytes, end),
  };
}

/** Packets of version 1 written by hand, so that a fault in our own codec cannot hide in a test of it. */
import { createHash } from "node:crypto";

export const Type = {
  echo: 0,
  discover: 1,
  command: 2,
  response: 3,
  close: 4,
  unauthorized: 5,
  error: 6,
} as const;

export interface RawPacket {
  readonly type: number;
  readonly body: string;
}

export interface PacketFaults {
  /** What the Size field claims. */
  readonly size?: number;
  readonly checksum?: string | Buffer;
}

export function rawPacket(type: number, content: unknown, faults: PacketFaults = {}): Buffer {
  const body = Buffer.isBuffer(content)
    ? content
    : Buffer.from(typeof content === "string" ? content : JSON.stringify(content));
  const checksum = faults.checksum ?? createHash("md5").update(body).digest("hex");
  const header = Buffer.alloc(6);
  header.writeUInt32BE(faults.size ?? 34 + body.length);
  header.writeUInt16BE(type, 4);
  return Buffer.concat([header, body, Buffer.from(checksum)]);
}

/** Takes whole packets off the front; what is left begins in the middle of one. */
export function splitPackets(bytes: Buffer): { packets: RawPacket[]; rest: Buffer } {
  const packets: RawPacket[] = [];
  let offset = 0;
  while (bytes.length - offset >= 4) {
    const size = bytes.readUInt32BE(offset);
    if (bytes.length - offset < 4 + size) break;
    if (size < 34) throw new Error(`a packet with a size of ${size} was sent`);
    const body = bytes.subarray(offset + 6, offset + 4 + size - 32);
    const checksum = bytes.toString("latin1", offset + 4 + size - 32, offset + 4 + size);
    if (createHash("md5").update(body).digest("hex") !== checksum)
      throw new Error("a packet with a wrong checksum was sent");
    packets.push({ type: bytes.readUInt16BE(offset + 4), body: body.toString() });
    offset += 4 + size;
  }
  return { packets, rest: bytes.subarray(offset) };
}

export function contentOf(packet: RawPacket): Record<string, unknown> {
  return JSON.parse(packet.body) as Record<string, unknown>;
}

export function errorOf(packet: RawPacket): string {
  if (packet.type !== Type.error) throw new Error(`packet type ${packet.type} is no ERROR: ${packet.body}`);
  return String(contentOf(packet)["error"]);
}

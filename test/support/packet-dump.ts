/** A packet as PROTOCOL.md shows it: each field on lines of its own, at most 16 bytes a line, with what it says beside. */
import { encodePacket } from "#iscep/wire/version1";

export function packetDump(type: number, content: string): string {
  const packet = encodePacket(type, content);
  const size = packet.length - 4;
  const lines = [
    line(packet.subarray(0, 4), `Size: ${size}`),
    line(packet.subarray(4, 6), `Type: ${type}`),
    ...textLines(packet.subarray(6, -32)),
    ...textLines(packet.subarray(-32)),
  ];
  return lines.map((text) => `    ${text}`.trimEnd()).join("\n");
}

function textLines(bytes: Buffer): string[] {
  const count = Math.ceil(bytes.length / 16);
  return Array.from({ length: count }, (_, index) => {
    const part = bytes.subarray(index * 16, index * 16 + 16);
    return line(part, part.toString("latin1"));
  });
}

function line(bytes: Buffer, meaning: string): string {
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return `${hex.padEnd(16 * 3 - 1)}  ${meaning}`;
}

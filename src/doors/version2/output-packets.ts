import type { OutputPiece } from "../../runs/streams/output-block.js";
import type { ByteStream } from "../../transport/byte-stream.js";
import type { PacketHash } from "../../wire/packet-hash.js";
import { encodeDataPacket, encodeDataParts } from "../../wire/version2.js";

/** From this size on, copying costs more than writing in parts. */
const worthPartsBytes = 8 * 1024;

/** One DATA packet. */
export function writeOutputPacket(
  socket: ByteStream,
  stream: number,
  { channel, offset, bytes }: OutputPiece,
  hash: PacketHash,
): void {
  if (bytes.length < worthPartsBytes) {
    socket.write(encodeDataPacket(stream, channel, offset, bytes, hash));
    return;
  }
  socket.cork();
  for (const part of encodeDataParts(stream, channel, offset, bytes, hash)) socket.write(part);
  socket.uncork();
}

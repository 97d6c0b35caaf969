/**
 * Output in a file, as frames. A frame has a header of 9 bytes (the channel of the first byte, 1 or 2; the number of
 * bytes; the number of marks), the bytes, and two bytes for each change of the channel, as in memory. The offset is the
 * sum of everything before.
 */
import { markBytes, maxBlockBytes, OutputBlock, type BlockPart } from "./output-block.js";

const headerBytes = 9;

/** The largest size of a frame. */
export const maxFrameBytes = headerBytes + maxBlockBytes * (1 + markBytes);

/** The pieces to write for a part, in this order. */
export function frameOf(part: BlockPart): Buffer[] {
  const header = Buffer.allocUnsafe(headerBytes);
  header[0] = part.channel === "stdout" ? 1 : 2;
  header.writeUInt32LE(part.bytes.length, 1);
  header.writeUInt32LE(part.marks.length / markBytes, 5);
  return part.marks.length === 0 ? [header, part.bytes] : [header, part.bytes, part.marks];
}

export interface Frames {
  readonly blocks: OutputBlock[];
  /** How many bytes of the file the frames take. Behind them there may be an incomplete frame. */
  readonly fileBytes: number;
  /** The offset behind the last byte. */
  readonly end: number;
}

/** The complete frames at the front of `bytes`. The first one begins at `offset` of the output. */
export function readFrames(bytes: Buffer, offset: number): Frames {
  const blocks: OutputBlock[] = [];
  let at = 0;
  let end = offset;
  while (at + headerBytes <= bytes.length) {
    const channel = bytes[at];
    const length = bytes.readUInt32LE(at + 1);
    const marks = bytes.readUInt32LE(at + 5);
    // After a power cut, a file may end with bytes that were never written.
    if ((channel !== 1 && channel !== 2) || length === 0 || length > maxBlockBytes || marks >= length) break;
    const next = at + headerBytes + length + marks * markBytes;
    if (next > bytes.length) break;
    const content = bytes.subarray(at + headerBytes, next);
    blocks.push(OutputBlock.full(end, channel === 1 ? "stdout" : "stderr", content, length));
    at = next;
    end += length;
  }
  return { blocks, fileBytes: at, end };
}

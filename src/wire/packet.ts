/**
 * The packet that both versions share: Size 4 | Type 2 | Content x | Hash 32 (PROTOCOL.md, "The packet"). Size is
 * unsigned, big-endian, and counts everything after itself. Each version has its own hash.
 */
import { IscepError } from "../errors.js";
import { limitTable } from "../limits/limits.js";

export const PacketType = {
  ECHO: 0,
  DISCOVER: 1,
  SEND_CMD: 2,
  CMD_RESPONSE: 3,
  CLOSE_CONNECTION: 4,
  UNAUTHORIZED: 5,
  ERROR: 6,
  /** This type opens version 2. Version 1 does not know it. */
  HELLO: 7,
  MESSAGES: 8,
  DATA: 9,
} as const;

export type PacketType = (typeof PacketType)[keyof typeof PacketType];

export const sizeFieldBytes = 4;
export const typeFieldBytes = 2;
export const hashBytes = 32;
export const headerBytes = sizeFieldBytes + typeFieldBytes;
/** The Size field of a packet without content. */
export const minPacketSize = typeFieldBytes + hashBytes;

/** A packet inside a larger buffer: content from `start` to `end`, its hash in the 32 bytes after that. */
export interface PacketView {
  readonly type: number;
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

/** No limit can be set higher, so a larger size cannot be a packet: "HTTP" reads as 1.2 GB. */
const maxSizeOfAnyPacket = limitTable.maxPacketBytes.max;

const nothing = Buffer.alloc(0);

/**
 * Cuts a stream of bytes into packets, however the network split it.
 *
 * A buffer grows with what has arrived, never with what a header claims. A packet that came whole in one chunk is not
 * copied: its view shares the memory of the chunk. So does one that came in chunks which lie behind each other in memory.
 * Of any other packet that came in several chunks, only its own bytes are copied together, and what follows it stays in
 * its chunk.
 */
export class PacketReader {
  /** The upper bound of the Size field. It may be raised when a peer has authenticated. */
  maxPacketBytes: number;
  #buffer: Buffer = nothing;
  #offset = 0;
  #end = 0;
  #owned = false;
  /** The bytes that follow those of the buffer. If there are any, the buffer ends with a packet. */
  #following: Buffer | undefined;

  constructor(maxPacketBytes: number) {
    this.maxPacketBytes = maxPacketBytes;
  }

  /** How many received bytes belong to no packet that was handed out. */
  get pendingBytes(): number {
    return this.#end - this.#offset + (this.#following?.length ?? 0);
  }

  /** The bytes that were received but not read, so that another reader can go on with them. */
  takeBytes(): Buffer {
    this.#merge();
    const bytes = this.#buffer.subarray(this.#offset, this.#end);
    this.#use(nothing);
    return bytes;
  }

  receive(chunk: Buffer): void {
    this.#merge();
    const pending = this.#end - this.#offset;
    if (pending === 0) {
      this.#use(chunk);
      return;
    }
    if (this.#goesOnIn(chunk)) {
      this.#end += chunk.length;
      this.#buffer = Buffer.from(chunk.buffer, this.#buffer.byteOffset, this.#end);
      return;
    }
    const missing = this.#packetBytes() - pending;
    if (missing > 0 && missing < chunk.length) {
      this.#append(chunk.subarray(0, missing));
      this.#following = chunk.subarray(missing);
    } else this.#append(chunk);
  }

  /** True when the chunk lies in memory right behind the bytes before it, so that nothing must be copied. */
  #goesOnIn({ buffer, byteOffset }: Buffer): boolean {
    return buffer === this.#buffer.buffer && byteOffset === this.#buffer.byteOffset + this.#end;
  }

  #use(bytes: Buffer): void {
    this.#buffer = bytes;
    this.#offset = 0;
    this.#end = bytes.length;
    this.#owned = false;
  }

  /** When more comes before the packet in the buffer was read, the bytes that follow the packet go there too. */
  #merge(): void {
    const following = this.#following;
    this.#following = undefined;
    if (following !== undefined) this.#append(following);
  }

  /** The length of the packet that begins in the buffer, as its header claims; 0 when the header is not whole. */
  #packetBytes(): number {
    if (this.#end - this.#offset < sizeFieldBytes) return 0;
    return sizeFieldBytes + this.#buffer.readUInt32BE(this.#offset);
  }

  #append(chunk: Buffer): void {
    const pending = this.#end - this.#offset;
    const needed = pending + chunk.length;
    // This writes only behind #end, so views that were handed out before stay as they are.
    if (!this.#owned || this.#buffer.length - this.#end < chunk.length) {
      // Doubling keeps the copying linear for a peer that sends single bytes. The size of the packet bounds the last step.
      const packetBytes = pending >= sizeFieldBytes ? this.#packetBytes() : 64;
      const capacity = Math.max(needed, Math.min(needed * 2, packetBytes));
      const grown = Buffer.allocUnsafeSlow(capacity);
      this.#buffer.copy(grown, 0, this.#offset, this.#end);
      this.#buffer = grown;
      this.#offset = 0;
      this.#end = pending;
      this.#owned = true;
    }
    chunk.copy(this.#buffer, this.#end);
    this.#end += chunk.length;
  }

  /**
   * The next whole packet. undefined when more bytes are needed. null for a Size of 0, by which a version 1 peer says
   * that it is gone.
   * @throws IscepError `protocol` for a Size that no packet can have, `too_large` for one above `maxPacketBytes`. Then
   *   the stream has lost step, and nothing more can be read from it.
   */
  next(): PacketView | null | undefined {
    const pending = this.#end - this.#offset;
    if (pending < sizeFieldBytes) return undefined;
    const bytes = this.#buffer;
    const offset = this.#offset;
    const size = bytes.readUInt32BE(offset);
    if (size < minPacketSize) {
      if (size === 0) return null;
      throw new IscepError("protocol", `a packet's size field is at least ${minPacketSize}, and this one is ${size}`);
    }
    if (size > maxSizeOfAnyPacket) {
      throw new IscepError(
        "protocol",
        `what came is no packet (its size would be ${size}); the other side speaks another protocol, or TLS on one side only`,
      );
    }
    if (size > this.maxPacketBytes) {
      throw new IscepError(
        "too_large",
        `a packet may have ${this.maxPacketBytes} bytes here (maxPacketBytes), and this one claims ${size}`,
        {
          details: { limit: this.maxPacketBytes, size },
        },
      );
    }
    if (pending < sizeFieldBytes + size) return undefined;
    const start = offset + headerBytes;
    const next = offset + sizeFieldBytes + size;
    const packet = { type: bytes.readUInt16BE(offset + sizeFieldBytes), bytes, start, end: next - hashBytes };
    if (next === this.#end) {
      // An idle connection holds no buffer.
      this.#use(this.#following ?? nothing);
      this.#following = undefined;
    } else {
      this.#offset = next;
    }
    return packet;
  }
}

/**
 * The memory into which a socket of a client reads. Small pieces are copied out of one buffer that all sockets share. A
 * socket on which much comes reads into memory of its own, and these bytes are not copied: pieces that follow each
 * other lie behind each other.
 */

/** The bytes are copied out before anything else runs, so no two sockets can need it at once. */
const shared = Buffer.allocUnsafeSlow(64 * 1024);

const ownBytes = 4 * shared.length;

/** A socket that reads so much at once gets memory of its own. A record of TLS has no more. */
const muchBytes = shared.length / 4;

/**
 * A piece as small as this is copied even then, because a reader that keeps it must not keep the memory around it. The
 * first small piece is not copied, because it is the end of what came before it.
 */
const littleBytes = shared.length / 16;

/** The room below which a read is not worth its system call. */
const leastRoom = shared.length / 2;

export class ReadMemory {
  #own: Buffer | undefined;
  #wasLittle = false;

  /** Where the next bytes must go. */
  room(): Buffer {
    return this.#own ?? shared;
  }

  /** Takes the first `length` bytes of the room, which have come. They stay as they are. */
  take(length: number): Buffer {
    const own = this.#own;
    const bytes = (own ?? shared).subarray(0, length);
    const isSecondLittle = this.#wasLittle && length < littleBytes;
    this.#wasLittle = length < littleBytes;
    if (own === undefined) {
      if (length >= muchBytes) this.#own = Buffer.allocUnsafeSlow(ownBytes);
      return Buffer.from(bytes);
    }
    if (isSecondLittle) {
      // A socket on which little comes holds no memory.
      this.#own = undefined;
      return Buffer.from(bytes);
    }
    const rest = own.subarray(length);
    this.#own = rest.length < leastRoom ? Buffer.allocUnsafeSlow(ownBytes) : rest;
    return bytes;
  }
}

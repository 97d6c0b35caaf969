/**
 * The memory into which a socket of a client reads. Small pieces are copied out of one buffer that all sockets share.
 * Where much comes, a socket reads into memory of its own, and what it reads there is not copied: pieces that follow each
 * other lie behind each other.
 */

/** The bytes are copied out before anything else runs, so no two sockets can need it at once. */
const shared = Buffer.allocUnsafeSlow(64 * 1024);

const ownBytes = 4 * shared.length;

/** Who reads so much at once gets memory of its own. A record of TLS has no more. */
const muchBytes = shared.length / 4;

/**
 * So little is copied even then: a reader that keeps it must not keep the memory around it. The first such piece is not,
 * because it is the end of what came before it.
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

  /** The first `length` bytes of the room have come. They stay as they are. */
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

/**
 * A piece of memory with output of both channels, in the order in which it came. Bytes grow from its front. Marks of
 * two bytes grow from its end, one for each change of the channel. So a program that alternates byte for byte costs
 * three times its bytes, and no other pattern costs more.
 */

export type OutputChannel = "stdout" | "stderr";

export interface OutputPiece {
  readonly channel: OutputChannel;
  /** The offset of the first byte. It counts the bytes of both channels from 0. */
  readonly offset: number;
  /** A view whose content never changes, or not before `release` where the piece was lent. */
  readonly bytes: Buffer;
}

export interface LentPiece extends OutputPiece {
  /** Call this once, when nothing will read the bytes any more. A reader that never calls it may keep them. */
  readonly release: () => void;
}

/** Gets the memory of a block that it has dropped, once nothing reads it. */
export interface BlockOwner {
  reuse(memory: Buffer): void;
}

/** The largest block whose positions fit into a mark. */
export const maxBlockBytes = 64 * 1024;

export const markBytes = 2;

/** A part of a block in the form in which it is kept elsewhere: its bytes, and its marks in the same form. */
export interface BlockPart {
  readonly channel: OutputChannel;
  readonly bytes: Buffer;
  readonly marks: Buffer;
}

export class OutputBlock {
  /** The offset of its first byte in the whole output. */
  readonly offset: number;
  readonly #bytes: Buffer;
  readonly #firstChannel: OutputChannel;
  #channel: OutputChannel;
  #length = 0;
  #marks = 0;
  /** How many lent pieces were not released. Infinite when somebody may read the memory without telling. */
  #readers = 0;
  #release: (() => void) | undefined;
  #formerOwner: BlockOwner | undefined;

  private constructor(offset: number, channel: OutputChannel, bytes: Buffer) {
    this.offset = offset;
    this.#firstChannel = channel;
    this.#channel = channel;
    this.#bytes = bytes;
  }

  /** @param memory is the block's alone, and as large as a block may be at most */
  static empty(offset: number, channel: OutputChannel, memory: Buffer): OutputBlock {
    return new OutputBlock(offset, channel, memory);
  }

  /** Makes a block of the bytes of a part and the marks behind them, for reading only. */
  static full(offset: number, channel: OutputChannel, bytesAndMarks: Buffer, length: number): OutputBlock {
    const block = new OutputBlock(offset, channel, bytesAndMarks);
    block.#length = length;
    block.#marks = (bytesAndMarks.length - length) / markBytes;
    block.#readers = Number.POSITIVE_INFINITY;
    return block;
  }

  /** The offset behind its last byte. */
  get end(): number {
    return this.offset + this.#length;
  }

  /** The memory that it takes, full or not. */
  get size(): number {
    return this.#bytes.length;
  }

  /** How many bytes of this channel it can still take. */
  room(channel: OutputChannel): number {
    const mark = channel === this.#channel ? 0 : markBytes;
    return Math.max(0, this.#bytes.length - this.#length - this.#marks * markBytes - mark);
  }

  /** @param bytes at least one, and no more than there is room for */
  append(channel: OutputChannel, bytes: Uint8Array): void {
    if (channel !== this.#channel) this.#change(channel);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** The same for text that certainly fits as UTF-8. Returns its number of bytes. */
  appendText(channel: OutputChannel, text: string): number {
    if (channel !== this.#channel) this.#change(channel);
    const written = this.#bytes.write(text, this.#length, "utf8");
    this.#length += written;
    return written;
  }

  #change(channel: OutputChannel): void {
    this.#channel = channel;
    if (this.#length === 0) throw new RangeError("a block begins with the channel that it was made for");
    this.#marks++;
    this.#bytes.writeUInt16LE(this.#length, this.#bytes.length - this.#marks * markBytes);
  }

  /** The bytes from an offset in it up to a change of the channel. */
  read(offset: number, maxBytes: number): OutputPiece {
    this.#readers = Number.POSITIVE_INFINITY;
    return this.#piece(offset, maxBytes);
  }

  /** The same for a reader that tells when it does not need the bytes any more. */
  lend(offset: number, maxBytes: number): LentPiece {
    this.#readers++;
    const { channel, bytes } = this.#piece(offset, maxBytes);
    return { channel, offset, bytes, release: (this.#release ??= () => this.#released()) };
  }

  #released(): void {
    this.#readers--;
    this.#giveBack();
  }

  /** The block is not used any more. */
  drop(owner: BlockOwner): void {
    this.#formerOwner = owner;
    this.#giveBack();
  }

  #giveBack(): void {
    const owner = this.#formerOwner;
    if (owner === undefined || this.#readers > 0) return;
    this.#formerOwner = undefined;
    owner.reuse(this.#bytes);
  }

  #piece(offset: number, maxBytes: number): OutputPiece {
    const from = offset - this.offset;
    const passed = this.#marksUpTo(from);
    const end = passed < this.#marks ? this.#mark(passed) : this.#length;
    return {
      channel: passed % 2 === 0 ? this.#firstChannel : other(this.#firstChannel),
      offset,
      bytes: this.#bytes.subarray(from, Math.min(end, from + maxBytes)),
    };
  }

  /** The part from an offset in it to its end. */
  part(offset: number): BlockPart {
    this.#readers = Number.POSITIVE_INFINITY;
    const from = offset - this.offset;
    const passed = this.#marksUpTo(from);
    const count = this.#marks - passed;
    const marks = Buffer.allocUnsafe(count * markBytes);
    for (let index = 0; index < count; index++) {
      marks.writeUInt16LE(this.#mark(passed + index) - from, marks.length - (index + 1) * markBytes);
    }
    return {
      channel: passed % 2 === 0 ? this.#firstChannel : other(this.#firstChannel),
      bytes: this.#bytes.subarray(from, this.#length),
      marks,
    };
  }

  #mark(index: number): number {
    return this.#bytes.readUInt16LE(this.#bytes.length - (index + 1) * markBytes);
  }

  /** How many changes are at or before this position. They are in ascending order. */
  #marksUpTo(position: number): number {
    let low = 0;
    let high = this.#marks;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#mark(middle) <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function other(channel: OutputChannel): OutputChannel {
  return channel === "stdout" ? "stderr" : "stdout";
}

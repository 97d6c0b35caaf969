/** The beginning and the end of a run's output, in bounded memory, however much there is between. */
import { modelText } from "./model-text.js";

/** What was left out, as offsets of the run's output. */
export interface Gap {
  readonly from: number;
  readonly to: number;
}

/** Chunks must come in order, with the channels mixed as they came. */
export class ShownOutput {
  readonly #headBytes: number;
  readonly #tailBytes: number;
  readonly #start: number;
  #head: Buffer[] = [];
  #headLength = 0;
  #tail: Buffer[] = [];
  #tailLength = 0;
  #end: number;

  /** @param offset where in the run's output it begins */
  constructor(offset: number, maxBytes: number) {
    // The end of an output says how it went. Its beginning says what it is about.
    this.#headBytes = Math.floor(maxBytes / 4);
    this.#tailBytes = maxBytes - this.#headBytes;
    this.#start = this.#end = offset;
  }

  push(bytes: Uint8Array): void {
    let chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#end += chunk.length;
    const room = this.#headBytes - this.#headLength;
    if (room > 0) {
      const head = chunk.subarray(0, room);
      this.#head.push(head);
      this.#headLength += head.length;
      chunk = chunk.subarray(head.length);
    }
    if (chunk.length === 0) return;
    this.#tail.push(chunk);
    this.#tailLength += chunk.length;
    for (let [first] = this.#tail; first !== undefined; [first] = this.#tail) {
      if (this.#tailLength - first.length < this.#tailBytes) break;
      this.#tail.shift();
      this.#tailLength -= first.length;
    }
  }

  /** The offset behind the last byte that came. */
  get end(): number {
    return this.#end;
  }

  get isEmpty(): boolean {
    return this.#end === this.#start;
  }

  /** The last line that has something in it, for a glance at how far the run is. */
  get lastLine(): string {
    const tail = Buffer.concat(this.#tail.length > 0 ? this.#tail : this.#head).subarray(-4 * longestLine);
    const lines = modelText(tail.toString("utf8")).split(/[\n\r]|\\x0d/);
    return (lines.findLast((line) => line.trim() !== "") ?? "").trim().slice(-longestLine);
  }

  /** @param isOver true when no output comes any more, so that a cut character at its end is a fault of the output */
  shown(isOver: boolean): { readonly text: string; readonly gap?: Gap; readonly next: number } {
    const head = Buffer.concat(this.#head);
    let tail: Buffer = Buffer.concat(this.#tail);
    const tailStart = this.#end - tail.length;
    const isCut = tailStart > this.#start + head.length || tail.length > this.#tailBytes;
    if (!isCut) {
      const all = Buffer.concat([head, tail]);
      const whole = isOver ? all : withoutCutCharacter(all);
      return { text: modelText(whole.toString("utf8")), next: this.#start + whole.length };
    }
    tail = withoutPartAtStart(tail.subarray(-this.#tailBytes));
    const from = this.#start + withoutCutCharacter(head).length;
    const to = this.#end - tail.length;
    const whole = isOver ? tail : withoutCutCharacter(tail);
    return {
      text: `${modelText(withoutCutCharacter(head).toString("utf8"))}\n[… ${to - from} bytes are left out here …]\n${modelText(whole.toString("utf8"))}`,
      gap: { from, to },
      next: to + whole.length,
    };
  }
}

const longestLine = 200;

/** Without the bytes of a UTF-8 character at the end whose other bytes are missing. */
export function withoutCutCharacter(bytes: Buffer): Buffer {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? bytes.subarray(0, bytes.length - back) : bytes;
  }
  return bytes;
}

/** Without the bytes of a UTF-8 character whose first byte is missing. */
export function withoutPartAtStart(bytes: Buffer): Buffer {
  let start = 0;
  while (start < 3 && start < bytes.length && ((bytes[start] ?? 0) & 0xc0) === 0x80) start++;
  return bytes.subarray(start);
}

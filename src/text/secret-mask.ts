import { formsOf, merged, type Span } from "./secret-forms.js";

/**
 * Masks secrets in a stream of bytes, wherever its chunks are cut: each secret becomes `***`. Overlapping and
 * neighbouring secrets become one mark, so the mark reveals neither length nor number. It holds back only bytes that
 * may be the beginning of a secret, at most the length of the longest one.
 */
export class SecretMask {
  readonly #needles: readonly Needle[];
  /** The bytes that are held back; all before them are out. */
  #held = Buffer.alloc(0);
  /** The separate parts of `#held` that belong to secrets, in order, with offsets in it. */
  #found: Span[] = [];
  /** True when the last byte that went out was masked. A secret that follows at once belongs to the same mark. */
  #marked = false;
  #hasMasked = false;

  constructor(secrets: readonly string[]) {
    this.#needles = [...new Set(secrets.flatMap(formsOf))].map((form) => new Needle(Buffer.from(form)));
  }

  /** Returns the bytes that are certain now. */
  push(bytes: Buffer): Buffer {
    if (this.#needles.length === 0) return bytes;
    const from = this.#held.length;
    const all = from === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    const found = this.#found;
    for (const needle of this.#needles) {
      needle.search(bytes, (end) => found.push({ start: from + end - needle.length, end: from + end }));
    }
    this.#found = merged(found);
    return this.#release(all, all.length - Math.max(...this.#needles.map(({ begun }) => begun)));
  }

  /**
   * Returns the bytes that were held back, because a beginning is not a secret. What comes after it is another stream.
   */
  end(): Buffer {
    const rest = this.#release(this.#held, this.#held.length);
    this.#marked = false;
    for (const needle of this.#needles) needle.reset();
    return rest;
  }

  /** A value from JSON, with its texts and names masked, because JSON may write each character in several ways. */
  value(value: unknown): unknown {
    if (this.#needles.length === 0) return value;
    if (typeof value === "string") return this.#text(value);
    if (Array.isArray(value)) return value.map((item) => this.value(item));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [this.#text(name), this.value(member)]));
  }

  #text(text: string): string {
    return Buffer.concat([this.push(Buffer.from(text)), this.end()]).toString();
  }

  #release(all: Buffer, count: number): Buffer {
    const parts: Buffer[] = [];
    let at = 0;
    for (const { start, end } of this.#found) {
      if (start >= count) break;
      if (start > at) this.#pass(parts, all.subarray(at, start));
      if (!this.#marked) parts.push(mark);
      this.#marked = true;
      this.#hasMasked = true;
      at = Math.min(end, count);
    }
    if (at < count) this.#pass(parts, all.subarray(at, count));
    this.#found = this.#found
      .filter(({ end }) => end > count)
      .map(({ start, end }) => ({ start: Math.max(0, start - count), end: end - count }));
    // The bytes are copied, so that they do not keep a whole chunk in memory.
    this.#held = Buffer.from(all.subarray(count));
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
  }

  /** True when something was masked, so that what went out is not what came in. */
  get hasMasked(): boolean {
    return this.#hasMasked;
  }

  #pass(parts: Buffer[], bytes: Buffer): void {
    parts.push(bytes);
    this.#marked = false;
  }
}

const mark = Buffer.from("***");

/** The search of Knuth, Morris and Pratt. It looks at no byte twice, whatever a caller chose as a secret. */
class Needle {
  readonly length: number;
  readonly #bytes: Buffer;
  /** For each count of matched bytes, how many of these are the longest other beginning that still matches. */
  readonly #fallbacks: Int32Array;
  #matched = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.length = bytes.length;
    this.#fallbacks = new Int32Array(bytes.length + 1);
    let matched = 0;
    for (let index = 1; index < bytes.length; index++) {
      while (matched > 0 && bytes[index] !== bytes[matched]) matched = this.#fallback(matched);
      if (bytes[index] === bytes[matched]) matched += 1;
      this.#fallbacks[index + 1] = matched;
    }
  }

  /** How many bytes at the end of what was searched may be the beginning of this secret. */
  get begun(): number {
    return this.#matched;
  }

  /** Forgets what was matched. */
  reset(): void {
    this.#matched = 0;
  }

  /** Calls with the offset behind each occurrence that ends within these bytes, overlapping ones too. */
  search(bytes: Buffer, found: (end: number) => void): void {
    const needle = this.#bytes;
    let matched = this.#matched;
    for (let index = 0; index < bytes.length; index++) {
      if (matched === 0) {
        index = bytes.indexOf(needle[0] ?? 0, index);
        if (index === -1) break;
      }
      while (matched > 0 && bytes[index] !== needle[matched]) matched = this.#fallback(matched);
      if (bytes[index] === needle[matched]) matched += 1;
      if (matched === needle.length) {
        found(index + 1);
        matched = this.#fallback(matched);
      }
    }
    this.#matched = matched;
  }

  #fallback(matched: number): number {
    return this.#fallbacks[matched] ?? 0;
  }
}

/**
 * Keeps lines that do not change any more, in chunks of UTF-8: as strings, a text of two-byte characters would take
 * twice the memory. The oldest chunks are dropped when there are too many lines or bytes.
 */
import type { Line, Run } from "./line.js";

export interface StoreLimits {
  readonly maxLines: number;
  readonly maxBytes: number;
}

interface Chunk {
  readonly first: number;
  readonly count: number;
  /** The lines, joined by line feeds. */
  readonly bytes: Uint8Array;
  /** The runs of all lines, one line after the other; undefined when all are plain. */
  readonly runs: Uint32Array | undefined;
  /** For each line, where its runs end in `runs`. */
  readonly runEnds: Uint32Array | undefined;
}

/** So many chunks stay decoded: what is shown lies in one or two of them. */
const decodedChunks = 6;
const noRuns: readonly Run[] = [];

export class LineStore {
  readonly #limits: StoreLimits;
  readonly #encoder = new TextEncoder();
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  readonly #chunks: Chunk[] = [];
  readonly #decoded = new Map<Chunk, readonly string[]>();
  #bytes = 0;
  #end = 0;

  constructor(limits: StoreLimits) {
    this.#limits = limits;
  }

  /** The number of the first line that is still kept, from 0. */
  get first(): number {
    return this.#chunks[0]?.first ?? this.#end;
  }

  /** The number of the line that will be added next. */
  get end(): number {
    return this.#end;
  }

  /** What is kept takes so many bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  add(lines: readonly Line[]): void {
    if (lines.length === 0) return;
    const runCount = lines.reduce((sum, { runs }) => sum + runs.length, 0);
    const runs = runCount === 0 ? undefined : new Uint32Array(runCount);
    const runEnds = runCount === 0 ? undefined : new Uint32Array(lines.length);
    let filled = 0;
    for (const [index, line] of lines.entries()) {
      runs?.set(line.runs, filled);
      filled += line.runs.length;
      if (runEnds !== undefined) runEnds[index] = filled;
    }
    // `slice` gives the bytes a buffer of their own size.
    const bytes = this.#encoder.encode(lines.map(({ text }) => text).join("\n")).slice();
    this.#chunks.push({ first: this.#end, count: lines.length, bytes, runs, runEnds });
    this.#end += lines.length;
    this.#bytes += bytes.length + runCount * 4;
    while (this.#chunks.length > 1 && this.#isTooMuch()) this.#drop();
  }

  line(number: number): Line | undefined {
    const chunk = this.#chunkOf(number);
    if (chunk === undefined) return undefined;
    const index = number - chunk.first;
    const text = this.#textsOf(chunk)[index] ?? "";
    if (chunk.runs === undefined || chunk.runEnds === undefined) return { text, runs: noRuns };
    return { text, runs: chunk.runs.subarray(index === 0 ? 0 : chunk.runEnds[index - 1], chunk.runEnds[index]) };
  }

  /** The texts of the chunk that has the line, and the number of the first of them. undefined when it is not kept. */
  textsAt(number: number): { readonly first: number; readonly texts: readonly string[] } | undefined {
    const chunk = this.#chunkOf(number);
    return chunk === undefined ? undefined : { first: chunk.first, texts: this.#decode(chunk) };
  }

  #isTooMuch(): boolean {
    return this.#end - this.first > this.#limits.maxLines || this.#bytes > this.#limits.maxBytes;
  }

  #drop(): void {
    const chunk = this.#chunks.shift();
    if (chunk === undefined) return;
    this.#bytes -= chunk.bytes.length + (chunk.runs?.length ?? 0) * 4;
    this.#decoded.delete(chunk);
  }

  #chunkOf(number: number): Chunk | undefined {
    let low = 0;
    let high = this.#chunks.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const chunk = this.#chunks[middle];
      if (chunk === undefined) return undefined;
      if (number < chunk.first) high = middle - 1;
      else if (number >= chunk.first + chunk.count) low = middle + 1;
      else return chunk;
    }
    return undefined;
  }

  #textsOf(chunk: Chunk): readonly string[] {
    const known = this.#decoded.get(chunk);
    if (known !== undefined) return known;
    const texts = this.#decode(chunk);
    this.#decoded.set(chunk, texts);
    if (this.#decoded.size > decodedChunks) {
      const [oldest] = this.#decoded.keys();
      if (oldest !== undefined) this.#decoded.delete(oldest);
    }
    return texts;
  }

  #decode(chunk: Chunk): readonly string[] {
    return this.#decoder.decode(chunk.bytes).split("\n");
  }
}

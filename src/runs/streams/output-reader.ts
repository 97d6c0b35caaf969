/** Reads output back from its files, one window at a time, for any number of watchers. */
import { open } from "node:fs/promises";
import { maxFrameBytes, readFrames } from "./output-frames.js";
import type { OutputBlock, OutputPiece } from "./output-block.js";
import { addPlace, type Segment } from "./output-segments.js";

interface ReadWindow {
  readonly offset: number;
  readonly end: number;
  readonly blocks: readonly OutputBlock[];
}

// This holds more than one frame of any size.
const readBytes = 2 * maxFrameBytes;
// Watchers at other places read their windows again.
const maxWindows = 4;

export class OutputReader {
  #windows: ReadWindow[] = [];
  readonly #loading = new Set<number>();
  readonly #loaded: () => void;

  /** @param loaded called when the missing bytes are there, or when there is an error */
  constructor(loaded: () => void) {
    this.#loaded = loaded;
  }

  /** Reads from an offset in this segment. undefined when it must be read from the disk first. */
  read(segment: Segment, offset: number, maxBytes: number): OutputPiece | undefined {
    const window = this.#windows.find((one) => one.offset <= offset && offset < one.end);
    if (window !== undefined) return blockAt(window.blocks, offset)?.read(offset, maxBytes);
    if (!this.#loading.has(offset)) {
      this.#loading.add(offset);
      void this.#load(segment, offset);
    }
    return undefined;
  }

  /** Nobody watches any more. */
  clear(): void {
    this.#windows = [];
  }

  failure: unknown;

  async #load(segment: Segment, offset: number): Promise<void> {
    try {
      const file = await open(segment.path, "r");
      try {
        const bytes = Buffer.allocUnsafeSlow(readBytes);
        let place = segment.index.findLast((one) => one.offset <= offset) ?? { offset: segment.offset, fileOffset: 0 };
        for (;;) {
          const { bytesRead } = await file.read(bytes, 0, readBytes, place.fileOffset);
          const { blocks, fileBytes, end } = readFrames(bytes.subarray(0, bytesRead), place.offset);
          if (blocks.length === 0) throw new Error(`${segment.path} holds no output at ${place.fileOffset}`);
          const next = { offset: end, fileOffset: place.fileOffset + fileBytes };
          addPlace(segment, next);
          if (offset < end) {
            this.#windows = [{ offset: place.offset, end, blocks }, ...this.#windows].slice(0, maxWindows);
            break;
          }
          place = next;
        }
      } finally {
        await file.close();
      }
    } catch (error) {
      this.failure = error;
    }
    this.#loading.delete(offset);
    this.#loaded();
  }
}

export function blockAt(blocks: readonly OutputBlock[], offset: number): OutputBlock | undefined {
  let low = 0;
  let high = blocks.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const block = blocks[middle];
    if (block !== undefined && block.end <= offset) low = middle + 1;
    else high = middle;
  }
  return blocks[low];
}

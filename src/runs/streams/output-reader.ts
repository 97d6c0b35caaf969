/** Reads output back from its files, one window at a time, for any number of watchers. */
import { open } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { isShortage } from "../../files/shortage.js";
import { maxFrameBytes, readFrames } from "./output-frames.js";
import type { OutputBlock, OutputPiece } from "./output-block.js";
import { addPlace, type Segment } from "./output-segments.js";

interface ReadWindow {
  readonly offset: number;
  readonly end: number;
  readonly blocks: readonly OutputBlock[];
  /** Why this part could not be read. The first watcher that asks for the part is told. */
  readonly fault?: unknown;
}

// This holds more than one frame of any size.
const readBytes = 2 * maxFrameBytes;
// Watchers at other places read their windows again.
const maxWindows = 4;
// A shortage of descriptors or memory is usually over soon. The read is tried again after this pause.
const shortagePauseMs = 100;

export class OutputReader {
  #windows: ReadWindow[] = [];
  readonly #loading = new Set<number>();
  readonly #loaded: () => void;

  /** @param loaded called when the missing bytes are there, or when there is an error */
  constructor(loaded: () => void) {
    this.#loaded = loaded;
  }

  /**
   * Reads from an offset in this segment. undefined when it must be read from the disk first.
   * @throws what the system said when it could not be read. The next call tries again.
   */
  read(segment: Segment, offset: number, maxBytes: number): OutputPiece | undefined {
    const window = this.#windows.find((one) => one.offset <= offset && offset < one.end);
    if (window?.blocks.length === 0) {
      this.#windows = this.#windows.filter((one) => one !== window);
      throw window.fault;
    }
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
    this.#loading.clear();
  }

  async #load(segment: Segment, offset: number): Promise<void> {
    let window: ReadWindow | undefined;
    while (window === undefined && this.#loading.has(offset)) {
      try {
        window = await readWindow(segment, offset);
      } catch (fault) {
        if (isShortage(fault)) await pause(shortagePauseMs, undefined, { ref: false });
        else window = { offset, end: offset + 1, blocks: [], fault };
      }
    }
    // Nobody watches any more.
    if (window === undefined || !this.#loading.delete(offset)) return;
    this.#windows = [window, ...this.#windows].slice(0, maxWindows);
    this.#loaded();
  }
}

/** @throws what the system says, or an Error when the file holds something else there */
async function readWindow(segment: Segment, offset: number): Promise<ReadWindow> {
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
      if (offset < end) return { offset: place.offset, end, blocks };
      place = next;
    }
  } finally {
    await file.close();
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

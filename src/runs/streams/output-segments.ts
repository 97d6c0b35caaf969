/**
 * The files of a run's output: `RUN.OFFSET.out`, each with frames from that offset on. The server makes all parts of a
 * name itself.
 */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { readFrames } from "./output-frames.js";

export interface Segment {
  readonly path: string;
  /** The offset of its first byte in the output. */
  readonly offset: number;
  /** The offset behind the last byte that is written. */
  end: number;
  fileBytes: number;
  /** The places where some of its frames begin, in ascending order. */
  readonly index: FramePlace[];
}

export interface FramePlace {
  readonly offset: number;
  readonly fileOffset: number;
}

// The places are far apart, so that many small writes do not make the list long.
const placeBytes = 128 * 1024;

/** Notes that a frame begins there. */
export function addPlace({ index }: Segment, place: FramePlace): void {
  if (place.fileOffset >= (index.at(-1)?.fileOffset ?? 0) + placeBytes) index.push(place);
}

const pattern = /^(.+)\.(\d{16})\.out$/;

export function newSegment(folder: string, runId: string, offset: number): Segment {
  const path = join(folder, `${runId}.${String(offset).padStart(16, "0")}.out`);
  return { path, offset, end: offset, fileBytes: 0, index: [{ offset, fileOffset: 0 }] };
}

/** undefined for a file that is not a segment. */
export function segmentName(name: string): { readonly run: string; readonly offset: number } | undefined {
  const [, run, offset] = pattern.exec(name) ?? [];
  return run === undefined ? undefined : { run, offset: Number(offset) };
}

export interface SegmentFile {
  readonly offset: number;
  readonly fileBytes: number;
}

/** The segments of an earlier process, in ascending order. Each one ends where the next begins. */
export function foundSegments(folder: string, runId: string, files: readonly SegmentFile[]): Segment[] {
  const ascending = files.toSorted((a, b) => a.offset - b.offset);
  return ascending.map(({ offset, fileBytes }, index) => {
    const segment = newSegment(folder, runId, offset);
    segment.fileBytes = fileBytes;
    segment.end = ascending[index + 1]?.offset ?? offset;
    return segment;
  });
}

/** The end of the last segment. If its writer was killed, it may end with an incomplete frame, which does not count. */
export function measureSegment(segment: Segment): void {
  segment.end = readFrames(readFileSync(segment.path), segment.offset).end;
}

/**
 * The same segments, after another process has written on: each begins where the one before it ends. Dropped ones are
 * not among them.
 * @throws what the system reports
 */
export function laterSegments(folder: string, runId: string, known: readonly Segment[]): Segment[] {
  const later: Segment[] = [];
  let next: Segment | undefined = known[0] ?? newSegment(folder, runId, 0);
  for (let index = 1; next !== undefined; index++) {
    // They are copies, because what is known must stay as it is when a later file cannot be read.
    const segment: Segment = { ...next };
    const { size } = statSync(segment.path, { throwIfNoEntry: false }) ?? {};
    next = known[index];
    if (size !== undefined) {
      segment.fileBytes = size;
      later.push(segment);
      if (next === undefined) measureSegment(segment);
    }
    if (next === undefined && size !== undefined && segment.end > segment.offset)
      next = newSegment(folder, runId, segment.end);
  }
  return later;
}

export function bytesOf(segments: readonly Segment[]): number {
  return segments.reduce((sum, segment) => sum + segment.fileBytes, 0);
}

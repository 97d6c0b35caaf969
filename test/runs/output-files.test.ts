/** Output that outgrows memory: the last of it there, what came before in files. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RunOutput, type OutputChannel, type OutputWatcher } from "#iscep/runs/streams/output";
import { OutputFiles } from "#iscep/runs/streams/output-files";
import { foundSegments, measureSegment, segmentName } from "#iscep/runs/streams/output-segments";
import { rounds } from "../support/rounds.js";
import { watchForLeaks } from "../support/leaks.js";
import { temporaryFolder } from "../support/temporary-folder.js";

watchForLeaks();

const limits = {
  maxRetainedOutputBytes: 20_000,
  streamWindowBytes: 10_000,
  maxStoredOutputBytes: 10_000_000,
  outputSegmentBytes: 100_000,
  maxUnwrittenOutputBytes: 50_000,
};

type Limits = typeof limits;

function open(changes: Partial<Limits> = {}, folder = temporaryFolder()) {
  const all = { ...limits, ...changes };
  const state = { bytes: 0, problems: [] as string[] };
  const files = new OutputFiles({
    folder,
    runId: "run",
    limits: all,
    grew: (bytes) => (state.bytes += bytes),
    onProblem: (message) => state.problems.push(message),
  });
  const output = new RunOutput(all);
  output.keepIn(files);
  return { output, files, folder, state };
}

/** Opens it as another process finds it. */
function reopen(folder: string, end: number): RunOutput {
  const names = readdirSync(folder).flatMap((name) => {
    const segment = segmentName(name);
    return segment === undefined ? [] : [{ ...segment, fileBytes: statSync(path.join(folder, name)).size }];
  });
  const segments = foundSegments(folder, "run", names);
  const last = segments.at(-1);
  if (last !== undefined) measureSegment(last);
  const files = new OutputFiles({ folder, runId: "run", limits, grew: () => {}, onProblem: () => {} }, segments);
  return RunOutput.ended(limits, end === -1 ? files.end : end, files);
}

interface Piece {
  readonly channel: OutputChannel;
  readonly bytes: Buffer;
}

class Reader implements OutputWatcher {
  position: number;
  readonly pieces: Piece[] = [];
  readonly #output: RunOutput;
  #wake: (() => void) | undefined;

  constructor(output: RunOutput, position: number) {
    this.#output = output;
    this.position = position;
    output.watch(this);
  }

  outputReady(): void {
    this.#wake?.();
  }

  /** What there is now. */
  take(): void {
    for (;;) {
      const piece = this.#output.read(this.position, 7_000);
      if (piece === undefined) break;
      if (piece.offset !== this.position || piece.bytes.length === 0) throw new Error("not what was asked for");
      this.pieces.push(piece);
      this.position += piece.bytes.length;
    }
    this.#output.positionChanged();
  }

  async all(): Promise<this> {
    for (;;) {
      // Before the look, as a window may be there before the promise is.
      const ready = new Promise<void>((resolve) => (this.#wake = resolve));
      this.take();
      if (this.#output.closed && this.position === this.#output.end) break;
      await ready;
    }
    this.#output.unwatch(this);
    return this;
  }
}

function pattern(from: number, length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, index) => ((from + index) * 31 + ((from + index) >> 8)) & 255));
}

/** The bytes of both, and the channel of each. */
function flat(pieces: readonly Piece[]): { bytes: Buffer; channels: string } {
  return {
    bytes: Buffer.concat(pieces.map(({ bytes }) => bytes)),
    channels: pieces.map(({ channel, bytes }) => (channel === "stdout" ? "o" : "e").repeat(bytes.length)).join(""),
  };
}

function expectSame(reader: Reader, from: number, written: ReturnType<typeof flat>): void {
  const read = flat(reader.pieces);
  expect(read.bytes.equals(written.bytes.subarray(from))).toBe(true);
  expect(read.channels === written.channels.slice(from)).toBe(true);
}

const write = fc.record({
  channel: fc.constantFrom<OutputChannel>("stdout", "stderr"),
  length: fc.oneof(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 90_000 })),
  times: fc.integer({ min: 1, max: 40 }),
});

test("any offset can be read while it is written, after the end, and by another process", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(write, { minLength: 1, maxLength: 12 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      async (writes, share) => {
        const { output, files, folder, state } = open();
        const pieces: Piece[] = [];
        const readers = [new Reader(output, 0).all()];
        const starts = [0];
        for (const [index, { channel, length, times }] of writes.entries()) {
          for (let count = 0; count < times && output.end < 1_500_000; count++) {
            const bytes = pattern(output.end, length);
            pieces.push({ channel: count % 2 === 0 ? channel : "stdout", bytes });
            await output.write(count % 2 === 0 ? channel : "stdout", bytes);
          }
          if (index % 3 !== 0) continue;
          const from = Math.floor(share * output.end);
          starts.push(from);
          readers.push(new Reader(output, from).all());
        }
        output.close();
        const written = flat(pieces);
        for (const [index, reader] of (await Promise.all(readers)).entries())
          expectSame(reader, starts[index]!, written);
        await files.settled();
        expect(state.problems).toEqual([]);
        const from = Math.floor(share * output.end);
        expectSame(await new Reader(reopen(folder, output.end), from).all(), from, written);
        rmSync(folder, { recursive: true });
      },
    ),
    { numRuns: rounds(6, 25, 200) },
  );
});

test("memory holds no more than what is retained, though one watcher is far behind", async () => {
  const { output, files, state } = open();
  const late = new Reader(output, 0);
  for (let count = 0; count < 100; count++) {
    const waiting = output.write("stdout", pattern(output.end, 20_000));
    late.take();
    await waiting;
  }
  output.close();
  await files.settled();
  const behind = new Reader(output, 0);
  expect(output.memoryBytes).toBeLessThan(200_000);
  expectSame(await behind.all(), 0, flat([{ channel: "stdout", bytes: pattern(0, 2_000_000) }]));
  await late.all();
  expect(state.problems).toEqual([]);
});

test("half a frame at the end, as kill -9 leaves it, is cut off at any byte", async () => {
  const { output, files, folder } = open();
  const sizes = [5_000, 3_000, 1_000];
  for (const size of sizes) {
    void output.write("stderr", pattern(output.end, size));
    await files.settled();
  }
  output.close();
  await files.settled();
  const [name = ""] = readdirSync(folder);
  const whole = readFileSync(path.join(folder, name));
  for (const cut of [1, 8, 9, 500, 5_008, 5_009, 5_010, 8_017, 8_018, 8_019, 9_026]) {
    writeFileSync(path.join(folder, name), whole.subarray(0, cut));
    const after = reopen(folder, -1);
    const kept = cut >= 9_027 ? 9_000 : cut >= 8_018 ? 8_000 : cut >= 5_009 ? 5_000 : 0;
    expect(after.end).toBe(kept);
    expectSame(await new Reader(after, 0).all(), 0, flat([{ channel: "stderr", bytes: pattern(0, kept) }]));
  }
  // When the end of a run is known, what there is comes, and then an error. It must not look like the end of the
  // output.
  const known = reopen(folder, 9_000);
  const reader = new Reader(known, 0);
  await expect(reader.all()).rejects.toMatchObject({ code: "output_gone", details: { start: 9_000 } });
  expect(reader.position).toBe(8_000);
});

test("the oldest files go when there are too many bytes, and what is gone is told", async () => {
  const { output, files, folder, state } = open({ maxStoredOutputBytes: 300_000 });
  for (let count = 0; count < 200; count++) await output.write("stdout", pattern(output.end, 5_000));
  output.close();
  await files.settled();
  expect(state.bytes).toBeLessThan(420_000);
  const onDisk = readdirSync(folder).reduce((sum, name) => sum + statSync(path.join(folder, name)).size, 0);
  expect(onDisk).toBe(state.bytes);
  expect(output.start).toBeGreaterThan(500_000);
  expect(() => output.checkOffset(output.start - 1)).toThrow(
    expect.objectContaining({ code: "output_gone", details: { start: output.start } }),
  );
  const from = output.start;
  expectSame(await new Reader(output, from).all(), from, flat([{ channel: "stdout", bytes: pattern(0, 1_000_000) }]));
});

test("a program that alternates single bytes takes three times their room on the disk", async () => {
  const { output, files, state } = open();
  for (let count = 0; count < 200_000; count++) {
    const waiting = output.write(count % 2 === 0 ? "stdout" : "stderr", "x");
    if (waiting !== undefined) await waiting;
  }
  output.close();
  await files.settled();
  expect(state.bytes).toBeLessThan(3.1 * 200_000);
  const { channels } = flat((await new Reader(output, 0).all()).pieces);
  expect(channels === "oe".repeat(100_000)).toBe(true);
});

describe("a disk that fails", () => {
  test("leaves the run with its memory, and says so once", async () => {
    const folder = temporaryFolder();
    rmSync(folder, { recursive: true });
    const { output, files, state } = open({}, folder);
    for (let count = 0; count < 20; count++) await output.write("stdout", pattern(output.end, 5_000));
    output.close();
    await files.settled();
    expect(state.problems).toHaveLength(1);
    expect(output.end).toBe(100_000);
    expect(output.start).toBeGreaterThan(0);
    expect(output.end - output.start).toBeGreaterThanOrEqual(limits.maxRetainedOutputBytes);
    expect(() => output.checkOffset(0)).toThrow(expect.objectContaining({ code: "output_gone" }));
    const from = output.start;
    expectSame(await new Reader(output, from).all(), from, flat([{ channel: "stdout", bytes: pattern(0, 100_000) }]));
  });

  test("to read removes nothing: what cannot be read now is told, the rest is read, and later all", async () => {
    const { output, files, folder, state } = open();
    for (let count = 0; count < 60; count++) await output.write("stdout", pattern(output.end, 5_000));
    output.close();
    await files.settled();
    const [first = "", second = ""] = readdirSync(folder).sort();
    // A folder can be opened, but not read.
    renameSync(path.join(folder, second), path.join(folder, "aside"));
    mkdirSync(path.join(folder, second));
    const bytes = state.bytes;
    for (let times = 0; times < 2; times++) {
      const reader = new Reader(output, 0);
      const start = files.segments[1]?.end;
      await expect(reader.all()).rejects.toMatchObject({ code: "output_gone", details: { start } });
      output.unwatch(reader);
      expect(reader.position).toBe(files.segments[1]?.offset);
      const whole = flat([{ channel: "stdout", bytes: pattern(0, 300_000) }]);
      expectSame(await new Reader(output, start ?? 0).all(), start ?? 0, whole);
    }
    expect(state.problems).toHaveLength(2);
    expect(state.bytes - bytes).toBe(0);
    expect(existsSync(path.join(folder, first))).toBe(true);
    rmdirSync(path.join(folder, second));
    renameSync(path.join(folder, "aside"), path.join(folder, second));
    expectSame(await new Reader(output, 0).all(), 0, flat([{ channel: "stdout", bytes: pattern(0, 300_000) }]));
  });

  test("while somebody reads from it, tells this one", async () => {
    const { output, files, folder } = open();
    for (let count = 0; count < 40; count++) await output.write("stdout", pattern(output.end, 5_000));
    output.close();
    await files.settled();
    for (const name of readdirSync(folder)) rmSync(path.join(folder, name));
    await expect(new Reader(output, 0).all()).rejects.toMatchObject({ code: "output_gone" });
  });

  test("while it is written leaves what is in the files, and only the gap is gone", async () => {
    const { output, files, folder, state } = open();
    for (let count = 0; count < 25; count++) await output.write("stdout", pattern(output.end, 5_000));
    await files.settled();
    expect(readdirSync(folder)).toHaveLength(2);
    // The next segment cannot be made.
    renameSync(folder, `${folder}-aside`);
    for (let count = 25; count < 80; count++) await output.write("stdout", pattern(output.end, 5_000));
    output.close();
    await files.settled();
    expect(state.problems).toEqual([expect.stringContaining("from here on it is only in memory")]);
    renameSync(`${folder}-aside`, folder);
    const reader = new Reader(output, 0);
    await expect(reader.all()).rejects.toMatchObject({ code: "output_gone" });
    expect(reader.position).toBe(files.end);
    expectSame(reader, 0, flat([{ channel: "stdout", bytes: pattern(0, files.end) }]));
    const start = output.inMemoryFrom;
    expect(start).toBeGreaterThan(files.end);
    expect(() => output.checkOffset(files.end)).toThrow(expect.objectContaining({ details: { start } }));
    expectSame(await new Reader(output, start).all(), start, flat([{ channel: "stdout", bytes: pattern(0, 400_000) }]));
    expectSame(await new Reader(reopen(folder, -1), 0).all(), 0, flat(reader.pieces));
  });

  test("no writer waits for it for ever", async () => {
    const folder = temporaryFolder();
    rmSync(folder, { recursive: true });
    const { output } = open({}, folder);
    const waiting = output.write("stdout", pattern(0, 60_000));
    expect(waiting).toBeInstanceOf(Promise);
    await waiting;
  });
});

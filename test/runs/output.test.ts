import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RunOutput, type OutputChannel, type OutputWatcher } from "#iscep/runs/streams/output";
import { maxBlockBytes } from "#iscep/runs/streams/output-block";
import { rounds } from "../support/rounds.js";

const limits = { maxRetainedOutputBytes: 100_000, streamWindowBytes: 20_000 };

/** Reads when it is told to, and checks each piece against what was written. */
class Reader implements OutputWatcher {
  position: number;
  told = 0;
  readonly #output: RunOutput;
  readonly #model: Model;

  constructor(output: RunOutput, model: Model, position: number) {
    this.#output = output;
    this.#model = model;
    this.position = position;
    output.watch(this);
  }

  outputReady(): void {
    this.told++;
  }

  /** Reads at most so many bytes. */
  read(maxBytes: number): void {
    for (let rest = maxBytes; rest > 0;) {
      const piece = this.#output.read(this.position, rest);
      if (piece === undefined) break;
      if (piece.offset !== this.position || piece.bytes.length === 0) throw new Error("not what was asked for");
      this.#model.check(piece.offset, piece.channel, piece.bytes);
      this.position += piece.bytes.length;
      rest -= piece.bytes.length;
    }
    this.#output.positionChanged();
  }
}

/** Every byte that was written, and its channel. */
class Model {
  readonly #bytes: number[] = [];
  readonly #channels: OutputChannel[] = [];

  get end(): number {
    return this.#bytes.length;
  }

  write(channel: OutputChannel, bytes: Uint8Array): void {
    for (const byte of bytes) {
      this.#bytes.push(byte);
      this.#channels.push(channel);
    }
  }

  check(offset: number, channel: OutputChannel, bytes: Uint8Array): void {
    for (const [index, byte] of bytes.entries()) {
      if (byte !== this.#bytes[offset + index] || channel !== this.#channels[offset + index])
        throw new Error(`wrong byte or channel at ${offset + index}`);
    }
  }
}

let nextByte = 0;
function someBytes(length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => (nextByte = (nextByte + 31) & 255)));
}

type Step =
  | { readonly kind: "write"; readonly channel: OutputChannel; readonly length: number; readonly text: boolean }
  | { readonly kind: "give"; readonly channel: OutputChannel; readonly length: number; readonly shared: boolean }
  | { readonly kind: "alternate"; readonly count: number; readonly length: number }
  | { readonly kind: "watch"; readonly back: number }
  | { readonly kind: "read"; readonly who: number; readonly bytes: number }
  | { readonly kind: "leave"; readonly who: number };

const channel = fc.constantFrom<OutputChannel>("stdout", "stderr");
const length = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 150_000 }));
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("write" as const), channel, length, text: fc.boolean() }),
  fc.record({
    kind: fc.constant("give" as const),
    channel,
    length: fc.integer({ min: 1, max: 70_000 }),
    shared: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant("alternate" as const),
    count: fc.integer({ min: 1, max: 30_000 }),
    length: fc.integer({ min: 1, max: 3 }),
  }),
  fc.record({ kind: fc.constant("watch" as const), back: fc.integer({ min: 0, max: 150_000 }) }),
  fc.record({ kind: fc.constant("read" as const), who: fc.nat(5), bytes: fc.integer({ min: 1, max: 200_000 }) }),
  fc.record({ kind: fc.constant("leave" as const), who: fc.nat(5) }),
);

describe("the output of a run", () => {
  test("loses no byte, repeats none, keeps channels apart and stays within its memory, whatever is written and read", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const output = new RunOutput(limits);
        const model = new Model();
        const readers: Reader[] = [];
        const write = (on: OutputChannel, data: Buffer | string): void => {
          model.write(on, Buffer.from(data as string));
          void output.write(on, data);
        };
        for (const one of steps) {
          switch (one.kind) {
            case "write":
              write(one.channel, one.text ? "aü€𝄞".repeat(Math.ceil(one.length / 10)) : someBytes(one.length));
              break;
            case "give": {
              // As a pipe gives it: alone in its memory. Or as a part of something larger.
              const given = Buffer.alloc(one.length + (one.shared ? 100 : 0), someBytes(one.length));
              const bytes = given.subarray(0, one.length);
              model.write(one.channel, bytes);
              void output.write(one.channel, bytes, true);
              break;
            }
            case "alternate":
              for (let index = 0; index < one.count; index++)
                write(index % 2 === 0 ? "stdout" : "stderr", someBytes(one.length));
              break;
            case "watch":
              readers.push(new Reader(output, model, Math.max(output.start, output.end - one.back)));
              break;
            case "read":
              readers[one.who]?.read(one.bytes);
              break;
            case "leave":
              for (const reader of readers.splice(one.who, 1)) output.unwatch(reader);
          }
          expect(output.end).toBe(model.end);
          const unread = Math.max(0, ...readers.map((reader) => output.end - reader.position));
          // The oldest block may be needed for its last byte only, and the newest is not full.
          const mostBytes = Math.max(limits.maxRetainedOutputBytes, unread) + 2 * maxBlockBytes;
          expect(output.end - output.start).toBeLessThanOrEqual(mostBytes);
          expect(output.memoryBytes).toBeLessThanOrEqual(3 * (output.end - output.start) + 2 * maxBlockBytes);
        }
        output.close();
        for (const reader of readers) {
          reader.read(Number.POSITIVE_INFINITY);
          expect(reader.position).toBe(model.end);
        }
      }),
      { numRuns: rounds(15, 60, 600) },
    );
  });

  test("a program that alternates single bytes costs three times what is retained, and no more", () => {
    const output = new RunOutput({ maxRetainedOutputBytes: 1024 * 1024, streamWindowBytes: 256 * 1024 });
    for (let index = 0; index < 2_000_000; index++) void output.write(index % 2 === 0 ? "stdout" : "stderr", "x");
    expect(output.end).toBe(2_000_000);
    expect(output.end - output.start).toBeGreaterThanOrEqual(1024 * 1024);
    expect(output.memoryBytes).toBeLessThan(3 * 1024 * 1024 + 2 * maxBlockBytes);
  });

  test("a large piece that is given away is kept as it is, and one that is only written is copied", () => {
    for (const isGiven of [true, false]) {
      const output = new RunOutput(limits);
      const piece = Buffer.from(new ArrayBuffer(60_000)).fill("a");
      void output.write("stdout", piece, isGiven);
      const read = output.read(0, 60_000)?.bytes;
      expect(read?.equals(piece)).toBe(true);
      expect(read?.buffer === piece.buffer).toBe(isGiven);
      piece.fill("b");
      expect(read?.equals(piece)).toBe(isGiven);
    }
  });

  test("small and large pieces by turns take at most twice their bytes", () => {
    const output = new RunOutput({ ...limits, maxRetainedOutputBytes: 2 ** 20 });
    for (const length of [16 * 1024, 33_000, 60_000, 64 * 1024]) {
      for (let index = 0; index < 100; index++) {
        void output.write("stdout", "x");
        void output.write("stdout", Buffer.from(new ArrayBuffer(length)), true);
      }
      expect(output.memoryBytes).toBeLessThanOrEqual(2 * (output.end - output.start) + 2 * maxBlockBytes);
    }
  });

  test("a run that says little costs little", () => {
    const output = new RunOutput(limits);
    void output.write("stdout", "one line\n");
    expect(output.memoryBytes).toBeLessThanOrEqual(1024);
    void output.write("stdout", Buffer.alloc(1500));
    expect(output.memoryBytes).toBeLessThanOrEqual(5 * 1024);
  });

  test("what is written is copied, and a piece that was read stays as it is", () => {
    const output = new RunOutput(limits);
    const bytes = Buffer.from("before");
    void output.write("stdout", bytes);
    bytes.fill("x");
    const piece = output.read(0, 100);
    for (let count = 0; count < 500; count++) void output.write("stdout", Buffer.alloc(1000, 0x79));
    expect(piece).toEqual({ channel: "stdout", offset: 0, bytes: Buffer.from("before") });
    expect(output.start).toBeGreaterThan(0);
  });
});

/** Whether the promise of a write has been fulfilled, once what waits for it has had its turn. */
async function goesOn(write: Promise<void> | undefined): Promise<boolean> {
  if (write === undefined) return true;
  let done = false;
  void write.then(() => (done = true));
  await new Promise((resolve) => setImmediate(resolve));
  return done;
}

describe("the writer", () => {
  test("waits for nobody when nobody watches", () => {
    const output = new RunOutput(limits);
    for (let count = 0; count < 100; count++) expect(output.write("stdout", Buffer.alloc(30_000))).toBeUndefined();
  });

  test("waits for one that has seen all and is now a window behind, and goes on when it has read", async () => {
    const output = new RunOutput(limits);
    const model = new Model();
    const reader = new Reader(output, model, 0);
    const write = (size: number) => {
      const bytes = someBytes(size);
      model.write("stdout", bytes);
      return output.write("stdout", bytes);
    };
    expect(write(20_000)).toBeUndefined();
    const waiting = write(1);
    expect(await goesOn(waiting)).toBe(false);
    reader.read(1);
    expect(await goesOn(waiting)).toBe(true);
  });

  test("does not wait for one that replays, before half of what is kept is what that one needs", async () => {
    const output = new RunOutput(limits);
    const model = new Model();
    const write = (size: number) => {
      const bytes = someBytes(size);
      model.write("stderr", bytes);
      return output.write("stderr", bytes);
    };
    void write(30_000);
    const late = new Reader(output, model, 0);
    expect(write(20_000)).toBeUndefined();
    const waiting = write(1);
    expect(await goesOn(waiting)).toBe(false);
    // Nothing of it is dropped by one that does not wait.
    void write(400_000);
    expect(output.start).toBe(0);
    late.read(400_001);
    expect(await goesOn(waiting)).toBe(true);
    // It has caught up by now, so that from here on a window is the limit.
    late.read(Number.POSITIVE_INFINITY);
    expect(await goesOn(write(20_001))).toBe(false);
  });

  test("goes on when the one that it waits for leaves, and at the close", async () => {
    const output = new RunOutput(limits);
    const reader = new Reader(output, new Model(), 0);
    const first = output.write("stdout", Buffer.alloc(30_000));
    expect(await goesOn(first)).toBe(false);
    output.unwatch(reader);
    expect(await goesOn(first)).toBe(true);
    const other = new Reader(output, new Model(), output.end);
    const second = output.write("stdout", Buffer.alloc(30_000));
    expect(await goesOn(second)).toBe(false);
    output.close();
    expect(await goesOn(second)).toBe(true);
    expect(other.told).toBeGreaterThan(1);
    expect(output.write("stdout", "too late")).toBeUndefined();
    expect(output.end).toBe(60_000);
  });
});

test("an offset that is not kept or not there yet is refused, with what there is", () => {
  const output = new RunOutput(limits);
  for (let count = 0; count < 10; count++) void output.write("stdout", Buffer.alloc(50_000));
  expect(() => output.checkOffset(500_001)).toThrow(/500000 bytes so far/);
  expect(() => output.read(0, 1)).toThrow(expect.objectContaining({ code: "output_gone" }));
  expect(output.read(500_000, 1)).toBeUndefined();
  expect(output.read(499_999, 10)?.bytes).toHaveLength(1);
});

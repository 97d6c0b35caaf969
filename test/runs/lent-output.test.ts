import fc from "fast-check";
import { expect, test } from "vitest";
import { defineCommand } from "iscep";
import { RunOutput } from "#iscep/runs/streams/output";
import { maxBlockBytes } from "#iscep/runs/streams/output-block";
import { rounds } from "../support/rounds.js";
import { startServer } from "../support/servers.js";

const limits = { maxRetainedOutputBytes: 2 * maxBlockBytes, streamWindowBytes: 2 * maxBlockBytes };

/** Reads what is lent to it, and holds the last pieces for a while, as a socket does. */
class Borrower {
  readonly #output: RunOutput;
  readonly #held: { readonly bytes: Buffer; readonly content: string; readonly release: (() => void) | undefined }[] =
    [];
  position = 0;
  /** The memory that was ever seen. */
  readonly memory = new Set<ArrayBufferLike>();

  constructor(output: RunOutput) {
    this.#output = output;
    output.watch(this);
  }

  outputReady(): void {}

  borrow(maxBytes: number): void {
    for (;;) {
      const piece = this.#output.lend(this.position, maxBytes);
      if (piece === undefined) break;
      this.memory.add(piece.bytes.buffer);
      const release = "release" in piece ? piece.release : undefined;
      this.#held.push({ bytes: piece.bytes, content: piece.bytes.toString("latin1"), release });
      this.position += piece.bytes.length;
    }
    this.#output.positionChanged();
  }

  /** Gives the oldest pieces back. They must be as they were. */
  giveBack(count: number): void {
    for (const { bytes, content, release } of this.#held.splice(0, count)) {
      if (bytes.toString("latin1") !== content) throw new Error("a lent piece changed before it was released");
      release?.();
    }
  }
}

const block = (index: number): Buffer => Buffer.alloc(maxBlockBytes, 1 + (index % 250));

test("memory that all readers gave back is written again", () => {
  const output = new RunOutput(limits);
  const reader = new Borrower(output);
  for (let index = 0; index < 100; index++) {
    void output.write("stdout", block(index));
    reader.borrow(maxBlockBytes / 2);
    reader.giveBack(2);
  }
  expect(reader.memory.size).toBeLessThan(10);
  expect(output.memoryBytes).toBeLessThan(8 * maxBlockBytes);
  output.close();
  expect(output.memoryBytes).toBeLessThan(5 * maxBlockBytes);
});

test("memory that somebody reads without telling is never written again", () => {
  const output = new RunOutput(limits);
  const reader = new Borrower(output);
  const kept: { readonly bytes: Buffer; readonly index: number }[] = [];
  for (let index = 0; index < 40; index++) {
    void output.write("stdout", block(index));
    const bytes = output.read(index * maxBlockBytes, maxBlockBytes)?.bytes;
    if (bytes === undefined) throw new Error("nothing was read");
    kept.push({ bytes, index });
    reader.borrow(maxBlockBytes);
    reader.giveBack(1);
  }
  for (const { bytes, index } of kept) expect(bytes.equals(block(index))).toBe(true);
});

test("a lent piece stays as it is until it is released, whatever is written and read meanwhile", () => {
  const step = fc.oneof(
    fc.record({
      kind: fc.constant("write" as const),
      bytes: fc.integer({ min: maxBlockBytes / 2, max: 2 * maxBlockBytes }),
    }),
    fc.record({ kind: fc.constant("borrow" as const), bytes: fc.integer({ min: 1_000, max: maxBlockBytes }) }),
    fc.record({ kind: fc.constant("giveBack" as const), count: fc.integer({ min: 1, max: 40 }) }),
    fc.record({ kind: fc.constant("part" as const) }),
    fc.record({ kind: fc.constant("leave" as const) }),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(1), step), { minLength: 30, maxLength: 60 }), (steps) => {
      const output = new RunOutput(limits);
      const readers = [new Borrower(output), new Borrower(output)];
      let written = 0;
      for (const [who, step] of steps) {
        const reader = readers[who];
        if (reader === undefined) continue;
        if (step.kind === "write") void output.write("stdout", Buffer.alloc(step.bytes, 1 + (written++ % 250)));
        else if (step.kind === "borrow") reader.borrow(step.bytes);
        else if (step.kind === "giveBack") reader.giveBack(step.count);
        else if (step.kind === "part") output.part(Math.max(output.start, output.end - 1));
        else {
          // What it holds stays lent, as with a socket that still writes when its call is over.
          output.unwatch(reader);
          const other = new Borrower(output);
          other.position = output.start;
          readers[who] = other;
          reader.giveBack(Number.POSITIVE_INFINITY);
        }
      }
      for (const reader of readers) reader.giveBack(Number.POSITIVE_INFINITY);
    }),
    { numRuns: rounds(100, 500, 5_000) },
  );
});

test.each([false, true])("output that waits in a socket is sent as it was written (TLS: %s)", async (tls) => {
  // Blocks are dropped long before the system takes them, because client and server share this thread.
  const stream = defineCommand({
    name: "stream",
    description: "Writes blocks that differ",
    async run(_args, { output }) {
      for (let index = 0; index < 200; index++) await output.write("stdout", block(index));
    },
  });
  const { client: connect } = await startServer({
    commands: [stream],
    tls,
    tokens: false,
    limits: {
      ...limits,
      maxRetainedOutputBytes: maxBlockBytes,
      streamWindowBytes: 2 ** 22,
      connectionWindowBytes: 2 ** 22,
    },
  });
  const client = await connect();
  let at = 0;
  for await (const { bytes } of client.run("stream").output) {
    for (let from = 0; from < bytes.length; at++, from++)
      if (bytes[from] !== 1 + (Math.floor(at / maxBlockBytes) % 250)) throw new Error(`a wrong byte at ${at}`);
  }
  expect(at).toBe(200 * maxBlockBytes);
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ReadMemory } from "#iscep/transport/read-memory";

/** What a socket does: it writes into the room, and says how much. */
function read(memory: ReadMemory, length: number, fill: number): Buffer {
  const room = memory.room();
  const came = Math.min(length, room.length);
  room.fill(fill, 0, came);
  return memory.take(came);
}

describe("memory that sockets read into", () => {
  it("never changes what was read, however much comes at once, on two sockets that take turns", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat({ max: 70_000 }), fc.boolean()), { maxLength: 40 }), (reads) => {
        const sockets = [new ReadMemory(), new ReadMemory()] as const;
        const pieces = reads.map(([length, first], index) => read(sockets[first ? 0 : 1], length + 1, index + 1));
        for (const [index, piece] of pieces.entries()) expect(piece.every((byte) => byte === index + 1)).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  it("puts the records of TLS behind each other, and the last one of a write, which is smaller", () => {
    const memory = new ReadMemory();
    read(memory, 16_384, 1);
    const records = [16_384, 16_384, 200, 16_384].map((length, index) => read(memory, length, index));
    for (const [index, record] of records.entries()) {
      const before = records[index - 1];
      if (before === undefined) continue;
      expect(record.buffer).toBe(before.buffer);
      expect(record.byteOffset).toBe(before.byteOffset + before.length);
    }
  });

  it("puts large pieces behind each other, without a copy", () => {
    const memory = new ReadMemory();
    read(memory, 40_000, 1);
    const first = read(memory, 40_000, 2);
    const second = read(memory, 40_000, 3);
    expect(second.buffer).toBe(first.buffer);
    expect(second.byteOffset).toBe(first.byteOffset + first.length);
  });

  it("holds no memory of its own after a second small piece, and none behind that piece", () => {
    const memory = new ReadMemory();
    const shared = memory.room();
    read(memory, 40_000, 1);
    const own = memory.room();
    expect(own.buffer).not.toBe(shared.buffer);
    // This is the end of what came before.
    expect(read(memory, 100, 2).buffer).toBe(own.buffer);
    const small = read(memory, 100, 3);
    expect(memory.room().buffer).toBe(shared.buffer);
    expect(small.buffer).not.toBe(own.buffer);
    expect(small.buffer).not.toBe(shared.buffer);
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IscepError } from "#iscep/errors";
import { defaultLimits } from "#iscep/limits/limits";
import { hashBytes, headerBytes, PacketReader, type PacketView } from "#iscep/wire/packet";
import { decodeContent, encodeContent, encodePacket } from "#iscep/wire/version1";
import { everySplit, someSplits } from "../support/splits.js";
import { vectors, type VectorBytes, type VectorFrame } from "../support/vectors.js";
import { rounds } from "../support/rounds.js";

interface Read {
  readonly type: number;
  readonly content: unknown;
}

/** Reads all that there is; a content that cannot be decoded stands as the code of its error. */
function readAll(chunks: readonly Buffer[], copied = true): { packets: Read[]; gone: boolean; pendingBytes: number } {
  const reader = new PacketReader(defaultLimits.maxPacketBytes);
  const packets: Read[] = [];
  let gone = false;
  for (const chunk of chunks) {
    reader.receive(copied ? Buffer.from(chunk) : chunk);
    for (let packet = reader.next(); packet !== undefined && !gone; packet = reader.next()) {
      if (packet === null) gone = true;
      else packets.push({ type: packet.type, content: decodeOrCode(packet) });
    }
  }
  return { packets, gone, pendingBytes: reader.pendingBytes };
}

function decodeOrCode(packet: PacketView): unknown {
  try {
    return decodeContent(packet, defaultLimits);
  } catch (error) {
    if (!(error instanceof IscepError)) throw error;
    return error.code;
  }
}

/** What a vector's frame must be read as. */
function expected(frame: VectorFrame): Read {
  const { content } = frame;
  const known = ["auth_token", "command", "args", "error", "response"];
  const usable =
    frame.checksum_ok &&
    content !== undefined &&
    typeof content === "object" &&
    content !== null &&
    !Array.isArray(content) &&
    Object.keys(content).every((key) => known.includes(key)) &&
    (content["auth_token"] == null || typeof content["auth_token"] === "string");
  if (!usable) return { type: frame.type, content: "protocol" };
  return {
    type: frame.type,
    content: Object.fromEntries(Object.entries(content).filter(([, value]) => value !== null)),
  };
}

const sides: { id: string; side: VectorBytes }[] = [
  ...vectors.exchanges.flatMap(({ id, client_to_server, server_to_client }) => [
    { id: `${id}, the client's bytes`, side: client_to_server },
    ...(server_to_client === null ? [] : [{ id: `${id}, the server's bytes`, side: server_to_client }]),
  ]),
  ...vectors.packets.map(({ id, encoded }) => ({ id, side: encoded })),
];

describe("the packets of the original", () => {
  it("are all there", () => {
    expect(vectors.exchanges).toHaveLength(85);
    expect(vectors.packets).toHaveLength(7);
    const types = new Set(sides.flatMap(({ side }) => side.frames.map((frame) => frame.type)));
    for (const type of [0, 1, 2, 3, 4, 5, 6]) expect(types).toContain(type);
  });

  it.each(sides)("$id", ({ side }) => {
    const bytes = Buffer.from(side.hex, "hex");
    const frames = side.frames.filter((frame) => frame.size > 0);
    const want = frames.map(expected);
    for (const { name, chunks } of bytes.length > 1000 ? someSplits(bytes) : everySplit(bytes)) {
      const read = readAll(chunks);
      expect(read.packets, name).toEqual(want);
      expect(read.pendingBytes, name).toBe(frames.length === side.frames.length ? 0 : 4);
      expect(read.gone, name).toBe(frames.length !== side.frames.length);
    }
    for (const trailing of [Buffer.of(0), Buffer.from("000000", "hex"), Buffer.from("0000ffff0000", "hex")]) {
      const read = readAll([bytes, trailing]);
      expect(read.packets, "with trailing bytes").toEqual(want);
      if (!read.gone) expect(read.pendingBytes).toBe(trailing.length);
    }
  });

  it("are written again with the same type and content", () => {
    for (const { side } of sides) {
      for (const frame of side.frames) {
        const { type, content } = expected(frame);
        if (typeof content !== "object" || content === null) continue;
        const packet = encodePacket(type, encodeContent(content, defaultLimits));
        // As all of JavaScript, ours writes -0 as 0.
        expect(readAll([packet]).packets).toEqual([{ type, content: JSON.parse(JSON.stringify(content)) as unknown }]);
      }
    }
  });

  it("of the smallest kind are byte for byte the original's", () => {
    for (const { id, encoded } of vectors.packets) {
      const [frame] = encoded.frames;
      if (frame?.body_utf8 !== "{}") continue;
      expect(encodePacket(frame.type, "{}").toString("hex"), id).toBe(encoded.hex);
    }
  });
});

describe("a packet reader", () => {
  const echo = (text: string): Buffer => encodePacket(0, JSON.stringify({ response: { echo: text } }));

  it("refuses every size below that of an empty packet, but 0, which means that the peer is gone", () => {
    for (let size = 0; size < 34; size++) {
      const reader = new PacketReader(1000);
      reader.receive(Buffer.of(0, 0, 0, size));
      if (size === 0) expect(reader.next()).toBeNull();
      else expect(() => reader.next()).toThrow(expect.objectContaining({ code: "protocol" }));
    }
  });

  it("refuses a size above its limit as soon as the size is there", () => {
    const reader = new PacketReader(1000);
    reader.receive(Buffer.of(0, 0, 3));
    expect(reader.next()).toBeUndefined();
    reader.receive(Buffer.of(0xe9));
    expect(() => reader.next()).toThrow(expect.objectContaining({ code: "too_large" }));
  });

  it("takes for no packet what is larger than any limit can be: another protocol", () => {
    for (const text of ["HTTP/1.1 400 Bad Request", "SSH-2.0-x", "\u0016\u0003\u0001"]) {
      const reader = new PacketReader(64 * 2 ** 20);
      reader.receive(Buffer.from(text.padEnd(8), "latin1"));
      expect(() => reader.next()).toThrow(expect.objectContaining({ code: "protocol" }));
    }
  });

  it("takes no memory because of what a header claims", () => {
    const readers: PacketReader[] = [];
    const before = process.memoryUsage().arrayBuffers;
    for (let index = 0; index < 1000; index++) {
      const reader = new PacketReader(64 * 2 ** 20);
      reader.receive(Buffer.of(0x03, 0xff, 0xff));
      reader.receive(Buffer.of(0xff, 0));
      expect(reader.next()).toBeUndefined();
      readers.push(reader);
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 20);
    expect(readers).toHaveLength(1000);
  });

  it("keeps a packet that comes in single bytes in at most 2.5 times its size", () => {
    const packet = echo("x".repeat(rounds(2 ** 17, 2 ** 20, 2 ** 22)));
    const reader = new PacketReader(2 * 2 ** 22);
    // No byte lies behind the one before it, so each must be copied.
    const apart = Buffer.alloc(2 * packet.length);
    for (const [index, byte] of packet.entries()) apart[2 * index] = byte;
    globalThis.gc?.();
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    for (let index = 0; index < packet.length; index++) {
      reader.receive(apart.subarray(2 * index, 2 * index + 1));
      if (index % 16_384 === 0) most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    }
    expect(most).toBeLessThan(2.5 * packet.length);
    const read = reader.next();
    expect(read?.bytes.subarray(read.start, read.end + hashBytes)).toEqual(packet.subarray(headerBytes));
  });

  it("finds the same packets however the stream was cut", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ maxLength: 300 }), { maxLength: 8 }),
        fc.array(fc.nat({ max: 400 }), { maxLength: 30 }),
        (texts, lengths) => {
          const stream = Buffer.concat(texts.map(echo));
          const chunks: Buffer[] = [];
          let offset = 0;
          for (const length of lengths) {
            chunks.push(stream.subarray(offset, offset + length));
            offset = Math.min(stream.length, offset + length);
          }
          chunks.push(stream.subarray(offset));
          const all = texts.map((text) => ({ type: 0, content: { response: { echo: text } } }));
          expect(readAll(chunks).packets).toEqual(all);
          // These lie behind each other in memory.
          expect(readAll(chunks, false).packets).toEqual(all);
        },
      ),
    );
  });

  it("copies no packet whose chunks lie behind each other in memory", () => {
    const packet = echo("x".repeat(100_000));
    const stream = Buffer.concat([packet, packet]);
    const reader = new PacketReader(defaultLimits.maxPacketBytes);
    const offsets: (number | undefined)[] = [];
    for (let at = 0; at < stream.length; at += 65_536) {
      reader.receive(stream.subarray(at, at + 65_536));
      for (let view = reader.next(); view; view = reader.next()) {
        expect(view.bytes.buffer).toBe(stream.buffer);
        offsets.push(view.bytes.byteOffset + view.start - stream.byteOffset);
      }
    }
    expect(offsets).toEqual([headerBytes, packet.length + headerBytes]);
  });

  it("gives packets that later bytes do not change", () => {
    const reader = new PacketReader(1000);
    const first = echo("first");
    reader.receive(first.subarray(0, 10));
    reader.receive(Buffer.concat([first.subarray(10), echo("second").subarray(0, 7)]));
    const view = reader.next();
    reader.receive(echo("second").subarray(7));
    expect(view && decodeContent(view, defaultLimits)).toEqual({ response: { echo: "first" } });
    const next = reader.next();
    expect(next && decodeContent(next, defaultLimits)).toEqual({ response: { echo: "second" } });
  });

  it("reads garbage as packets or refuses it with our error, never anything else", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat({ max: 40 }), (garbage, size) => {
        const reader = new PacketReader(1000);
        try {
          reader.receive(Buffer.concat([Buffer.of(0, 0, 0, size + 30), garbage]));
          for (let packet = reader.next(); packet; packet = reader.next()) decodeOrCode(packet);
        } catch (error) {
          expect(error).toBeInstanceOf(IscepError);
        }
      }),
      { numRuns: rounds(500, 2_000, 20_000) },
    );
  });
});

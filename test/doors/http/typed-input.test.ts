import fc from "fast-check";
import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { TypedInput } from "#iscep/doors/http/input/typed-input";

const limits = { maxTypedBytes: 16, maxTypingRequests: 1_000, typedInputTimeoutMs: 60_000 };

/** Reads as the run does: after so many turns of the event loop each time. */
async function readSlowly(input: TypedInput, pauses: readonly number[]): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of input) {
    chunks.push(chunk);
    for (let left = pauses[chunks.length % pauses.length] ?? 0; left > 0; left--) await turn();
  }
  return Buffer.concat(chunks);
}

test("requests with offsets that are repeated, overlap and come in any order give exactly the bytes once", async () => {
  const piece = fc.record({
    from: fc.nat(200),
    length: fc.nat(limits.maxTypedBytes),
    pause: fc.nat(2),
    isLast: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 200 }),
      fc.array(piece, { maxLength: 100 }),
      fc.array(fc.nat(3), { minLength: 1, maxLength: 5 }),
      async (source, pieces, pauses) => {
        const input = new TypedInput(limits);
        const read = readSlowly(input, pauses);
        const answers: Promise<unknown>[] = [];
        for (const { from, length, pause, isLast } of pieces) {
          const bytes = source.subarray(from, from + length);
          const ends = isLast && from + length >= source.length;
          const request = input.type({ bytes, offset: Math.min(from, source.length), isLast: ends });
          // Those that would leave a gap are refused, and take nothing.
          answers.push(request.catch((error: unknown) => expect(error).toMatchObject({ code: "usage" })));
          for (let left = pause; left > 0; left--) await turn();
        }
        // Then one caller goes on from where the input is, as after a reload.
        while (input.offset < source.length) {
          const { offset } = input;
          const bytes = source.subarray(offset, offset + limits.maxTypedBytes);
          await input.type({ bytes, offset, isLast: false });
        }
        await input.type({ bytes: new Uint8Array(), offset: source.length, isLast: true });
        await Promise.all(answers);
        expect(await read).toEqual(Buffer.from(source));
        expect([input.offset, input.isOpen]).toEqual([source.length, false]);
      },
    ),
    { numRuns: 200 },
  );
});

test("more writers than are kept lose nothing: the one that was forgotten is told to count from 0", async () => {
  const input = new TypedInput({ ...limits, maxTypedBytes: 1_000 });
  for (let writer = 0; writer < 100; writer++)
    await input.type({ bytes: Buffer.from("x"), writer: `${writer}`, offset: 0, isLast: false });
  const more = { bytes: Buffer.from("y"), writer: "0", isLast: false };
  await expect(input.type({ ...more, offset: 1 })).rejects.toMatchObject({ message: /has 0 bytes of this writer/ });
  await input.type({ ...more, offset: 0 });
  await input.type({ bytes: Buffer.from("z"), writer: "99", offset: 1, isLast: true });
  expect(String(await readSlowly(input, [0]))).toBe(`${"x".repeat(100)}yz`);
});

test("requests without offsets are taken whole and in their order, however slowly they are read", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: limits.maxTypedBytes }), { maxLength: 60 }),
      fc.array(fc.nat(3), { minLength: 1, maxLength: 5 }),
      async (pieces, pauses) => {
        const input = new TypedInput(limits);
        const read = readSlowly(input, pauses);
        await Promise.all(pieces.map((bytes, index) => input.type({ bytes, isLast: index === pieces.length - 1 })));
        if (pieces.length === 0) await input.type({ bytes: new Uint8Array(), isLast: true });
        expect(await read).toEqual(Buffer.concat(pieces));
      },
    ),
    { numRuns: 100 },
  );
});

test("a request that waited in vain took nothing, and those behind it go on", async () => {
  const input = new TypedInput({ ...limits, typedInputTimeoutMs: 20 });
  await input.type({ bytes: Buffer.alloc(10, "a"), isLast: false });
  const [large, small] = await Promise.allSettled([
    input.type({ bytes: Buffer.alloc(10, "b"), isLast: false }),
    input.type({ bytes: Buffer.alloc(6, "c"), isLast: true }),
  ]);
  expect(large).toMatchObject({ status: "rejected", reason: { code: "busy" } });
  expect(small.status).toBe("fulfilled");
  expect(String(await readSlowly(input, [0]))).toBe("aaaaaaaaaacccccc");
});

test("no more requests wait than the limit says", async () => {
  const input = new TypedInput({ ...limits, maxTypingRequests: 2 });
  const full = { bytes: Buffer.alloc(16), isLast: false };
  await input.type(full);
  const waiting = [input.type(full), input.type(full)];
  await expect(input.type(full)).rejects.toMatchObject({ code: "busy" });
  input.close();
  const ended = await Promise.allSettled(waiting);
  expect(ended.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
});

test("an input that breaks off is no end of it", async () => {
  const input = new TypedInput(limits);
  const read = readSlowly(input, [0]);
  await input.type({ bytes: Buffer.from("part"), isLast: false });
  input.close();
  await expect(read).rejects.toMatchObject({ code: "usage" });
  await expect(input.type({ bytes: Buffer.from("x"), isLast: false })).rejects.toMatchObject({ code: "usage" });
});

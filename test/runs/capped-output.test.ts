import fc from "fast-check";
import { expect, test } from "vitest";
import { CappedOutput } from "#iscep/runs/script/capped-output";

function capped(bytes: Uint8Array, maxBytes: number, pieceBytes = 1): CappedOutput {
  const output = new CappedOutput(maxBytes);
  for (let at = 0; at < bytes.length; at += pieceBytes) output.write(Buffer.from(bytes.subarray(at, at + pieceBytes)));
  return output;
}

test("text below the limit is the same, however it is cut into chunks", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.integer({ min: 1, max: 7 }), (text, pieceBytes) => {
      const bytes = Buffer.from(text);
      const output = capped(bytes, bytes.length, pieceBytes);
      expect(output.text()).toBe(text);
      expect(output.truncated).toBe(false);
    }),
  );
});

test("a limit within a character cuts before it, and adds nothing", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "grapheme", minLength: 1 }),
      fc.nat(),
      fc.integer({ min: 1, max: 7 }),
      (text, n, pieceBytes) => {
        const bytes = Buffer.from(text);
        const maxBytes = n % bytes.length;
        const output = capped(bytes, maxBytes, pieceBytes);
        expect(output.truncated).toBe(true);
        expect(text.startsWith(output.text())).toBe(true);
        expect(maxBytes - Buffer.byteLength(output.text())).toBeLessThan(4);
      },
    ),
  );
});

test("bytes that are no UTF-8 become U+FFFD, also a beginning of a character at the very end", () => {
  expect(capped(Buffer.from([0x61, 0xff, 0x62]), 100).text()).toBe("a\uFFFDb");
  expect(capped(Buffer.from([0x61, 0xe2, 0x82]), 100).text()).toBe("a\uFFFD");
});

test("a byte order mark stays", () => {
  expect(capped(Buffer.from("\uFEFFa"), 100).text()).toBe("\uFEFFa");
});

test("a limit of 0 keeps nothing, and tells so only when there was something", () => {
  expect(capped(Buffer.from("a"), 0)).toMatchObject({ truncated: true });
  expect(capped(Buffer.alloc(0), 0)).toMatchObject({ truncated: false });
});

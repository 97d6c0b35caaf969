import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesNeedNoEscape, stringifyMembers } from "#iscep/wire/json-long-text";
import { anyCharacter } from "../support/any-character.js";

const simple = (bytes: Uint8Array): boolean =>
  bytes.every((byte) => byte >= 0x20 && byte < 0x80 && byte !== 0x22 && byte !== 0x5c);

// Mostly simple, so that one byte decides, wherever it stands.
const byte = fc.oneof(
  { weight: 30, arbitrary: fc.integer({ min: 0x20, max: 0x7f }) },
  fc.integer({ min: 0, max: 255 }),
);

test("bytes need no escape exactly when JSON.stringify would leave them as they are, wherever they lie in memory", () => {
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 40 }), fc.nat(7), (bytes, skipped) => {
      const view = Uint8Array.from(bytes).subarray(skipped);
      expect(bytesNeedNoEscape(view)).toBe(simple(view));
      // 0x7f is told as it is.
      if (simple(view)) expect(JSON.stringify(Buffer.from(view).toString())).toBe(`"${Buffer.from(view).toString()}"`);
    }),
    { numRuns: 2_000 },
  );
});

test("a long text is the same JSON as that of JSON.stringify", () => {
  fc.assert(
    fc.property(fc.string({ unit: anyCharacter, maxLength: 3 }), fc.nat(4), (odd, at) => {
      const text = "a".repeat(5_000 + at) + odd + "b".repeat(at);
      expect(stringifyMembers({ text, count: at })).toBe(JSON.stringify({ text, count: at }));
    }),
  );
});

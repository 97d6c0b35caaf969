/** Each pattern of a definition is checked by itself, however many stand beside it in one process. */
import type { StandardSchemaV1 } from "@standard-schema/spec";
import fc from "fast-check";
import { expect, test } from "vitest";
import { declareArguments } from "iscep";

const atom = fc.constantFrom("a", "b", "[ab]", "[^a]", ".", String.raw`\d`, "(?:ab)", "-", "é");
const piece = fc
  .tuple(atom, fc.constantFrom("", "+", "*", "?", "{1,3}", "{2}", "+?"))
  .map(([what, times]) => what + times);
const pattern = fc.oneof(
  fc.array(piece, { minLength: 1, maxLength: 5 }).map((pieces) => pieces.join("")),
  fc
    .tuple(fc.array(piece, { minLength: 1, maxLength: 3 }), fc.constantFrom("+", "*", "{1,2}"))
    .map(([pieces, times]) => `(?:${pieces.join("|")})${times}`),
  fc.array(piece, { minLength: 2, maxLength: 4 }).map((pieces) => pieces.join("|")),
);
const text = fc.string({ unit: fc.constantFrom("a", "b", "c", "1", "-", "é"), maxLength: 8 });

function fits(schema: StandardSchemaV1, args: object): boolean {
  return !("issues" in (schema["~standard"].validate(args) as object));
}

test("1,000 patterns beside each other match what each of them matches alone", () => {
  const cases = fc.uniqueArray(pattern, { minLength: 1_000, maxLength: 1_000 });
  fc.assert(
    fc.property(cases, fc.array(text, { minLength: 5, maxLength: 5 }), (patterns, texts) => {
      const declared = patterns.map((each) => declareArguments({ value: { type: "string", pattern: each } }));
      for (const [index, source] of patterns.entries()) {
        const alone = new RegExp(`^(?:${source})$`, "u");
        const schema = declared[index] as StandardSchemaV1;
        for (const value of texts)
          expect([source, value, fits(schema, { value })]).toEqual([source, value, alone.test(value)]);
      }
    }),
    { numRuns: 1, endOnFailure: true },
  );
});

test("two patterns of one command are two", () => {
  const both = declareArguments({
    note: { type: "string", pattern: "([ -~]+ ?)+" },
    day: { type: "string", pattern: "[0-9]{4}-[0-9]+-[0-9]+" },
  });
  expect(fits(both, { note: "x; y", day: "2026-01-31" })).toBe(true);
  expect(fits(both, { note: "x", day: "x; rm -rf / #" })).toBe(false);
});

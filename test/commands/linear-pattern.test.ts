/** PITFALLS 1 (CVE-2026-67438): patterns match whole texts, mean what RegExp means, and no text makes one hold up the server. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { declareArguments } from "iscep";
import { compilePattern, PatternBudget } from "#iscep/commands/arguments/linear-pattern";
import { rounds } from "../support/rounds.js";

function matches(source: string, text: string): boolean {
  return compilePattern(source).matches(text, new PatternBudget());
}

const atoms = String.raw`a b é 🎮 - . [ab] [^a] [^] [] [\]a] () ^ $ \b \B \d \w \s \. \x61 \u{1F3AE} \ud83c\udfae \p{L} \P{L} \cJ`;
const atom = fc.constantFrom(...atoms.split(" "), "\n");
const anyPattern = fc
  .letrec<{ pattern: string }>((tie) => ({
    pattern: fc.oneof(
      { maxDepth: 4 },
      atom,
      fc.array(tie("pattern"), { maxLength: 4 }).map((parts) => parts.join("")),
      fc.array(tie("pattern"), { minLength: 1, maxLength: 3 }).map((parts) => parts.join("|")),
      fc
        .tuple(tie("pattern"), fc.constantFrom("*", "+", "?", "{0}", "{2}", "{0,2}", "{1,}", "*?", "+?", "{2,3}?"))
        .map(([part, times]) => `(${part})${times}`),
      fc
        .tuple(fc.constantFrom("?:", "?=", "?!", "?<=", "?<!", "?<name>"), tie("pattern"))
        .map(([kind, part]) => `(${kind}${part})`),
    ),
  }))
  .pattern.filter((source) => {
    try {
      // Names stand twice in some.
      return RegExp(source, "u").source !== "";
    } catch {
      return false;
    }
  });
const characters = ["a", "b", "c", "1", "-", "é", "\n", "\u00A0", "."];
const text = fc.string({ unit: fc.constantFrom(...characters, "🎮"), maxLength: 10 });
// V8 looks for a match in the middle of a surrogate pair too, which the standard has not (22.2.7.2, AdvanceStringIndex).
const textOfSingleUnits = fc.string({ unit: fc.constantFrom(...characters), maxLength: 10 });

test("any pattern matches the texts that RegExp matches, and no others", () => {
  fc.assert(
    fc.property(anyPattern, fc.array(text, { minLength: 5, maxLength: 5 }), (source, texts) => {
      const alone = new RegExp(`^(?:${source})$`, "u");
      expect(texts.map((each) => [each, matches(source, each)])).toEqual(texts.map((each) => [each, alone.test(each)]));
    }),
    { numRuns: rounds(500, 2_000, 20_000) },
  );
});

test("within a text it finds what RegExp finds", () => {
  fc.assert(
    fc.property(anyPattern, fc.array(textOfSingleUnits, { minLength: 5, maxLength: 5 }), (source, texts) => {
      const alone = new RegExp(source, "u");
      const pattern = compilePattern(source, false);
      expect(texts.map((each) => [each, pattern.matches(each, new PatternBudget())])).toEqual(
        texts.map((each) => [each, alone.test(each)]),
      );
    }),
    { numRuns: rounds(300, 1_000, 10_000) },
  );
});

describe("what people write, and matches:", () => {
  test.each([
    ["([a-z]{1,63}[.])+[a-z]{2,63}", "www.example.org", true],
    ["([a-z]{1,63}[.])+[a-z]{2,63}", "www..example.org", false],
    [String.raw`(?!.*\.\.)[a-z./]+(?<!/)`, "a/b.c", true],
    [String.raw`(?!.*\.\.)[a-z./]+(?<!/)`, "a/../c", false],
    [String.raw`(?!.*\.\.)[a-z./]+(?<!/)`, "a/b/", false],
    [String.raw`(?=.*\d)(?=.*[a-z]).{8,}`, "abcdefg1", true],
    [String.raw`(?=.*\d)(?=.*[a-z]).{8,}`, "abcdefgh", false],
    [String.raw`[A-Z]\w*(?:\s[A-Z]\w*)*`, "Two Words", true],
  ])("%s: %s, %s", (source, each, fits) => {
    expect(matches(source, each)).toBe(fits);
    expect(new RegExp(`^(?:${source})$`, "u").test(each)).toBe(fits);
  });
});

describe("what RegExp would need years for is told at once:", () => {
  test.each([
    ["(?:a+)+", "a".repeat(20_000)],
    ["(a+)+b|a+", "a".repeat(20_000)],
    ["(?:a|aa)+", "a".repeat(20_000)],
    ["(?:a?){40}a{40}", "a".repeat(60)],
    [".*a.*a.*a.*a.*a.*", "a".repeat(20_000)],
    ["(?=(?:a+)+b)a+|(?:a+)+", "a".repeat(20_000)],
  ])("%s", (source, fitting) => {
    // It would throw after too many steps.
    expect(matches(source, fitting)).toBe(true);
    expect(matches(source, `${fitting}\n`)).toBe(false);
  });
});

describe("what has no bound is refused where it is defined:", () => {
  test.each([
    [String.raw`(a|b)\1`, /refers back to a group/],
    [String.raw`(?<x>a)\k<x>`, /refers back to a group/],
    ["(?:a{1000}){1000}", /is too large/],
    ["(?:(?=a{9000})b|c){3000}", /is too large/],
    [`${"(".repeat(200)}a+${")".repeat(200)}`, /groups within groups/],
  ])("%s", (source, sentence) => {
    expect(() => compilePattern(source)).toThrow(sentence);
  });

  test("what consists of nothing may be repeated as often as one likes", () => {
    expect(matches("(?:(?:){999999999}){999999999}a*b*", "ab")).toBe(true);
  });
});

test("the texts of one call have one budget, and beyond it the call is refused as its caller's", () => {
  const schema = declareArguments({
    a: { type: "list", items: { type: "string", pattern: "(?:.{1,3000}x){3}" } },
  })["~standard"];
  // Some 9,000 steps for each character; one text alone is cheap enough.
  expect(schema.validate({ a: ["x".repeat(500)] })).toEqual({ value: { a: ["x".repeat(500)] } });
  expect(schema.validate({ a: Array.from({ length: 1_000 }, () => "x".repeat(500)) })).toMatchObject({
    issues: [{ path: ["a"], message: expect.stringMatching(/in 10000000 steps; fewer or shorter ones/) as string }],
  });
  expect(schema.validate({ a: ["axbxcx"] })).toEqual({ value: { a: ["axbxcx"] } });
});

test("an over-long text is refused before any pattern sees it", () => {
  const declared = declareArguments({ a: { type: "string", pattern: "(?:a+)+" } });
  expect(declared["~standard"].validate({ a: "a".repeat(70_000) })).toMatchObject({
    issues: [{ message: expect.stringContaining("65536 bytes") as string }],
  });
});

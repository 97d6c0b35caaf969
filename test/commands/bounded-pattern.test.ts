/** PITFALLS 1 (CVE-2026-67438): patterns match whole texts; and no text makes one hold up the server. */
import { describe, expect, test } from "vitest";
import { declareArguments } from "iscep";
import { boundedPattern, isLinear } from "#iscep/commands/arguments/bounded-pattern";

describe("a pattern of one repetition is compared directly, any other under a deadline:", () => {
  test.each([
    ["[a-z0-9_-]+", true],
    ["cat|dog", true],
    [String.raw`\d{4}-\d{2}-\d{2}`, true],
    [String.raw`[\]*+]+`, true],
    [String.raw`a\*\+\?b*`, true],
    [String.raw`\p{L}{1,20}`, true],
    ["(?:a|b)c", true],
    ["(a+)+", false],
    ["(?:a|a)*", false],
    ["(?:a|ab){1,50}", false],
    [".*x.*", false],
    ["a?a?aa", false],
    ["(?=a)b", false],
    [String.raw`(a)\1`, false],
    ["a{1,}b{1,}", false],
  ])("%s: %s", (pattern, linear) => {
    expect(isLinear(pattern)).toBe(linear);
  });
});

test.each(["(?:a+)+", "(?:a|aa)+", "(?:a?){40}a{40}"])(
  "%s says so, and ends, for a text that it would need years for",
  (pattern) => {
    const bounded = boundedPattern(`^(?:${pattern})$`, "u");
    const startedAtMs = performance.now();
    expect(() => bounded.test(`${"a".repeat(200)}!`)).toThrow(/took longer than 250 ms for a text of 201 characters/);
    expect(performance.now() - startedAtMs).toBeLessThan(5_000);
    expect(bounded.test("aaaa!")).toBe(false);
  },
);

test("what is compared under a deadline matches the same", () => {
  const pattern = declareArguments({ a: { type: "string", pattern: "[a-z]+(?:-[a-z]+)*" } });
  const fits = (a: string): boolean => !("issues" in (pattern["~standard"].validate({ a }) as object));
  expect(["a", "a-b", "abc-def-g"].map(fits)).toEqual([true, true, true]);
  expect(["", "-", "a-", "-a", "A", "x a-b", "a-b\n"].map(fits)).toEqual(Array.from({ length: 7 }, () => false));
});

test("an over-long text is refused before any pattern sees it", () => {
  const declared = declareArguments({ a: { type: "string", pattern: "(?:a+)+" } });
  const startedAtMs = performance.now();
  expect(declared["~standard"].validate({ a: `${"a".repeat(70_000)}!` })).toMatchObject({
    issues: [{ message: expect.stringContaining("65536 bytes") as string }],
  });
  expect(performance.now() - startedAtMs).toBeLessThan(200);
});

/** What a definition says is data, whatever it says: no value of it becomes code, and none stands in for another one. */
import type { StandardSchemaV1 } from "@standard-schema/spec";
import fc from "fast-check";
import { expect, test } from "vitest";
import { declareArguments, defineScript } from "iscep";

const odd = fc.oneof(
  fc.constantFrom(..."\"|'|`|\\|${1}|*/|\n|\u2028|//|</script>|'+process.exit()+'|__proto__|constructor".split("|")),
  fc.string({ unit: "grapheme", maxLength: 12 }).filter((text) => !/\p{Cs}/u.test(text)),
);
const oddTexts = fc.uniqueArray(odd, { minLength: 1, maxLength: 6 });

function fits(schema: StandardSchemaV1, args: object): boolean {
  return !("issues" in (schema["~standard"].validate(args) as object));
}

test("choices, defaults and descriptions of declared arguments are what they are", () => {
  fc.assert(
    fc.property(oddTexts, odd, odd, (choices, description, other) => {
      const [first = ""] = choices;
      const schema = declareArguments({
        one: { type: "enum", choices, description },
        two: { type: "enum", choices: [...choices, `${first}2`], default: first, description: other },
      });
      expect(schema["~standard"].validate({ one: first })).toEqual({ value: { one: first, two: first } });
      expect(fits(schema, { one: other })).toBe(choices.includes(other));
      expect(schema["~standard"].jsonSchema.input({ target: "draft-2020-12" })).toMatchObject({
        properties: { one: { enum: choices, description }, two: { default: first, description: other } },
      });
    }),
  );
});

function checkOf(result: Record<string, unknown>): (value: unknown) => boolean {
  const { checkResult } = defineScript({ name: "one", run: ["echo"], output: "json", result });
  return (value) => (checkResult?.(value) as { ok: boolean } | undefined)?.ok === true;
}

test("names, constants, choices, patterns and defaults of results are what they are", () => {
  fc.assert(
    fc.property(oddTexts, odd, odd, (texts, one, other) => {
      // ajv passes over a property of that name.
      const names = ["a", ...texts.filter((text) => text !== "__proto__" && text !== "a")];
      const properties = Object.fromEntries(names.map((name) => [name, { const: name, default: other, title: one }]));
      const escaped = one.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`);
      const check = checkOf({
        type: "object",
        description: other,
        properties: { own: { enum: [...names, one] }, like: { pattern: `^(?:${escaped})+$` }, all: { properties } },
      });
      const all = Object.fromEntries(names.map((name) => [name, name]));
      expect(check({ own: one, like: one + one, all })).toBe(true);
      expect(check({ own: other })).toBe(names.includes(other) || one === other);
      expect(check({ like: `${one}\u0000` })).toBe(false);
      expect(check({ all: { ...all, a: "x" } })).toBe(false);
    }),
    { numRuns: 40 },
  );
});

test("patterns of results are told apart, and are bounded as well", () => {
  const first = checkOf({ pattern: "^([ -~]+ ?)+$" });
  const second = checkOf({ pattern: "^[0-9]{4}-[0-9]+-[0-9]+$" });
  expect([first("x; y"), second("2026-01-31"), second("x; y")]).toEqual([true, true, false]);
  expect(checkOf({ pattern: "^(a+)+$" })("a".repeat(50_000))).toBe(true);
  expect(checkOf({ pattern: "^(a+)+$" })(`${"a".repeat(50_000)}!`)).toBe(false);
});

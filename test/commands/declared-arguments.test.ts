import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { declareArguments } from "iscep";

interface Declared {
  readonly "~standard": { validate(value: unknown): unknown };
}

function check(
  declared: Declared,
  value: unknown,
): { value?: unknown; issues?: { message: string; path?: unknown[] }[] } {
  return declared["~standard"].validate(value) as ReturnType<typeof check>;
}

function declare(declarations: unknown): Declared {
  return declareArguments(declarations as Parameters<typeof declareArguments>[0]);
}

describe("strings", () => {
  const text = declareArguments({ a: { type: "string" } });
  const lines = declareArguments({ a: { type: "string", multiline: true } });

  test.each<[string, string, boolean, boolean]>([
    ["text of any language", "grüße 世界 🎮", true, true],
    ["an empty one", "", true, true],
    ["a line feed", "a\nb", false, true],
    ["a tab", "a\tb", false, true],
    ["NUL", "a\0b", false, false],
    ["an escape", "\u001B[31m", false, false],
    ["a C1 control character", "\u0085", false, false],
    ["half a surrogate pair", "\uD83C", false, false],
    ["the halves in the wrong order", "\uDFAE\uD83C", false, false],
    ["64 KiB", "x".repeat(65_536), true, true],
    ["a byte more", "x".repeat(65_537), false, false],
    ["more than 64 KiB of UTF-8, in fewer characters", "界".repeat(22_000), false, false],
  ])("%s", (_, value, isText, isLines) => {
    expect(check(text, { a: value }).issues === undefined).toBe(isText);
    expect(check(lines, { a: value }).issues === undefined).toBe(isLines);
  });

  test("a pattern holds for the whole text, whatever alternatives and lines it has", () => {
    const either = declareArguments({ a: { type: "string", pattern: "cat|dog", multiline: true } });
    expect(check(either, { a: "dog" })).toEqual({ value: { a: "dog" } });
    for (const a of ["dogs", "a cat", "cat\n", "x\ndog"]) expect(check(either, { a }).issues).toHaveLength(1);
  });

  test("lengths count characters, not code units", () => {
    const short = declareArguments({ a: { type: "string", minLength: 2, maxLength: 2 } });
    expect(check(short, { a: "🎮🎮" }).issues).toBeUndefined();
    expect(check(short, { a: "🎮" }).issues).toHaveLength(1);
    expect(check(short, { a: "🎮🎮🎮" }).issues).toHaveLength(1);
  });
});

describe("formats", () => {
  const formats = {
    date: ["2026-02-28", "2026-02-30"],
    "date-time": ["2026-02-28T10:00:00Z", "2026-02-28"],
    time: ["10:00:00Z", "25:00:00Z"],
    duration: ["P1DT2H", "1 day"],
    email: ["a@example.org", "a@"],
    hostname: ["a.example.org", "-a"],
    ipv4: ["127.0.0.1", "256.0.0.1"],
    ipv6: ["::1", "::g"],
    uuid: ["0190163d-8694-739b-aea5-966c26f8ad91", "0190163d"],
  } as const;

  test.each(Object.entries(formats))("%s", (format, [right, wrong]) => {
    const declared = declare({ a: { type: "string", format } });
    expect(check(declared, { a: right }).issues).toBeUndefined();
    expect(check(declared, { a: wrong }).issues).toEqual([
      expect.objectContaining({ message: expect.stringContaining(format) as string }),
    ]);
  });

  test("uri is none of them: it lets file: and more through (PITFALLS 6, GHSA-45pc-w4ph-hrq4)", () => {
    expect(() => declare({ a: { type: "string", format: "uri" } })).toThrow(expect.objectContaining({ code: "usage" }));
  });
});

describe("numbers, choices and lists", () => {
  const all = declareArguments({
    whole: { type: "integer", minimum: -3, optional: true },
    ratio: { type: "number", maximum: 1, optional: true },
    flag: { type: "boolean", optional: true },
    mode: { type: "enum", choices: ["fast", "full"], optional: true },
    names: { type: "list", items: { type: "string", pattern: "[a-z]+" }, minItems: 1, maxItems: 2, optional: true },
  });

  test.each([
    { whole: -3 },
    { whole: 2 ** 53 - 1 },
    { ratio: -0.5 },
    { flag: false },
    { mode: "full" },
    { names: ["a"] },
    {},
  ])("%j fits", (args) => {
    expect(check(all, args)).toEqual({ value: args });
  });

  test.each<[Record<string, unknown>, unknown[], RegExp]>([
    [{ whole: -4 }, ["whole"], />= -3/],
    [{ whole: 2 ** 53 }, ["whole"], /<= 9007199254740991/],
    [{ whole: 1.5 }, ["whole"], /integer/],
    [{ whole: "1" }, ["whole"], /integer/],
    [{ ratio: 1.1 }, ["ratio"], /<= 1/],
    [{ ratio: Number.NaN }, ["ratio"], /number/],
    [{ ratio: -Infinity }, ["ratio"], /number/],
    [{ flag: "true" }, ["flag"], /boolean/],
    [{ flag: 0 }, ["flag"], /boolean/],
    [{ flag: null }, ["flag"], /boolean/],
    [{ mode: "slow" }, ["mode"], /one of "fast", "full"/],
    [{ mode: "toString" }, ["mode"], /one of "fast", "full"/],
    [{ names: [] }, ["names"], /at least 1/],
    [{ names: ["a", "b", "c"] }, ["names"], /at most 2/],
    [{ names: ["a", "B"] }, ["names", 1], /matches/],
    [{ names: "a" }, ["names"], /array/],
    [{ unknown: 1 }, ["unknown"], /no such argument/],
  ])("%j does not, and it is told which and why", (args, path, message) => {
    expect(check(all, args).issues).toEqual([
      expect.objectContaining({ path, message: expect.stringMatching(message) as string }),
    ]);
  });

  test("a list without maxItems has a bound all the same", () => {
    const open = declareArguments({ names: { type: "list", items: { type: "integer" } } });
    expect(check(open, { names: Array.from({ length: 1_000 }, () => 1) }).issues).toBeUndefined();
    expect(check(open, { names: Array.from({ length: 1_001 }, () => 1) }).issues).toHaveLength(1);
  });

  test.each([undefined, null, 5, "a", [], [1]])("%j is no object of arguments", (value) => {
    expect(check(all, value).issues).toHaveLength(1);
  });
});

describe("choices", () => {
  const declared = declareArguments({
    mode: { type: "enum", choices: ["fast", "-x"], optional: true },
    name: { type: "string", choices: ["a", "b"], pattern: "[ac]", optional: true },
    later: { type: "enum", choices: { from: "list_worlds" }, optional: true },
  });

  test.each<[Record<string, unknown>, boolean]>([
    [{ mode: "fast" }, true],
    [{ mode: "-x" }, true],
    [{ mode: "FAST" }, false],
    [{ name: "a" }, true],
    [{ name: "b" }, false],
    [{ name: "c" }, false],
    // Which values these are is only known at the call; any other rule holds before it.
    [{ later: "whatever" }, true],
    [{ later: "a\nb" }, false],
    [{ later: 5 }, false],
  ])("%j: %s", (args, fits) => {
    expect(check(declared, args).issues === undefined).toBe(fits);
  });

  test("those that are fixed are told", () => {
    expect(declared["~standard"].jsonSchema.input({ target: "draft-2020-12" })).toMatchObject({
      properties: { mode: { type: "string", enum: ["fast", "-x"] }, name: { type: "string", enum: ["a", "b"] } },
    });
  });
});

describe("defaults and absence", () => {
  const declared = declareArguments({
    world: { type: "string", default: "overworld" },
    tags: { type: "list", items: { type: "string" }, default: ["a"] },
    count: { type: "integer" },
    note: { type: "string", optional: true },
  });

  test("defaults are filled in, in an object of its own", () => {
    const given = Object.freeze({ count: 1 });
    expect(check(declared, given)).toEqual({ value: { world: "overworld", tags: ["a"], count: 1 } });
    expect(given).toEqual({ count: 1 });
  });

  test("a default list is not shared between calls", () => {
    const first = check(declared, { count: 1 }).value as { tags: string[] };
    first.tags.push("b");
    expect(check(declared, { count: 1 })).toMatchObject({ value: { tags: ["a"] } });
  });

  test("what is required and missing is told", () => {
    expect(check(declared, {}).issues).toEqual([expect.objectContaining({ path: ["count"] })]);
  });

  test("what a prototype has was not given", () => {
    const given: unknown = Object.create({ count: 1 });
    expect(check(declared, given).issues).toHaveLength(1);
  });

  test("a __proto__ among the arguments is unknown, and changes nothing", () => {
    expect(check(declared, JSON.parse('{"count":1,"__proto__":{"note":"x"}}')).issues).toHaveLength(1);
    expect(({} as { note?: string }).note).toBeUndefined();
  });
});

test("JSON Schema tells types, bounds, defaults and what is required", () => {
  const declared = declareArguments({
    world: { type: "string", pattern: "[a-z]+", default: "overworld", description: "which world" },
    mode: { type: "enum", choices: ["fast", "full"] },
    sizes: { type: "list", items: { type: "integer", minimum: 1 }, maxItems: 3, optional: true },
  });
  expect(declared["~standard"].jsonSchema.input({ target: "draft-2020-12" })).toMatchObject({
    type: "object",
    properties: {
      world: { type: "string", pattern: "^(?:[a-z]+)$", default: "overworld", description: "which world" },
      mode: { type: "string", enum: ["fast", "full"] },
      sizes: { type: "array", items: { type: "integer", minimum: 1 }, maxItems: 3 },
    },
    required: ["mode"],
    additionalProperties: false,
  });
});

test("whatever JSON comes, the check gives arguments that fit or issues, and changes nothing", () => {
  const declared = declareArguments({
    a: { type: "string", default: "x" },
    b: { type: "list", items: { type: "number" }, optional: true },
  });
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom("a", "b", "c", "__proto__", "toString"), fc.jsonValue()), (args) => {
      const before = structuredClone(args);
      const { value, issues } = check(declared, args);
      expect(args).toEqual(before);
      if (issues === undefined) expect(typeof (value as { a: unknown }).a).toBe("string");
      else expect(issues.length).toBeGreaterThan(0);
    }),
  );
});

describe("a wrong declaration is refused when it is made:", () => {
  test.each<[string, unknown, RegExp]>([
    ["no record", 5, /object of names/],
    ["a list", [], /object of names/],
    ["no declaration", { a: "string" }, /"a"/],
    ["no type", { a: {} }, /"a".*type/],
    ["an unknown type", { a: { type: "strin" } }, /did you mean "string"/],
    ["an unknown key", { a: { type: "string", patern: "x" } }, /did you mean "pattern"/],
    ["a key of another type", { a: { type: "boolean", minimum: 1 } }, /"minimum" does not belong to type boolean/],
    ["a pattern that refers back", { a: { type: "string", pattern: "(a|b)x\\1" } }, /"a".*refers back to a group/],
    ["a pattern of a million steps", { a: { type: "string", pattern: "(?:a{1000}){1000}" } }, /"a".*is too large/],
    ["optional that is no truth value", { a: { type: "string", optional: "no" } }, /`optional` must be true or false/],
    ["a broken pattern", { a: { type: "string", pattern: "(" } }, /"a".*regular expression/],
    ["a pattern that only a group would mend", { a: { type: "string", pattern: "a)|(b" } }, /regular expression/],
    ["an enum without choices", { a: { type: "enum" } }, /needs `choices`/],
    ["an enum with none", { a: { type: "enum", choices: [] } }, /needs `choices`/],
    [
      "an enum with values",
      { a: { type: "enum", values: ["a"] } },
      /"values" does not belong to type enum; did you mean "choices"/,
    ],
    ["an enum of numbers", { a: { type: "enum", choices: [1] } }, /quotes/],
    ["choices that are none", { a: { type: "string", choices: "a" } }, /`choices`/],
    ["choices without any", { a: { type: "string", choices: [] } }, /`choices`/],
    ["choices from no name", { a: { type: "enum", choices: { from: "rm -rf" } } }, /no name for a command/],
    ["choices from a command of our own", { a: { type: "enum", choices: { from: "iscep.list" } } }, /iscep's own/],
    ["choices from two places", { a: { type: "enum", choices: { from: "a", to: "b" } } }, /\{ from: COMMAND \}/],
    ["a default that is no choice", { a: { type: "string", choices: ["a"], default: "b" } }, /default does not fit/],
    ["allow without a list", { a: { type: "string", allow: "dash" } }, /`allow` must be a list of dash, control/],
    ["allow of something else", { a: { type: "string", allow: ["nul"] } }, /`allow` has no "nul"/],
    ["control characters in a number", { a: { type: "integer", allow: ["control"] } }, /`allow` has no "control"/],
    [
      "multiline that is no truth value",
      { a: { type: "string", multiline: "no" } },
      /`multiline` must be true or false/,
    ],
    ["an enum with a value twice", { a: { type: "enum", choices: ["x", "x"] } }, /twice/],
    ["a list of lists", { a: { type: "list", items: { type: "list", items: { type: "string" } } } }, /items/],
    ["bounds without anything between", { a: { type: "integer", minimum: 2, maximum: 1 } }, /larger/],
    ["a length below 0", { a: { type: "string", minLength: -1 } }, /minLength/],
    ["a default that does not fit", { a: { type: "integer", default: "5" } }, /default does not fit/],
    [
      "a default that the pattern refuses",
      { a: { type: "string", pattern: "[a-z]", default: "A" } },
      /default does not fit/,
    ],
    ["a default and optional", { a: { type: "string", default: "x", optional: true } }, /never absent/],
    ["a name with a brace", { "a}": { type: "string" } }, /name/],
    ["an empty name", { "": { type: "string" } }, /name/],
    ["__proto__ as a name", JSON.parse('{"__proto__":{"type":"string"}}'), /__proto__/],
    ["__proto__ in a program's text", { __proto__: { a: { type: "string" } } }, /__proto__/],
    ["constructor as a name", { constructor: { type: "string" } }, /constructor/],
  ])("%s", (_, declarations, message) => {
    expect(() => declare(declarations)).toThrow(
      expect.objectContaining({ code: "usage", message: expect.stringMatching(message) as string }),
    );
  });
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseArguments, separateOwnOptions } from "#iscep/cli/arguments/call-arguments";
import { isIscepError } from "#iscep/errors";
import { anyCharacter } from "../support/any-character.js";

const schema = {
  type: "object",
  additionalProperties: false,
  required: ["message"],
  properties: {
    message: { type: "string" },
    times: { type: "integer" },
    ratio: { type: "number" },
    dry_run: { type: "boolean" },
    keepOld: { type: "boolean" },
    tags: { type: "array", items: { type: "string" } },
    ports: { type: "array", items: { $ref: "#/$defs/port" } },
    filter: { type: "object" },
    level: { enum: ["low", 2, null] },
    either: { anyOf: [{ type: "integer" }, { type: "string" }] },
    count: { type: ["integer", "null"] },
    "no-cache": { type: "string" },
    anything: {},
    self: { $ref: "#/$defs/self" },
  },
  $defs: { port: { type: "integer" }, self: { anyOf: [{ $ref: "#/$defs/self" }] } },
};

function codeOf(words: readonly string[], given: object | undefined = schema): { code: string; message: string } {
  try {
    parseArguments(words, given as typeof schema);
  } catch (error) {
    if (isIscepError(error)) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("arguments with a schema", () => {
  test.each<[string, string[], Record<string, unknown>]>([
    ["a string stays a string", ["--message", "5"], { message: "5" }],
    ["after =, with more = and newlines", ["--message=a=b\nc"], { message: "a=b\nc" }],
    ["an empty string", ["--message", ""], { message: "" }],
    ["a negative number", ["--times", "-7", "--ratio", "-1.5e3"], { times: -7, ratio: -1500 }],
    ["a value that begins with --", ["--message=--times"], { message: "--times" }],
    ["flags", ["--dry-run", "--no-keep-old"], { dry_run: true, keepOld: false }],
    ["flags with their value", ["--dry_run", "false", "--keepOld=true"], { dry_run: false, keepOld: true }],
    ["a flag before another argument", ["--dry-run", "--message", "x"], { dry_run: true, message: "x" }],
    ["an argument whose name begins with no-", ["--no-cache", "x"], { "no-cache": "x" }],
    ["a list by repeating", ["--tags", "a", "--message", "m", "--tags", "b"], { tags: ["a", "b"], message: "m" }],
    ["a list of one", ["--tags", "a"], { tags: ["a"] }],
    ["a list as JSON", ["--tags", '["a","b"]'], { tags: ["a", "b"] }],
    ["the items of a list", ["--ports", "80", "--ports", "443"], { ports: [80, 443] }],
    ["an object", ["--filter", '{"a":{"b":1}}'], { filter: { a: { b: 1 } } }],
    ["an enum of several types", ["--level", "2"], { level: 2 }],
    ["an enum of several types: text", ["--level", "low"], { level: "low" }],
    ["where a string may stand, the text", ["--either", "12"], { either: "12" }],
    ["null", ["--count", "null"], { count: null }],
    ["what the schema leaves open", ["--anything", "12"], { anything: "12" }],
    ["behind --", ["--", "--message", "x"], { message: "x" }],
    ["a schema that refers to itself", ["--self", "x"], { self: "x" }],
  ])("%s", (_, words, args) => {
    expect(parseArguments(words, schema)).toEqual(args);
  });

  test.each<[string[], string, string]>([
    [["--times", "5x"], "invalid_arguments", 'argument "times" must be a whole number'],
    [["--times", "1.0"], "invalid_arguments", 'argument "times" must be a whole number'],
    [["--times", ""], "invalid_arguments", 'argument "times" must be a whole number'],
    [["--times", "0x10"], "invalid_arguments", 'argument "times" must be a whole number'],
    [["--times", "9007199254740993"], "invalid_arguments", "cannot be kept exactly"],
    [["--ratio", "NaN"], "invalid_arguments", "must be a number"],
    [["--dry-run=yes"], "invalid_arguments", "must be true or false"],
    [["--filter", "{"], "invalid_arguments", 'argument "filter" cannot be used'],
    [["--message", "a", "--message", "b"], "invalid_arguments", "is given twice"],
    [["--dry-run", "--dry-run=true"], "invalid_arguments", "is given twice"],
    [["--no-dry-run=true"], "invalid_arguments", "takes no value"],
    [["--mesage", "a"], "invalid_arguments", "did you mean --message?"],
    [["--unheard-of", "a"], "invalid_arguments", "it takes --message, --times"],
    [["--message"], "invalid_arguments", "needs a value"],
    [["--message", "--times", "1"], "invalid_arguments", "is written --message=VALUE"],
    [["hello"], "usage", '"hello" stands where an argument was expected'],
    [["--message", "a", "b"], "usage", '"b" stands where'],
  ])("%j is refused", (words, code, sentence) => {
    const refusal = codeOf(words);
    expect(refusal.code).toBe(code);
    expect(refusal.message).toContain(sentence);
  });

  test("two names that differ in form only must be written exactly", () => {
    const twins = { ...schema, properties: { a_b: { type: "string" }, "a-b": { type: "integer" }, aB: {} } };
    expect(parseArguments(["--a_b", "1", "--a-b", "1"], twins)).toEqual({ a_b: "1", "a-b": 1 });
    expect(codeOf(["--A-B", "1"], twins).code).toBe("invalid_arguments");
  });

  test("an argument called __proto__ is one like any other", () => {
    const args = parseArguments(["--__proto__", "x"], { type: "object", additionalProperties: true });
    expect(Object.entries(args)).toEqual([["__proto__", "x"]]);
    expect(Object.getPrototypeOf(args)).toBe(Object.prototype);
  });
});

describe("arguments without a schema", () => {
  test("are strings; a name without a value is true, and --no-NAME false", () => {
    const words = ["--count", "5", "--fast", "--no-color", "--no-limit", "x"];
    expect(parseArguments(words, undefined)).toEqual({ count: "5", fast: true, color: false, "no-limit": "x" });
  });
});

describe("any words", () => {
  const anyWord = fc.oneof(
    fc.string(),
    fc.constantFrom(
      "--",
      "-",
      "-x",
      "--message",
      "--times",
      "--dry-run",
      "--no-dry-run",
      "--tags",
      "5",
      "true",
      "=",
      "--=",
    ),
  );

  test("give arguments or an IscepError, and never anything else", () => {
    fc.assert(
      fc.property(fc.array(anyWord, { maxLength: 8 }), fc.constantFrom(schema, undefined), (words, given) => {
        try {
          parseArguments(words, given);
        } catch (error) {
          expect(isIscepError(error)).toBe(true);
        }
      }),
    );
  });

  test("every string arrives as it is behind =, and unless it begins with -- as a word of its own", () => {
    fc.assert(
      fc.property(fc.string({ unit: anyCharacter }), (text) => {
        expect(parseArguments([`--message=${text}`], schema)).toEqual({ message: text });
        if (!text.startsWith("--")) expect(parseArguments(["--message", text], schema)).toEqual({ message: text });
      }),
    );
  });
});

describe("options of iscep behind COMMAND", () => {
  const own = new Map([
    ["url", { takesValue: true }],
    ["json", { takesValue: false }],
  ]);

  test("are taken out, the last of each counts, and what stands behind -- is left", () => {
    const words = ["--a", "1", "--json", "--url", "x", "--url=y", "--", "--json"];
    const { own: taken, forCommand } = separateOwnOptions(words, own);
    expect([...taken]).toEqual([
      ["json", true],
      ["url", "y"],
    ]);
    expect(forCommand).toEqual(["--a", "1", "--", "--json"]);
  });

  test("need their value, and no other", () => {
    expect(() => separateOwnOptions(["--url"], own)).toThrow("--url needs a value");
    expect(() => separateOwnOptions(["--json=yes"], own)).toThrow("--json takes no value");
  });
});

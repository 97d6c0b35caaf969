import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { defaultLimits } from "#iscep/limits/limits";
import { encodeJson, parseJson } from "#iscep/wire/json";
import { anyCharacter } from "../support/any-character.js";

const parse = (text: string): unknown => parseJson(Buffer.from(text), defaultLimits);
const protocolError = (message: RegExp): unknown =>
  expect.objectContaining({ code: "protocol", message: expect.stringMatching(message) as unknown });

describe("reading JSON", () => {
  it.each([
    ["not UTF-8", Buffer.from("7bff7d", "hex"), /UTF-8/],
    ["UTF-16", Buffer.from('{"a":1}', "utf16le"), /UTF-8|JSON/],
    ["a byte order mark", Buffer.from("\ufeff{}"), /JSON/],
    ["an overlong sequence", Buffer.from("22c08022", "hex"), /UTF-8/],
    ["a cut sequence", Buffer.from("22e282", "hex"), /UTF-8/],
    ["nothing", Buffer.alloc(0), /JSON/],
    ["trailing data", Buffer.from("{} {}"), /JSON/],
    ["NaN", Buffer.from("NaN"), /JSON/],
    ["-Infinity", Buffer.from('{"response":-Infinity}'), /JSON/],
    ["1e400", Buffer.from("1e400"), /too large/],
    ["-1e400 among others", Buffer.from("[1,2,-1e400]"), /too large/],
    ["a huge number with a point", Buffer.from(`1${"0".repeat(400)}.5`), /too large/],
    ["2^53", Buffer.from("9007199254740992"), /integer/],
    ["-2^53", Buffer.from('{"a":[-9007199254740992]}'), /integer/],
    ["10^30", Buffer.from('{"response":1000000000000000000000000000000}'), /integer/],
    ["an integer of 5,000 digits", Buffer.from("9".repeat(5_000)), /integer|too large/],
  ])("refuses %s", (_name, bytes, message) => {
    expect(() => parseJson(bytes, defaultLimits)).toThrow(protocolError(message));
  });

  it.each([
    ["9007199254740991", 9007199254740991],
    ["-9007199254740991", -9007199254740991],
    ["1.0", 1],
    ["1e+16", 1e16],
    ["1e-400", 0],
    ["12345678901234567.5", 12345678901234568],
    ['"12345678901234567890"', "12345678901234567890"],
    ['"\\"12345678901234567890\\\\"', '"12345678901234567890\\'],
    ['{"12345678901234567890":1}', { "12345678901234567890": 1 }],
    ['{"a":1,"a":2}', { a: 2 }],
  ])("takes %s", (text, value) => {
    expect(parse(text)).toEqual(value);
  });

  it("takes 64 levels and refuses 65, whatever they are made of", () => {
    for (const [open, close] of [
      ["[", "]"],
      ['{"a":', "}"],
    ] as const) {
      const nested = (depth: number): string => open.repeat(depth) + "1" + close.repeat(depth);
      expect(() => parse(nested(64))).not.toThrow();
      expect(() => parse(nested(65))).toThrow(protocolError(/deeper than 64/));
      expect(() => parse(nested(100_000))).toThrow(protocolError(/deeper than 64/));
    }
    expect(() => parse(`["${"[".repeat(1000)}"]`)).not.toThrow();
  });

  it("bounds the number of keys", () => {
    const keys = (count: number): string => `{${Array.from({ length: count }, (_, index) => `"${index}":0`).join()}}`;
    expect(() => parse(keys(10_000))).not.toThrow();
    expect(() => parse(keys(10_001))).toThrow(protocolError(/keys/));
  });

  it("counts nothing that stands inside strings, and all that stands behind them, whatever their escapes", () => {
    // Long strings are searched in another way than short ones, from their 48th byte on.
    const piece = fc.constantFrom('"', "\\", "[", "{", "}", "]", ":", "9", "e", "ä", "\u0000", "x".repeat(47));
    const text = fc.array(piece, { maxLength: 80 }).map((pieces) => pieces.join(""));
    const nested = `${"[".repeat(65)}${"]".repeat(65)}`;
    fc.assert(
      fc.property(fc.array(text, { maxLength: 4 }), (texts) => {
        const strings = texts.map((each) => `${JSON.stringify(each)},`).join("");
        expect(parse(`[${strings}0]`)).toEqual([...texts, 0]);
        expect(() => parse(`[${strings}${nested}]`)).toThrow(protocolError(/deeper than 64/));
        expect(() => parse(`[${strings}1e400]`)).toThrow(protocolError(/too large/));
        expect(() => parse(`[${strings}9007199254740993]`)).toThrow(protocolError(/integer/));
      }),
      { numRuns: 1000 },
    );
  });

  it("keeps __proto__ an ordinary key", () => {
    const value = parse('{"__proto__":{"polluted":1},"constructor":2}');
    expect(Object.keys(value as object)).toEqual(["__proto__", "constructor"]);
    expect("polluted" in (value as object)).toBe(false);
  });

  it("says nothing of what stood there, as it may be a secret", () => {
    expect(() => parse('{"auth_token":"hunter2","x":oops}')).toThrow(protocolError(/^the content is not JSON$/));
  });
});

describe("writing JSON", () => {
  it("writes long texts as JSON.stringify does, whatever is in them and wherever", () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 5_000 }),
        fc.oneof(
          fc.string({ unit: anyCharacter, maxLength: 3 }),
          fc.constantFrom('"', "\\", "\u001f", "\u0020", "\u007f", "\u0080", "\n", "\ud800", "\u2028", "Ł", "😀"),
        ),
        fc.nat({ max: 5_000 }),
        (before, between, after) => {
          const value = { a: `${"x".repeat(before)}${between}${"~ ".repeat(after)}`, [between]: 1, 7: true, b: "" };
          expect(encodeJson(value, defaultLimits)).toBe(JSON.stringify(value));
        },
      ),
      { numRuns: 500 },
    );
  });

  it.each([
    ["NaN", { a: Number.NaN }, /\.a: NaN/],
    ["Infinity", [1, [Number.POSITIVE_INFINITY]], /\[1\]\[0\]: Infinity/],
    ["a BigInt", 1n, /bigint/],
    ["a function", { f: () => 1 }, /\.f: a function/],
    ["a symbol", [Symbol("s")], /\[0\]: a symbol/],
    ["a Map", { m: new Map() }, /\.m: a Map/],
    ["bytes", new Uint8Array(3), /Uint8Array/],
  ])("refuses %s, and says where", (_name, value, message) => {
    expect(() => encodeJson(value, defaultLimits)).toThrow(
      expect.objectContaining({ code: "invalid_arguments", message: expect.stringMatching(message) as unknown }),
    );
  });

  it("sees what a plain object hides: a toJSON of its own, a getter, a key too many", () => {
    expect(encodeJson({ a: 1, toJSON: () => "instead" }, defaultLimits)).toBe('"instead"');
    const getter = Object.defineProperty({}, "a", { enumerable: true, get: () => Number.NaN });
    expect(() => encodeJson(getter, defaultLimits)).toThrow(/\.a: NaN/);
    expect(() => encodeJson({ a: 1, b: 2 }, { ...defaultLimits, maxJsonKeys: 1 })).toThrow(/too many keys/);
    expect(() => encodeJson({ a: 1 }, { ...defaultLimits, maxJsonDepth: 0 })).toThrow(/too deep/);
    expect(encodeJson({ a: 2 ** 60 }, defaultLimits)).toBe('{"a":1152921504606847000.0}');
    expect(encodeJson({ a: null, b: undefined, c: 1.5 }, defaultLimits)).toBe('{"a":null,"c":1.5}');
  });

  it("refuses a value that holds itself", () => {
    const value: { self?: unknown } = {};
    value.self = value;
    expect(() => encodeJson(value, defaultLimits)).toThrow(expect.objectContaining({ code: "invalid_arguments" }));
  });

  it("takes what JSON.stringify takes without loss", () => {
    expect(encodeJson({ date: new Date(0), none: undefined, nil: null }, defaultLimits)).toBe(
      '{"date":"1970-01-01T00:00:00.000Z","nil":null}',
    );
    expect(encodeJson(undefined, defaultLimits)).toBeUndefined();
  });

  it("gives a double beyond 2^53 a point, so that nobody takes it for an exact integer", () => {
    expect(encodeJson([1e16, -(2 ** 53), { "12345678901234567890": 2 ** 64 }, 1e21, "1e16"], defaultLimits)).toBe(
      '[10000000000000000.0,-9007199254740992.0,{"12345678901234567890":18446744073709552000.0},1e+21,"1e16"]',
    );
    expect(parse("10000000000000000.0")).toBe(1e16);
  });

  it("and reading again give the same value", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 8 }), (value) => {
        expect(parse(encodeJson(value, defaultLimits) ?? "")).toEqual(JSON.parse(JSON.stringify(value)));
      }),
      { numRuns: 2000 },
    );
  });
});

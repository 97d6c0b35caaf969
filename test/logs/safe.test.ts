import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { describeArguments, describeError } from "#iscep/logs/describe";
import { jsonText, jsonTime, terminalText } from "#iscep/logs/safe";
import { inTime } from "../support/in-time.js";
import { canaryHex, canaryToken, forbidden, hasSecret, hostileText, numRuns } from "../support/hostile-text.js";

describe("a text in a log", () => {
  test("is JSON of one line without control or direction characters, and never longer than allowed", () => {
    fc.assert(
      fc.property(hostileText, fc.integer({ min: 0, max: 300 }), (text, maxBytes) => {
        const json = jsonText(text, maxBytes);
        expect(typeof JSON.parse(json)).toBe("string");
        const onTerminal = terminalText(text, maxBytes);
        for (const result of [json, onTerminal]) {
          expect(result.replaceAll("\ufffd", "")).not.toMatch(forbidden);
          expect(result).not.toContain("\n");
          expect(Buffer.from(result).toString()).toBe(result); // no half of a surrogate pair
          expect(hasSecret(result)).toBe(false);
          const withoutMark = result.replace(/…\[\+\d+\]("?)$/, "$1");
          expect(Buffer.byteLength(withoutMark)).toBeLessThanOrEqual(maxBytes + 2);
        }
      }),
      { numRuns },
    );
  });

  test("comes back as it was when nothing in it is dangerous, long or secret", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 60 }), (text) => {
        expect(JSON.parse(jsonText(text, 2048))).toBe(text);
      }),
    );
  });

  test("shows each character that steers as its escape", () => {
    expect(jsonText("a\u001bb\u0085c\u007fd\u2028e\u202ef\ud800g\u0000", 100)).toBe(
      String.raw`"a\u001bb\u0085c\u007fd\u2028e\u202ef\ud800g\u0000"`,
    );
    expect(jsonText('one\ntwo\t"\\', 100)).toBe(String.raw`"one\ntwo\t\"\\"`);
    expect(terminalText('\u001b[31m"x"\n', 100)).toBe(String.raw`\u001b[31m"x"\n`);
  });

  test("is cut between characters, with a mark that says how much is missing", () => {
    expect(jsonText("abcdef", 4)).toBe('"abcd…[+2]"');
    expect(jsonText("ab😀cd", 5)).toBe('"ab…[+4]"');
    expect(jsonText("ab\ncd", 3)).toBe('"ab…[+3]"');
    expect(jsonText("x".repeat(5_000_000), 10)).toBe(`"${"x".repeat(10)}…[+4999990]"`);
  });

  test("keeps the id of a token and nothing else of it", () => {
    expect(terminalText(`iscep://me:${canaryToken}@host`, 2048)).toBe("iscep://me:isct_A1b2C3d4E5f6_…@host");
    expect(terminalText(`x${canaryHex}00 y`, 2048)).toBe("x[token] y");
    expect(terminalText(`${canaryToken}${canaryToken}`, 2048)).not.toContain("CANARY");
  });

  test("hides a token wherever the cut falls in it", () => {
    for (const token of [canaryToken, canaryHex, canaryToken.repeat(20), `${canaryHex} `.repeat(5)]) {
      for (let before = 0; before < 700; before += 7) {
        for (const maxBytes of [0, 10, 100, 300]) {
          const shown = terminalText(`${" ".repeat(before)}${token} rest`, maxBytes);
          expect(shown).not.toContain("CANARY");
          expect(shown).not.toContain("c0ffee");
        }
      }
    }
  });

  test("costs no more than its limit, however long and however near to a token it is", async () => {
    const text = `${canaryHex.slice(0, 511)} `.repeat(20_000);
    const shown = await inTime(2_000, async () => terminalText(text, 64 * 1024));
    expect(shown.length).toBeLessThan(65 * 1024);
  });

  test("may be no text at all without a throw", () => {
    for (const value of [undefined, 1, {}, Symbol("x")]) expect(jsonText(value, 10)).toBe(`"[${typeof value}]"`);
    expect(jsonTime(Number.NaN)).toBe("null");
    expect(jsonTime(1e300)).toBe("null");
  });
});

describe("arguments in a log", () => {
  test("are told by name, type and length, never by value", () => {
    const args = { world: "alpha", n: 3, on: true, none: null, list: [1, 2], map: { a: 1 }, raw: Buffer.from("abc") };
    expect(JSON.parse(describeArguments(args, 32, 2048).json)).toEqual({
      world: "string(5)",
      n: "number",
      on: "boolean",
      none: "null",
      list: "array(2)",
      map: "object(1)",
      raw: "bytes(3)",
    });
  });

  test("are bounded in number and in size, and the rest is counted", () => {
    const many = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`name${index}`, index]));
    expect(describeArguments(many, 32, 2048).omitted).toBe(968);
    expect(Object.keys(JSON.parse(describeArguments(many, 32, 2048).json))).toHaveLength(32);
    const long = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`${"ü".repeat(500)}${index}`, index]));
    const described = describeArguments(long, 32, 2048);
    expect(Buffer.byteLength(described.json)).toBeLessThanOrEqual(2048 + 2);
    expect(Object.keys(JSON.parse(described.json)).length + described.omitted).toBe(20);
  });

  test("that cannot be read do not throw", () => {
    const hostile = {
      get trap(): string {
        throw new Error("no");
      },
    };
    expect(describeArguments(hostile, 32, 2048)).toEqual({ json: "{}", omitted: 1 });
    expect(describeArguments("text", 32, 2048)).toEqual({ json: "{}", omitted: 0 });
  });
});

describe("an error in a log", () => {
  test("has its stack, code and causes", () => {
    const error = new Error("outer", { cause: Object.assign(new Error("inner"), { code: "ENOENT" }) });
    const described = JSON.parse(describeError(error, 5, 2048)) as Record<string, unknown>;
    expect(described).toMatchObject({ name: "Error", message: "outer", cause: { message: "inner", code: "ENOENT" } });
    expect(described["stack"]).toContain("safe.test.ts");
  });

  test("is bounded when its causes go round in a circle, and when it has thousands of parts", () => {
    const circle = new Error("round");
    circle.cause = circle;
    expect(describeError(circle, 5, 2048).match(/"message"/g)).toHaveLength(5);
    const parts = new AggregateError(Array.from({ length: 1000 }, () => new AggregateError([circle, circle])));
    expect(describeError(parts, 5, 2048).match(/"message"/g)).toHaveLength(5);
    const long = new Error("x".repeat(1_000_000));
    expect(describeError(long, 5, 100).length).toBeLessThan(1000);
  });

  test("that is no error, or one with traps, is told without a throw", () => {
    expect(describeError("a text", 5, 2048)).toBe('"a text"');
    expect(describeError({ password: "x" }, 5, 2048)).toBe('"[object]"');
    const trap = new Error("x");
    Object.defineProperty(trap, "stack", {
      get() {
        throw new Error("no");
      },
    });
    Object.defineProperty(trap, "message", { value: { odd: true } });
    expect(JSON.parse(describeError(trap, 5, 2048))).toEqual({
      name: "Error",
      message: "[object]",
      stack: "[unreadable]",
    });
  });
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nearName } from "#iscep/text/near-name";
import { durationMs, wholeNumber } from "#iscep/cli/arguments/option-values";
import { isScriptResult } from "#iscep/model/script-result";
import { visibleLine, visibleText } from "#iscep/text/visible-text";
import { anyCharacter } from "../support/any-character.js";

// PITFALLS C17 (CWE-150, GHSA-xwfj-jgwm-7wp5): what a server sends steers no terminal.
describe("what a terminal is shown", () => {
  test.each([
    ["\x1b]0;title\x07", "\\x1b]0;title\\x07"],
    ["a\rb", "a\\x0db"],
    ["\x9b31m", "\\x9b31m"],
    ["abc\u202edef\u2066", "abc\\u202edef\\u2066"],
    ["lines\r\nand\ttabs\n", "lines\nand\ttabs\n"],
    ["é 中 😀", "é 中 😀"],
  ])("%j becomes %j", (text, shown) => {
    expect(visibleText(text)).toBe(shown);
  });

  test("nothing that steers is left of any text", () => {
    fc.assert(
      fc.property(fc.string({ unit: anyCharacter }), (text) => {
        expect(visibleText(text)).not.toMatch(/(?![\n\t])[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u);
        expect(visibleLine(text)).not.toMatch(/[\n\t]/);
      }),
    );
  });
});

describe("did you mean", () => {
  test.each([
    ["backup_wrold", "backup_world"],
    ["Backup_World", "backup_world"],
    ["gret", "greet"],
    ["xyz", undefined],
    ["ls", undefined],
  ])("%s: %s", (given, name) => {
    expect(nearName(given, ["greet", "backup_world", "x".repeat(100_000)])).toBe(name);
  });
});

describe("values of options", () => {
  test.each([
    ["500ms", 500],
    ["30", 30_000],
    ["1.5", 1_500],
    ["30s", 30_000],
    ["10m", 600_000],
    ["2h", 7_200_000],
    ["90d", 7_776_000_000],
  ])("the duration %s is %i ms", (text, expected) => {
    expect(durationMs(text)).toBe(expected);
  });

  test.each(["", "0", "-1", "s", "1 s", "1w", "1e3", "Infinity", "0.0001ms"])("%j is no duration", (text) => {
    expect(() => durationMs(text)).toThrow("must be a number above 0 and a unit");
  });

  test("whole numbers keep to their range", () => {
    expect(wholeNumber(0, 65_535)("0")).toBe(0);
    for (const text of ["-1", "65536", "1.5", "", " 1", "1e3", "0x1"]) {
      expect(() => wholeNumber(0, 65_535)(text)).toThrow("whole number from 0 to 65535");
    }
  });
});

describe("the result of a script", () => {
  const result = { exitCode: 3, signal: null, stdout: "", stderr: "", truncated: false, durationMs: 1 };

  test("is known by exactly its keys and their types", () => {
    expect(isScriptResult(result)).toBe(true);
    expect(isScriptResult({ ...result, exitCode: null, signal: "SIGKILL" })).toBe(true);
    for (const other of [
      { ...result, more: 1 },
      { ...result, stdout: 1 },
      { ...result, exitCode: "0" },
      [result],
      null,
      "text",
    ]) {
      expect(isScriptResult(other)).toBe(false);
    }
    const { truncated: _truncated, ...less } = result;
    expect(isScriptResult(less)).toBe(false);
  });
});

/** PITFALLS C17 (CWE-150): what a command prints must not steer the terminal of its reader. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { allowedControls, allowedSequences, TerminalStyle, TerminalText } from "#iscep/text/terminal-text";
import { visibleText } from "#iscep/text/visible-text";
import { anyCharacter } from "../support/any-character.js";

function shown(pieces: readonly Uint8Array[], { isPlain = false, style = new TerminalStyle() } = {}): string {
  const text = new TerminalText({ style, isPlain });
  return pieces.map((piece) => text.push(piece)).join("") + text.end();
}

const shownWhole = (text: string, options?: Parameters<typeof shown>[1]): string => shown([Buffer.from(text)], options);

/** What is left of a text when all that is allowed is taken out. */
function withoutAllowed(text: string): string {
  const sequences = allowedSequences.map(({ pattern }) => new RegExp(pattern.source, "g"));
  const left = sequences.reduce((rest, pattern) => rest.replaceAll(pattern, ""), text);
  return [...left].filter((character) => !allowedControls.includes(character)).join("");
}

const fragments = [
  "\u001b",
  "\u001b[",
  "\u001b[3",
  "1m",
  ";",
  "m",
  "K",
  "\u001b(B",
  "\u001b[2K",
  "\u001b[1;31m",
  "\u001b[0m",
  "\u001b[m",

  "\r",
  "\n",
  "\b",
  "\t",
  "\u0007",
  "\u009b31m",
  "\u001b]0;title\u0007",
  "\u001bP+q\u001b\\",
  "\u001b[6n",
  "\u001b[?1049h",

  "\u001b[2J",
  "\u001b[A",
  "\u001bc",
  "\u001b[>4;1m",
  "\u001b]52;c;AAAA\u0007",
  "\u202e",
  "\u2028",
  "é",
  "中",
  "😀",
  "50%",
];
const output = fc.oneof(
  fc.array(fc.constantFrom(...fragments), { maxLength: 30 }).map((parts) => Buffer.from(parts.join(""))),
  fc.string({ unit: anyCharacter }).map((text) => Buffer.from(text)),
  fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
);

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...places.map((place) => Math.min(place, bytes.length)).sort((a, b) => a - b), bytes.length];
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}

const places = fc.array(fc.nat(80), { maxLength: 12 });

describe("output on a terminal", () => {
  test("has nothing in it but text and what the table allows", () => {
    fc.assert(
      fc.property(output, places, fc.boolean(), (bytes, where, isPlain) => {
        const left = withoutAllowed(shown(cut(bytes, where), { isPlain }));
        expect(visibleText(left)).toBe(left);
      }),
    );
  });

  test("is shown as the whole would be, wherever it is cut", () => {
    fc.assert(
      fc.property(output, places, fc.boolean(), (bytes, where, isPlain) => {
        expect(shown(cut(bytes, where), { isPlain })).toBe(shown([bytes], { isPlain }));
      }),
    );
  });

  test.each([
    ["colours", "\u001b[1;31mred\u001b[0m \u001b[38:2::1:2:3mtrue\u001b[m"],
    ["a progress bar", "\r 10%\r 50%\r\u001b[K100%\r\n"],
    ["backspace and tab", "a\b\bb\tc"],
    ["tput sgr0", "\u001b(B\u001b[m"],
  ])("%s: as it is", (_, text) => {
    expect(shownWhole(text)).toBe(text);
  });

  test.each([
    ["a title", "\u001b]0;title\u0007", "\\x1b]0;title\\x07"],
    ["the clipboard", "\u001b]52;c;AAAA\u001b\\", "\\x1b]52;c;AAAA\\x1b\\"],
    ["a device control string", "\u001bP+q\u001b\\", "\\x1bP+q\\x1b\\"],
    ["a question that the terminal would answer", "\u001b[6n", "\\x1b[6n"],
    ["the alternate screen", "\u001b[?1049h", "\\x1b[?1049h"],
    ["erase in display", "\u001b[2J", "\\x1b[2J"],
    ["the cursor in another line", "\u001b[5A", "\\x1b[5A"],
    ["another prefix in front of the parameters", "\u001b[>4;1m", "\\x1b[>4;1m"],
    ["a C1 control", "\u009b31m", "\\x9b31m"],
    ["reversed text", "\u202egnp.exe", "\\u202egnp.exe"],
    ["a bell", "\u0007", "\\x07"],
    ["an escape at the very end", "50%\u001b", "50%\\x1b"],
    ["a sequence that never ends", `\u001b[${"1;".repeat(200)}m`, `\\x1b[${"1;".repeat(200)}m`],
  ])("%s: visible text", (_, text, expected) => {
    expect(shownWhole(text)).toBe(expected);
  });

  test("a terminal without colours gets neither these nor their bytes as text", () => {
    expect(shownWhole("\u001b[31mred\u001b[0m\r\u001b[K50%\u001b]0;t\u0007", { isPlain: true })).toBe(
      "red\r50%\\x1b]0;t\\x07",
    );
  });
});

describe("the style in force", () => {
  const styleAfter = (text: string): TerminalStyle => {
    const style = new TerminalStyle();
    shownWhole(text, { style });
    return style;
  };

  test("is what came since the last reset", () => {
    expect(styleAfter("\u001b[31mred \u001b[1mbold").sequences).toBe("\u001b[31m\u001b[1m");
    expect(styleAfter("\u001b[31m\u001b[0;1mbold").sequences).toBe("\u001b[0;1m");
    expect(styleAfter("\u001b[31m\u001b[;1mbold").sequences).toBe("\u001b[;1m");
  });

  test.each(["\u001b[0m", "\u001b[m", "\u001b[00m", "\u001b[0;0m", "\u001b(B\u001b[m"])("is none after %j", (end) => {
    expect(styleAfter(`\u001b[31mred${end}`).sequences).toBe("");
    expect(styleAfter(`\u001b[31mred${end}`).reset).toBe("");
  });

  test("is bounded, whatever a command prints", () => {
    expect(styleAfter("\u001b[1;31;42m".repeat(10_000)).sequences.length).toBeLessThan(1_000);
  });
});

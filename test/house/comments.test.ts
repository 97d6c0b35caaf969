/** Comments are sentences that a person understands who learned English elsewhere (CONTRIBUTING.md, "Words"). */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

const folders = ["src", "console", "scripts", "bench", "stress", "test", "examples"];
const files = execFileSync("git", ["ls-files", ...folders], { encoding: "utf8" })
  .split("\n")
  .filter((file) => /\.(?:tsx?|m?js)$/.test(file) && existsSync(file));

/** Each comment as one line of text, with the place where it begins. */
function commentsIn(file: string, source: string): { place: string; text: string }[] {
  const blocks = [
    ...source.matchAll(/^[ \t]*\/\*\*?([^]*?)\*\//gm),
    ...source.matchAll(/^[ \t]*\/\/((?:.*)(?:\n[ \t]*\/\/.*)*)/gm),
  ];
  return blocks.map(({ 0: whole, 1: inside = "", index }) => ({
    place: `${file}:${source.slice(0, index + whole.search(/\S/)).split("\n").length}`,
    text: inside.replaceAll(/\s*\n[ \t]*(?:\/\/|\*)?\s*/g, " ").trim(),
  }));
}

describe("the comments", () => {
  const comments = files.flatMap((file) => commentsIn(file, readFileSync(file, "utf8")));

  test("are found", () => {
    expect(comments.length).toBeGreaterThan(1_000);
    const source = "/** One. */\nlet a;\n  /**\n   * Two\n   * lines.\n   */\n  // And\n  // three.\n";
    expect(commentsIn("a.ts", source)).toEqual([
      { place: "a.ts:1", text: "One." },
      { place: "a.ts:3", text: "Two lines." },
      { place: "a.ts:7", text: "And three." },
    ]);
  });

  test.each<[rule: string, wrong: RegExp, example: string]>([
    ['begin with the subject, and not with "Of"', /^Of\b/, "Of the first page."],
    ['say "they", "a caller" or "a client", and not whoever or whom', /\b(?:whoever|whom)\b/i, "Whoever comes joins."],
    ['say "they", and not he', /\b(?:he|him|his)\b/i, "It comes as he reads on."],
    ['say "must", and not shall', /\bshall\b/i, "It shall end."],
    ["have a verb", /^(?:By|For|In|On|To|Until|With|Without)(?: [\w`-]+){1,4}\.$/, "For the log."],
  ])("%s", (_rule, wrong, example) => {
    expect(wrong.test(example)).toBe(true);
    expect(comments.filter(({ text }) => wrong.test(text)).map(({ place, text }) => `${place}: ${text}`)).toEqual([]);
  });
});

/** Comments of the sources are sentences that a person understands who learned English elsewhere (CONTRIBUTING.md, "Words"). */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

const files = execFileSync("git", ["ls-files", "src", "scripts", "bench", "stress"], { encoding: "utf8" })
  .split("\n")
  .filter((file) => /\.(?:ts|mjs)$/.test(file) && existsSync(file));

/** Each comment as one line of text, with the place where it begins. */
function commentsIn(file: string): { place: string; text: string }[] {
  const source = readFileSync(file, "utf8");
  const blocks = [
    ...source.matchAll(/^[ \t]*\/\*\*?([^]*?)\*\//gm),
    ...source.matchAll(/^[ \t]*\/\/((?:.*)(?:\n[ \t]*\/\/.*)*)/gm),
  ];
  return blocks.map(({ 0: whole, 1: inside = "", index }) => ({
    place: `${file}:${source.slice(0, index + whole.search(/\S/)).split("\n").length}`,
    text: inside.replaceAll(/\n[ \t]*(?:\/\/|\*)?/g, " ").trim(),
  }));
}

describe("the comments of the sources", () => {
  const comments = files.flatMap(commentsIn);

  test("are found", () => {
    expect(comments.length).toBeGreaterThan(1_000);
    const example = comments.find(({ place }) => place === "src/text/utf8.ts:3");
    expect(example?.text).toMatch(/^Decodes text from outside, .* U\+FFFD$/);
  });

  test.each([
    ['begin with the subject, and not with "Of"', /^Of\b/],
    ['say "they", "a caller" or "a client", and not whoever or whom', /\b(?:whoever|whom)\b/i],
    ['say "must", and not shall', /\bshall\b/],
  ])("%s", (_rule, wrong) => {
    expect(comments.filter(({ text }) => wrong.test(text)).map(({ place, text }) => `${place}: ${text}`)).toEqual([]);
  });
});

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";

/** Documents are read by heading, data is written by programs, and pictures have no lines. Everything else is code. */
const kindsOfNoCode = [".md", ".json", ".png", ".svg"];

const code = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { encoding: "utf8" })
  .split("\0")
  .filter((file) => file !== "" && existsSync(file) && !kindsOfNoCode.includes(path.extname(file)));

/** Its first line says from what it was made. */
function isGenerated(file: string): boolean {
  return /^\/\/ Made from \S+ by \S+/.test(readFileSync(file, "utf8"));
}

function longerThan(lines: number, files: readonly string[]): string[] {
  return files
    .map((file) => ({ file, lines: readFileSync(file, "utf8").split("\n").length - 1 }))
    .filter((found) => found.lines > lines)
    .map((found) => `${found.file}: ${found.lines} lines`);
}

test("no file of code holds more than 350 lines, wherever in the repository it is, and no test more than 400", () => {
  const tests = code.filter((file) => file.startsWith("test/") && !isGenerated(file));
  const others = code.filter((file) => !file.startsWith("test/"));
  expect(others.length).toBeGreaterThan(700);
  expect(longerThan(300, others)).not.toEqual([]);
  expect(longerThan(350, others)).toEqual([]);
  expect(longerThan(400, tests)).toEqual([]);
});

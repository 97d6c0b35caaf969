// @ts-check
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { runTests } from "../support/tests.mjs";

export const number = 36;
export const promise = "what tests show for some inputs and moments holds for many";
export const promised =
  "every test that asks how often to repeat itself (test/support/rounds.ts), with as many rounds as find what is rare: all pass";

/** @param {import("../run.mjs").Effort} effort */
export function run({ isLong }) {
  const tests = path.join(import.meta.dirname, "../../test");
  const files = readdirSync(tests, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".test.ts"))
    .map((file) => path.join("test", file))
    .filter((file) => /support\/(?:rounds|hostile-text)\.js"/.test(readFileSync(path.join(tests, "..", file), "utf8")));
  return runTests(files, isLong ? "long" : "short");
}

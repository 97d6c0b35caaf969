import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { faults } from "../support/fault-rows.js";

const names = Object.values(faults).flat();
const folder = import.meta.dirname;
const sources = readdirSync(folder)
  .filter((file) => file.endsWith(".test.ts"))
  .map((file) => readFileSync(path.join(folder, file), "utf8"));

const tested = sources.flatMap((text) => [...text.matchAll(/\btest\(\s*"([^"]+)"/g)].map((match) => match[1]));

test("every fault is counted once", () => {
  expect(names).toHaveLength(81);
  expect(new Set(names).size).toBe(81);
});

test.each(names)("there is a test of: %s", (name) => {
  expect(tested.filter((found) => found === name)).toHaveLength(1);
});

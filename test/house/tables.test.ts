import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";

test("the documentation's tables of errors and limits say what the code says", () => {
  const run = spawnSync(process.execPath, ["scripts/tables.mjs", "--check"], { encoding: "utf8" });
  expect(run.stderr).toBe("");
  expect(run.status).toBe(0);
});

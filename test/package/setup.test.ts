/** The way of a new user: a clone of what HEAD holds, and nothing installed. */
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, expect, test } from "vitest";
import { run, tryRun } from "../support/package-programs.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const clone = path.join(temporaryFolder(), "iscep");
const setUp = (): ReturnType<typeof tryRun> => tryRun(clone, process.execPath, "scripts/setup.mjs");

beforeAll(() => {
  run(process.cwd(), "git", "clone", "--quiet", "--no-hardlinks", process.cwd(), clone);
});

test("the first set-up installs and builds, the second does not install again", () => {
  const first = setUp();
  expect(first.stderr).toBe("");
  expect(first.stdout).toContain("installing dependencies");
  expect(first.stdout).toMatch(/built dist\/ in/);
  expect(first.status).toBe(0);

  const second = setUp();
  expect(second.stdout).toMatch(/^setup: dependencies are installed\nsetup: built dist\/ in [\d.]+ s\n$/);
  expect(second.status).toBe(0);
});

test("what was deleted from dist/ is built again, and what has no source any more is swept", () => {
  rmSync(path.join(clone, "dist/errors.js"));
  writeFileSync(path.join(clone, "dist/gone.js"), "");
  expect(setUp().status).toBe(0);
  expect(readdirSync(path.join(clone, "dist"))).toContain("errors.js");
  expect(readdirSync(path.join(clone, "dist"))).not.toContain("gone.js");
});

test("an install that fails says why and stops", () => {
  writeFileSync(path.join(clone, "package-lock.json"), "{}");
  const failed = setUp();
  expect(failed.stderr).toContain("setup: npm ci failed");
  expect(failed.stderr).toMatch(/npm error/);
  expect(failed.status).toBe(1);
});

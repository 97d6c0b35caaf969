/** Ends of runs that the disk did not take. */
import { mkdirSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { RunEnds } from "#iscep/journal/run-ends";
import { resolveLimits } from "#iscep/limits/limits";
import { temporaryFolder } from "../support/temporary-folder.js";

test("a run that is removed while ends are written again does not come back", () => {
  const folder = path.join(temporaryFolder(), "runs");
  const wrote: string[] = [];
  const ends = new RunEnds({
    limits: resolveLimits(),
    path: (run) => path.join(folder, run),
    wrote: (run) => {
      wrote.push(run);
      ends.forget("two");
    },
    onProblem: () => {},
  });
  for (const run of ["one", "two", "three"]) ends.write(run, `the end of ${run}\n`);
  expect(wrote).toEqual([]);
  mkdirSync(folder);
  ends.writeAgain();
  expect(wrote).toEqual(["one", "three"]);
  expect(readdirSync(folder).sort()).toEqual(["one", "three"]);
  expect(readFileSync(path.join(folder, "three"), "utf8")).toBe("\nthe end of three\n");
  ends.writeAgain();
  expect(wrote).toHaveLength(2);
});

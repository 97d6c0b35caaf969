/** Ends of runs that the disk did not take. */
import { spawnSync } from "node:child_process";
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

/** A limit on the length of files does what a full disk does: a part of a write is taken, and then nothing. */
const program = `
  import { spawnSync } from "node:child_process";
  import { existsSync, readFileSync } from "node:fs";
  import { RunEnds } from "#iscep/journal/run-ends";
  import { readRunFile, readValue, writeStart } from "#iscep/journal/run-file";
  import { endLines } from "#iscep/journal/stored-outcome";
  import { resolveLimits } from "#iscep/limits/limits";
  import { JsonText } from "#iscep/wire/json-text";

  const [folder] = process.argv.slice(1);
  const limits = resolveLimits();
  const path = (run) => folder + "/" + run;
  const said = { problems: 0 };
  const ends = new RunEnds({ limits, path, wrote: () => undefined, onProblem: () => said.problems++ });
  const start = { run: "one", command: "speak", owner: "alice", tokenId: null, source: "", startedAtMs: 1, server: "" };
  writeStart(path("one"), start);
  const before = readFileSync(path("one"), "utf8");
  ends.write("one", endLines({ status: "completed", value: JsonText.of("x".repeat(50_000), limits) }, 2, 3, limits).text);
  ends.writeAgain();
  said.isUnchanged = readFileSync(path("one"), "utf8") === before;
  try { writeStart(path("two"), { ...start, source: "x".repeat(50_000) }); } catch (error) { said.start = error.code; }
  said.isThere = existsSync(path("two"));
  spawnSync("prlimit", ["--pid", String(process.pid), "--fsize=unlimited"]);
  ends.writeAgain();
  said.lines = readFileSync(path("one"), "utf8").split("\\n").filter((line) => line !== "").length;
  said.end = readRunFile(path("one")).end.status;
  said.value = readValue(path("one"), limits).text.length;
  console.log(JSON.stringify(said));
`;

test.skipIf(process.platform !== "linux")("a disk that takes only a part keeps nothing of it", () => {
  const { stdout, stderr } = spawnSync(
    "sh",
    ["-c", 'ulimit -S -f 32; exec "$0" --input-type=module -e "$1" "$2"', process.execPath, program, temporaryFolder()],
    { encoding: "utf8" },
  );
  expect(stderr).toBe("");
  expect(JSON.parse(stdout)).toEqual({
    problems: 2,
    isUnchanged: true,
    start: "EFBIG",
    isThere: false,
    lines: 3,
    end: "completed",
    value: 50_002,
  });
});

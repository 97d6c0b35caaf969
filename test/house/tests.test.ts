/** Rules for the tests themselves, and for what lets them run quickly. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";

/** Only files of the repository: other tests, which run meanwhile, make some in it and remove them again. */
function textsOf(folder: string): (readonly [file: string, text: string])[] {
  return execFileSync("git", ["ls-files", folder], { encoding: "utf8" })
    .split("\n")
    .filter((file) => file.endsWith(".ts") && existsSync(file))
    .map((file) => [file, readFileSync(file, "utf8")]);
}

const testFiles = textsOf("test").filter(([file]) => !file.startsWith("test/support/"));
const support = textsOf("test/support");

/** What a folder of tests may have for itself: programs that it starts, modules that it serves, types that it compiles. */
const ownFolders = /^\.\/(?:programs|modules)\//;
const outside = /^(?:\.\.\/)+(?:examples|stress|scripts|console)\//;

test("what tests share is in test/support", () => {
  expect(testFiles.length).toBeGreaterThan(100);
  const strays = testFiles
    .filter(([file]) => file.endsWith(".test.ts"))
    .flatMap(([file, text]) =>
      [...text.matchAll(/^(?:import|\} from)\b.*?"(\.[^"]*)";$/gm)].map(([, to = ""]) => ({ file, to })),
    )
    .filter(({ to }) => !/^(?:\.\.\/)+support\//.test(to) && !ownFolders.test(to) && !outside.test(to));
  expect(strays).toEqual([]);
});

test("what test/support has is defined there only, and once", () => {
  const exported = support.flatMap(([, text]) =>
    [...text.matchAll(/^export (?:async )?function (\w+)/gm)].map(([, name = ""]) => name),
  );
  expect(exported).toContain("temporaryFolder");
  const isShared = new Set(["temporaryFolder", "until", "appears", "processesOf", "expectGone"]);
  expect(exported.filter((name, index) => isShared.has(name) && exported.indexOf(name) !== index)).toEqual([]);
  const again = testFiles.flatMap(([file, text]) =>
    [...text.matchAll(/^(?:async )?function (\w+)|^const (\w+) = (?:async )?\(/gm)]
      .map(([, declared, assigned]) => declared ?? assigned ?? "")
      .filter((name) => isShared.has(name))
      .map((name) => `${file}: ${name}`),
  );
  expect(again).toEqual([]);
});

test("each folder that .ci/run names is there, and most are named", () => {
  const [, words = ""] = /^core=\(([^)]*)\)/m.exec(readFileSync(".ci/run", "utf8")) ?? [];
  const core = words.split(/\s+/).filter(Boolean);
  expect(core.filter((folder) => !existsSync(folder))).toEqual([]);
  // These start whole programs, and tell nothing of a version of Node that the others do not.
  const others = [
    "browser",
    "cli",
    "conformance",
    "console",
    "container",
    "docs",
    "examples",
    "faults",
    "house",
    "package",
    "support",
    "types",
    "vectors",
  ];
  const folders = readdirSync("test", { withFileTypes: true }).filter((entry) => entry.isDirectory());
  expect(
    folders
      .map(({ name }) => name)
      .filter((name) => !others.includes(name))
      .toSorted(),
  ).toEqual(core.map((folder) => path.basename(folder)).toSorted());
});

test("the command line knows streams and environment by its surroundings alone, so that it runs in a test's process", () => {
  const own = ["src/cli/terminal/surroundings.ts", "src/cli/terminal/streams.ts"];
  const direct = textsOf("src/cli")
    .filter(([file]) => !own.includes(file))
    .flatMap(([file, text]) =>
      [...text.matchAll(/\bprocess\.(?:std(?:in|out|err)|env|on(?:ce)?)\b/g)].map(([use]) => `${file}: ${use}`),
    );
  expect(direct).toEqual([]);
});

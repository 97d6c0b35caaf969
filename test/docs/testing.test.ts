/** The code of docs/TESTING.md runs as it stands there: a block right after `<!-- file: NAME -->` is written to NAME. */
import { spawnSync, type SpawnSyncReturns } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";

const root = process.cwd();
const page = readFileSync("docs/TESTING.md", "utf8");
const files = [...page.matchAll(/^<!-- file: (\S+) -->\n+```\w*\n([\s\S]*?)^```$/gm)];
const folder = mkdtempSync(path.join(os.tmpdir(), "iscep-testing-"));

mkdirSync(path.join(folder, "node_modules"));
for (const name of ["vitest", "iscep", "@types"]) {
  const target = name === "iscep" ? root : path.join(root, "node_modules", name);
  symlinkSync(target, path.join(folder, "node_modules", name), "junction");
}
writeFileSync(path.join(folder, "package.json"), JSON.stringify({ type: "module" }));
for (const [, name = "", code = ""] of files) writeFileSync(path.join(folder, name), code);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(...argv: string[]): SpawnSyncReturns<string> {
  // Without what tells a program that it runs within vitest.
  const { PATH, HOME } = process.env;
  return spawnSync(process.execPath, argv, { cwd: folder, encoding: "utf8", env: { PATH, HOME, NO_COLOR: "1" } });
}

test("the page has a file of commands, and tests for both runners", () => {
  expect(files.map(([, name]) => name)).toEqual([
    "commands.js",
    "commands.node.js",
    "commands.test.ts",
    "tokens.node.js",
  ]);
});

test("node:test runs its tests", { timeout: 60_000 }, () => {
  const { status, stdout } = run("--test", "commands.node.js", "tokens.node.js");
  expect(stdout).toMatch(/^# pass 4$/m);
  expect(status).toBe(0);
});

// They become tests of this file: another vitest would take seconds to start.
describe("vitest runs its tests", async () => {
  await import(path.join(folder, "commands.test.ts"));
});

test("its tests for vitest are three, and their types fit", { timeout: 120_000 }, () => {
  expect(readFileSync(path.join(folder, "commands.test.ts"), "utf8").match(/^test\(/gm)).toHaveLength(3);
  const options = ["--strict", "--noEmit", "--allowJs", "--skipLibCheck", "--module", "nodenext", "--target", "es2022"];
  const lib = ["--lib", "es2023,esnext.disposable", "--types", "node"];
  const compiled = run(path.join(root, "node_modules/typescript/bin/tsc"), ...options, ...lib, "commands.test.ts");
  expect(compiled.stdout).toBe("");
});

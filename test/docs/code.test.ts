/** The code in docs/ after `<!-- runs: FILE -->` runs in a project in which iscep is installed, and ends well. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../support/temporary-folder.js";

const blocks = readdirSync("docs")
  .filter((name) => name.endsWith(".md"))
  .flatMap((name) =>
    [
      ...readFileSync(path.join("docs", name), "utf8").matchAll(/^<!-- runs: (\S+) -->\n+```\w*\n([\s\S]*?)^```$/gm),
    ].map(([, file = "", code = ""]): [string, string, string] => [name, file, code]),
  );

test("there is such code", () => {
  expect(blocks.length).toBeGreaterThan(0);
});

test.each(blocks)("%s: %s", (_, file, code) => {
  const folder = temporaryFolder();
  mkdirSync(path.join(folder, "node_modules"));
  symlinkSync(process.cwd(), path.join(folder, "node_modules/iscep"), "junction");
  writeFileSync(path.join(folder, "package.json"), '{ "type": "module" }');
  writeFileSync(path.join(folder, file), code);
  const { status, stderr } = spawnSync(process.execPath, [file], { cwd: folder, encoding: "utf8" });
  expect(stderr).toBe("");
  expect(status).toBe(0);
});

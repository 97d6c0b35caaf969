/** The verbs that speak to a server are in one file, and the others are not, since they share classes with modules of users. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { iscepProcess } from "../support/iscep-process.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const bundle = readFileSync("dist/cli/bundled.js", "utf8");
const main = readFileSync("src/cli/main.ts", "utf8");

test("each verb is in the bundle, or is loaded from its own file", () => {
  const bundled = [...(/new Set\(\[([^\]]*)\]/.exec(main)?.[1] ?? "").matchAll(/"(\w+)"/g)].map(
    ([, name = ""]) => name,
  );
  const loaded = [...bundle.matchAll(/import\("\.\/verbs\/(\w+)\.js"\)/g)].map(([, name = ""]) => name);
  const files = readdirSync("src/cli/verbs").map((file) => file.replace(/\.ts$/, ""));
  const named = bundled.map((name) => (name === "__complete" ? "complete" : name));
  expect([...named, ...loaded].toSorted()).toEqual(files.toSorted());
});

test("the bundle imports only what Node has, and names what it does", () => {
  const imported = [...bundle.matchAll(/^import (?:[^;]*? from )?"([^"]+)"/gm)].map(([, name = ""]) => name);
  expect(imported.length).toBeGreaterThan(5);
  expect(imported.filter((name) => !name.startsWith("node:"))).toEqual([]);
  expect(bundle).toContain("Version2ClientConnection = class");
  expect(bundle).toMatch(/The part of commander:\n.*MIT License/s);
});

test("a fault in it still says where, in names that are those of the sources", async () => {
  const { stderr, code } = await iscepProcess(["call", "--url", "iscep+tcp://127.0.0.1:1", "x"], {
    folder: temporaryFolder(),
    environment: { ISCEP_DEBUG: "1" },
  });
  expect(code).toBe(69);
  expect(stderr).toMatch(/at connectFailed .*\bcli\/bundled\.js:\d+/);
});

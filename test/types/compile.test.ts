import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";

const folder = fileURLToPath(new URL(".", import.meta.url));
const tsc = fileURLToPath(import.meta.resolve("typescript/package.json")).replace("package.json", "bin/tsc");

function compile(project: string): Promise<{ failed: boolean; output: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [tsc, "-p", project, "--pretty", "false"], (error, stdout, stderr) => {
      resolve({ failed: error !== null, output: stdout + stderr });
    });
  });
}

test("right programs compile, and each line marked @ts-expect-error does not", async () => {
  expect(await compile(path.join(folder, "tsconfig.json"))).toEqual({ failed: false, output: "" });
});

test("without the marks each of those lines is an error of the compiler", async () => {
  // Inside the repository, so that "iscep" and the schema libraries are found.
  const unmarked = await mkdtemp(path.join(folder, "unmarked-"));
  onTestFinished(() => rm(unmarked, { recursive: true }));
  const sources = (await readdir(folder)).filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"));
  let marks = 0;
  for (const source of sources) {
    const text = await readFile(path.join(folder, source), "utf8");
    marks += text.match(/^\s*\/\/ @ts-expect-error/gm)?.length ?? 0;
    await writeFile(path.join(unmarked, source), text.replaceAll("@ts-expect-error", "here:"));
  }
  const project = {
    extends: "../../../tsconfig.base.json",
    compilerOptions: { noEmit: true, rootDir: "../../.." },
    include: ["./*.ts"],
  };
  await writeFile(path.join(unmarked, "tsconfig.json"), JSON.stringify(project));
  const { failed, output } = await compile(path.join(unmarked, "tsconfig.json"));
  expect(failed).toBe(true);
  expect(marks).toBeGreaterThan(20);
  const lines = new Set(
    [...output.matchAll(/^[^\s(][^(]*\((\d+),\d+\): error/gm)].map((match) => match[0].replace(/,\d+\): error/, "")),
  );
  expect(lines.size).toBe(marks);
});

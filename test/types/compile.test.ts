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

test("modules of commands compile into declarations, without an annotation", async () => {
  const project = await mkdtemp(path.join(folder, "declared-"));
  onTestFinished(() => rm(project, { recursive: true }));
  const source = `
    import { declareArguments, defineCommand, defineScript } from "iscep";
    import { z } from "zod";
    export const none = defineCommand({ name: "none", run: () => 1 });
    export const args = declareArguments({
      count: { type: "integer" },
      names: { type: "list", items: { type: "string" }, optional: true },
      file: { type: "path", base: "files" },
      mode: { type: "enum", choices: ["fast", "full"] },
    });
    export const declared = defineCommand({ name: "declared", args, run: ({ mode }) => mode });
    export const checked = defineCommand({ name: "c", args: z.object({ a: z.number() }), result: z.string(), run: () => "x" });
    export const script = defineScript({ name: "script", run: ["./x", "{a}"], args: { a: { type: "string" } } });
    export const json = defineScript({ name: "json", run: ["./x"], output: "json", result: z.object({ ok: z.boolean() }) });
    export const lines = defineScript({ name: "lines", run: ["./x"], output: "lines" });
  `;
  await writeFile(path.join(project, "commands.ts"), source);
  const options = {
    declaration: true,
    noEmit: false,
    outDir: "out",
    rootDir: ".",
    composite: false,
    incremental: false,
  };
  const config = { extends: "../../../tsconfig.base.json", compilerOptions: options, include: ["commands.ts"] };
  await writeFile(path.join(project, "tsconfig.json"), JSON.stringify(config));
  expect(await compile(path.join(project, "tsconfig.json"))).toEqual({ failed: false, output: "" });
  const declarations = await readFile(path.join(project, "out", "commands.d.ts"), "utf8");
  expect(declarations.replaceAll('import("iscep").', "")).toContain(
    'FunctionCommand<"none", NoArguments, NoArguments, number',
  );
  expect(declarations).not.toContain("dist/");
});

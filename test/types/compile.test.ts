import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, onTestFinished, test } from "vitest";

const folder = fileURLToPath(new URL(".", import.meta.url));
const tsc = fileURLToPath(import.meta.resolve("typescript/package.json")).replace("package.json", "bin/tsc");

function compile(project: string): Promise<{ failed: boolean; output: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [tsc, "-p", project, "--pretty", "false"], (error, stdout, stderr) => {
      resolve({ failed: error !== null, output: stdout + stderr });
    });
  });
}

/** Lines of errors, and lines that are marked to have one, as `FILE:LINE`. */
interface Lines {
  readonly wrong: ReadonlySet<string>;
  readonly marked: ReadonlySet<string>;
}

/** One compilation says both: without a mark, the line below it is an error, and no other line is. */
let lines: Lines;

beforeAll(async () => {
  // Inside the repository, so that "iscep" and the schema libraries are found.
  const unmarked = await mkdtemp(path.join(folder, "unmarked-"));
  try {
    const marked = new Set<string>();
    const sources = (await readdir(folder)).filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"));
    for (const source of sources) {
      const text = await readFile(path.join(folder, source), "utf8");
      text.split("\n").forEach((line, index) => {
        if (/^\s*\/\/ @ts-expect-error/.test(line)) marked.add(`${source}:${index + 2}`);
      });
      await writeFile(path.join(unmarked, source), text.replaceAll("@ts-expect-error", "here:"));
    }
    const project = {
      extends: "../../../tsconfig.base.json",
      compilerOptions: { noEmit: true, rootDir: "../../.." },
      include: ["./*.ts"],
    };
    await writeFile(path.join(unmarked, "tsconfig.json"), JSON.stringify(project));
    const { output } = await compile(path.join(unmarked, "tsconfig.json"));
    // Each line that is not indented tells an error, be it one of a file or of the whole project.
    const told = output.split("\n").filter((line) => /^\S/.test(line));
    lines = {
      wrong: new Set(told.map((line) => line.replace(/^.*?([\w-]+\.ts)\((\d+),\d+\): error .*/, "$1:$2"))),
      marked,
    };
  } finally {
    await rm(unmarked, { recursive: true });
  }
});

test("right programs compile, and each line marked @ts-expect-error does not", () => {
  expect([...lines.wrong].filter((line) => !lines.marked.has(line))).toEqual([]);
});

test("without the marks each of those lines is an error of the compiler", () => {
  expect(lines.marked.size).toBeGreaterThan(20);
  expect([...lines.marked].filter((line) => !lines.wrong.has(line))).toEqual([]);
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

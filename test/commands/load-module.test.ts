import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { loadCommandModule } from "#iscep/commands/load-module";

// Within the repository, so that "iscep" is found from there.
const folder = mkdtempSync(fileURLToPath(new URL("loaded-", import.meta.url)));
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  return file;
}

async function names(name: string, text: string): Promise<string[]> {
  return (await loadCommandModule(write(name, text))).map((command) => command.name).sort();
}

const define = (name: string) => `defineCommand({ name: "${name}", run: () => 1 })`;
const imports = 'import { defineCommand, defineScript } from "iscep";\n';

describe("a module of commands", () => {
  test.each([
    ["mjs", imports],
    ["js", imports],
    ["cjs", 'const { defineCommand, defineScript } = require("iscep");\n'],
    ["ts", `${imports}enum Level { One }\nconst level: Level = Level.One;\n`],
    ["mts", `${imports}const level: number = 1;\n`],
  ])("ends in .%s", async (extension, head) => {
    const text =
      extension === "cjs"
        ? `${head}module.exports = { a: ${define("a")} };`
        : `${head}export const a = ${define("a")};`;
    const [command, ...rest] = await loadCommandModule(write(`kind.${extension}`, text));
    expect(rest).toEqual([]);
    expect(command?.name).toBe("a");
    expect(command?.checkArguments({ b: 1 })).toMatchObject({ ok: false });
    expect(command?.kind === "function" && command.run({}, {} as never)).toBe(1);
  });

  test("gives each of its commands once: by name, by default, in arrays and in records", async () => {
    const text = `${imports}
      export const a = ${define("a")};
      export const many = [${define("b")}, ${define("c")}, 1, null];
      export const record = { d: ${define("d")}, no: "command", a };
      export const script = defineScript({ name: "e", run: ["date"] });
      export const helper = () => a;
      export const nothing = null;
      export default a;`;
    expect(await names("many.mjs", text)).toEqual(["a", "b", "c", "d", "e"]);
  });

  test("finds those that another copy of the library made", async () => {
    const entry = fileURLToPath(import.meta.resolve("iscep"));
    const text = `import { defineCommand } from ${JSON.stringify(`${entry}?copy`)};\nexport const a = ${define("a")};`;
    expect(await names("copy.mjs", text)).toEqual(["a"]);
  });

  test.each<[string, string, string, RegExp]>([
    ["that is not there", "", "", /missing\.mjs: there is no such file/],
    ["of another kind", "notes.txt", "", /notes\.txt: a module of commands ends in one of \.js/],
    ["without commands", "empty.mjs", "export const a = 1;", /empty\.mjs: exports no command/],
    ["that throws", "throws.mjs", 'throw new Error("boom");', /throws\.mjs: cannot be loaded: boom/],
    [
      "with a fault in its syntax",
      "syntax.mjs",
      "const a = 1;\nexport const b = a +* 2;",
      /syntax\.mjs: cannot be loaded: SyntaxError: .* \(line 2\)/,
    ],
    [
      "with such a fault in TypeScript",
      "syntax.ts",
      "const a: number = 1;\nexport const b = a +* 2;",
      /syntax\.ts: cannot be loaded: SyntaxError: .* \(line 2\)/,
    ],
    [
      "that imports what is not there",
      "imports.mjs",
      'import "./nowhere.mjs";',
      /imports\.mjs: cannot be loaded: .*nowhere/,
    ],
    [
      "with a command that cannot be",
      "wrong.mjs",
      `${imports}export const a = ${define("a b")};`,
      /wrong\.mjs: cannot be loaded: .*"a b"/,
    ],
  ])("%s is refused, and the message says why", async (_, name, text, message) => {
    const file = name === "" ? path.join(folder, "missing.mjs") : write(name, text);
    await expect(loadCommandModule(file)).rejects.toMatchObject({
      code: "configuration",
      message: expect.stringMatching(message),
    });
  });
});

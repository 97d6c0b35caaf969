/** What somebody meets who has only the command line, a module of their own, and a token with few rights. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { initialisedFolder, iscep, serve } from "../support/iscep.js";
import { serveProcess } from "../support/iscep-process.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const typed = (text: string): string => text.replace("({ a, b })", "({ a, b }: { a: number; b: number })");
const module = `
  import { declareArguments, defineCommand } from "iscep";
  const number = { type: "number" };
  export const add = defineCommand({
    name: "add",
    args: declareArguments({ a: number, b: number }),
    thread: true,
    run: ({ a, b }) => a + b,
  });
`;

test.each([
  ["add.mjs", module],
  ["add.mts", typed(module).replace('"number" }', '"number" } as const')],
])("%s is served, thread and all, where no package is installed beside it", async (name, text) => {
  const folder = temporaryFolder();
  await writeFile(join(folder, name), text);
  const serving = await serveProcess([name, "--port", "0", "--no-tls"], { folder });
  const environment = { ISCEP_URL: serving.url };
  const words = ["call", "add", "--a", "1"];
  expect(await iscep([...words, "--b", "2"], { folder, environment })).toMatchObject({ code: 0, stdout: "3\n" });
  const { code, stderr } = await iscep(words, { folder, environment });
  expect(code).toBe(65);
  expect(stderr.split("\n")[0]).toBe('iscep: argument "b" is missing');
  await serving.stop();
});

test("a token that may not list is told of that, by ls and by the help of a command", async () => {
  const folder = await initialisedFolder();
  const made = await iscep(["tokens", "add", "a", "--no-discover"], { folder });
  const serving = await serve(["--port", "0"], { folder });
  const environment = { ISCEP_URL: serving.url, ISCEP_TOKEN: made.stdout.trim() };
  for (const words of [["ls"], ["call", "hello", "--help"]]) {
    const refused = await iscep(words, { folder, environment });
    expect(refused.code).toBe(77);
    expect(refused.stderr).toContain("may call commands and not list them");
  }
  expect((await iscep(["call", "hello"], { folder, environment })).stdout).toBe("hello, world\n");
  await serving.stop();
});

test("the message about a certificate names --show, and says so once", async () => {
  const folder = await initialisedFolder();
  const serving = await serve(["--port", "0"], { folder });
  const [address = ""] = serving.url.split("?");
  const { stderr, code } = await iscep(["ls"], { folder, environment: { ISCEP_URL: address } });
  expect(code).toBe(69);
  expect(stderr).toContain("`iscep cert --show FILE`");
  expect(stderr).not.toContain("hint:");
  await serving.stop();
});

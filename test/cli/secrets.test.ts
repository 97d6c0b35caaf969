/** A secret argument gets to the server without standing in argv, where others see it (PITFALLS 18). */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { declareArguments, defineCommand, Server } from "iscep";
import { iscep, type Ended } from "../support/iscep.js";
import { hasTerminals, startOnTerminal, type OnTerminal } from "../support/on-terminal.js";

let server: Server;
let folder: string;
let url: string;

const unlock = defineCommand({
  name: "unlock",
  args: declareArguments({
    pass_phrase: { type: "secret", multiline: true },
    key: { type: "secret", optional: true },
    user: { type: "string", default: "root" },
    "log-file": { type: "string", optional: true },
  }),
  run: (args) => args,
});

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "iscep-cli-secrets-"));
  server = new Server({ commands: [unlock], port: 0, tls: false });
  ({ url } = await server.listen());
  await writeFile(join(folder, "phrase"), "hunter2\n");
  await writeFile(join(folder, "lines"), "a\nb\n\n");
});

afterAll(async () => {
  await server.close({ graceMs: 0 });
  await rm(folder, { recursive: true, force: true });
});

function unlocked(words: readonly string[], input = ""): Promise<Ended> {
  return iscep(["call", "unlock", ...words], { folder, environment: { ISCEP_URL: url }, input });
}

describe("a secret is taken", () => {
  test.each<[string, string[], string, object]>([
    ["from a file, without its last line end", ["--pass-phrase-file", "phrase"], "", { pass_phrase: "hunter2" }],
    ["from a file, with all its other ones", ["--pass_phrase-file=lines"], "", { pass_phrase: "a\nb\n" }],
    ["from standard input", ["--pass-phrase", "-"], "hunter2\n", { pass_phrase: "hunter2" }],
    [
      "from both, with others beside",
      ["--key=-", "--user", "x", "--passPhrase-file", "phrase"],
      "k",
      { pass_phrase: "hunter2", key: "k", user: "x" },
    ],
    ["from all arguments on standard input", ["--args", "-"], '{"pass_phrase":"hunter2"}', { pass_phrase: "hunter2" }],
  ])("%s", async (_, words, input, args) => {
    const { stdout, stderr, code } = await unlocked(words, input);
    expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
    expect(JSON.parse(stdout)).toEqual({ user: "root", ...args });
  });

  test("from argv with a warning, which does not repeat it", async () => {
    const { stdout, stderr, code } = await unlocked(["--pass-phrase", "hunter2"]);
    expect(JSON.parse(stdout)).toMatchObject({ pass_phrase: "hunter2" });
    expect(stderr).toMatch(/warning: other users of this machine can see .*--pass_phrase-file FILE/);
    expect(stderr).not.toContain("hunter2");
    expect(code).toBe(0);
    expect((await unlocked(["--quiet", "--pass-phrase", "hunter2"])).stderr).toBe("");
  });

  test("and an argument whose name ends in -file stays what it is", async () => {
    const { stdout } = await unlocked(["--log-file", "phrase", "--pass-phrase-file", "phrase"]);
    expect(JSON.parse(stdout)).toMatchObject({ "log-file": "phrase", pass_phrase: "hunter2" });
  });
});

test.each<[string, string[], number, RegExp]>([
  ["a missing file", ["--pass-phrase-file", "nowhere"], 64, /nowhere with a secret cannot be read/],
  ["no path", ["--pass-phrase-file"], 64, /needs the path of a file/],
  ["no value, and no terminal to ask on", ["--pass-phrase"], 65, /--pass_phrase-file FILE, or --pass_phrase - /],
  ["none at all", [], 65, /"pass_phrase" is missing/],
  ["two of the same", ["--pass-phrase-file", "phrase", "--pass-phrase", "hunter2"], 65, /is given twice/],
  ["two from standard input", ["--pass-phrase", "-", "--key", "-"], 64, /something else does so already/],
  ["standard input of the run", ["--stdin", "--pass-phrase", "-"], 64, /takes no standard input/],
])("%s: exit code and what to do", async (_, words, expected, message) => {
  const { stderr, code } = await unlocked(words);
  expect(stderr).toMatch(message);
  expect(stderr).not.toContain("hunter2");
  expect(code).toBe(expected);
});

test("the help of the command says how a secret is given", async () => {
  const { stdout } = await iscep(["call", "unlock", "--help"], { folder, environment: { ISCEP_URL: url } });
  expect(stdout).toMatch(/--pass_phrase SECRET +from --pass_phrase-file FILE, or - for standard input; required/);
});

describe.skipIf(!hasTerminals)("on a terminal", () => {
  const onTerminal = (words: readonly string[]): OnTerminal =>
    startOnTerminal(["call", "--json", "unlock", ...words], { folder, environment: { ISCEP_URL: url } });

  test("a secret that is missing is asked for, and not shown", async () => {
    const terminal = onTerminal(["--user", "x"]);
    await terminal.until("pass_phrase: ");
    terminal.type("hunteR\u007F2\r");
    const { screen, code } = await terminal.ended;
    expect(screen.replaceAll("\r", "")).toMatch(/^pass_phrase: \n\{/);
    expect(screen.split("hunte")).toHaveLength(2);
    expect(screen).toContain('"pass_phrase":"hunte2"');
    expect(code).toBe(0);
  });

  test("Ctrl-C at the question ends the call, and Ctrl-D as well", async () => {
    for (const key of ["\u0003", "\u0004"]) {
      const terminal = onTerminal([]);
      await terminal.until("pass_phrase: ");
      terminal.type(key);
      const { code } = await terminal.ended;
      expect(code).toBe(130);
    }
  });
});

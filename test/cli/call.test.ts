import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { connect, errorTable, Server } from "iscep";
import { loadCommandModule } from "#iscep/commands/load-module";
import { addToken } from "#iscep/identity/tokens-writer";
import { ended, iscep, serve, type Ended } from "../support/iscep.js";
import { startProcess } from "../support/iscep-process.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const commandsFile = fileURLToPath(new URL("programs/commands.mjs", import.meta.url));

/** One server for all tests of this file; what it serves changes nothing. */
let server: Server;
let folder: string;
let url: string;
let token: string;
let blindToken: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "iscep-cli-call-"));
  token = await makeToken("tester");
  blindToken = await makeToken("blind", ["run:*"]);
  server = new Server({
    commands: await loadCommandModule(commandsFile),
    port: 0,
    tokens: join(folder, "tokens.json"),
    stateFolder: join(folder, "state", "iscep"),
  });
  ({ url } = await server.listen());
});

afterAll(async () => {
  await server.close({ graceMs: 0 });
  await rm(folder, { recursive: true, force: true });
});

async function makeToken(owner: string, scopes?: readonly string[]): Promise<string> {
  const made = await addToken(join(folder, "tokens.json"), { owner, ...(scopes === undefined ? {} : { scopes }) });
  return made.token;
}

function environment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { ISCEP_URL: url, ISCEP_TOKEN: token, ...more };
}

function call(words: readonly string[], more: Readonly<Record<string, string>> = {}, input = ""): Promise<Ended> {
  return iscep(["call", ...words], { folder, environment: environment(more), input });
}

describe("iscep call", () => {
  test.each<[string, string[], string]>([
    ["a string as it is", ["greet", "--message", "hi"], "hi\n"],
    ["with arguments by type", ["greet", "--message=7", "--times", "3", "--shout"], "7 7 7\n"],
    ["null as nothing", ["nothing"], ""],
    [
      "an object as indented JSON",
      ["deploy", "--", "--url", "x", "--tags", "a", "--tags", "b"],
      '{\n  "url": "x",\n  "tags": [\n    "a",\n    "b"\n  ]\n}\n',
    ],
    ["one JSON value", ["greet", "--message", "hi", "--json"], '"hi"\n'],
    ["one JSON value: null", ["--json", "nothing"], "null\n"],
    ["all arguments as JSON", ["greet", "--args", '{"message":"hi","times":2}'], "hi hi\n"],
    ["JSON, and single ones over it", ["--args", '{"message":"hi","times":2}', "greet", "--times", "1"], "hi\n"],
    ["the bytes that were sent, into a pipe", ["steer"], "\x1b]0;title\x07\n"],
  ])("prints %s", async (_, words, output) => {
    expect(await call(words)).toEqual({ code: 0, signal: null, stdout: output, stderr: "" });
  });

  test("takes --args from a file and from standard input", async () => {
    const file = join(temporaryFolder(), "args.json");
    await writeFile(file, '{"message":"from a file"}');
    expect((await call(["greet", "--args", `@${file}`])).stdout).toBe("from a file\n");
    expect((await call(["greet", "--args", "-"], {}, '{"message":"from a pipe"}')).stdout).toBe("from a pipe\n");
    expect((await call(["greet", "--args", "@missing.json"])).code).toBe(64);
    expect((await call(["greet", "--args", "[1]"])).code).toBe(65);
    expect((await call(["greet", "--args", "{"])).code).toBe(65);
  });

  test("shows the arguments of a command as the server tells them", async () => {
    const { code, stdout } = await call(["greet", "--help"]);
    expect(code).toBe(0);
    expect(stdout).toMatchInlineSnapshot(`
      "Usage: iscep call greet [--ARGUMENT VALUE …]

      Greets someone

      Arguments:
        --message STRING  What to say; required
        --times INTEGER   at least 1; default 1
        --shout
      "
    `);
  });

  test("works without discovery when the token may not discover, with strings only", async () => {
    const blind = { ISCEP_TOKEN: blindToken };
    expect((await call(["greet", "--message", "hi"], blind)).stdout).toBe("hi\n");
    expect((await call(["greet", "--args", '{"message":"hi","times":2}'], blind)).stdout).toBe("hi hi\n");
    expect(await call(["greet", "--message", "hi", "--times", "2"], blind)).toMatchObject({ code: 65, stdout: "" });
    expect((await call(["greet", "--help"], blind)).code).toBe(77);
  });
});

describe("options of iscep and arguments of the command", () => {
  test("behind COMMAND, an option belongs to the command that has an argument of that name", async () => {
    const ended = await call(["deploy", "--url", url, "--json", "--help"]);
    expect(JSON.parse(ended.stdout)).toEqual({ url, json: true, help: true });
  });

  test("what was said in front of COMMAND is settled", async () => {
    const ended = await call(["--url", url, "--json", "deploy", "--url", "https://example.org", "--json"]);
    expect(JSON.parse(ended.stdout)).toEqual({ url: "https://example.org", json: true });
  });

  test("behind -- everything is the command's", async () => {
    expect(JSON.parse((await call(["deploy", "--", "--url", "x"])).stdout)).toEqual({ url: "x" });
    const refused = await call(["greet", "--message", "hi", "--", "--timeout", "1s"]);
    expect(refused.code).toBe(65);
    expect(refused.stderr).toContain('the command has no argument "timeout"');
  });

  test("an address behind COMMAND that is none gets a hint", async () => {
    const ended = await call(["deploy", "--url", "https://example.org"]);
    expect(ended.code).toBe(64);
    expect(ended.stderr).toContain("hint: where --url is an argument of the command, write -- in front of it");
  });
});

describe("exit codes of iscep call", () => {
  test.each(Object.entries(errorTable).map(([code, { exitCode }]) => [code, exitCode] as const))(
    "%s is %i",
    async (code, exitCode) => {
      const people = await call(["refuse", "--code", code]);
      expect(people.code).toBe(exitCode);
      expect(people.stdout).toBe("");
      expect(people.stderr).toMatch(/^iscep: /);
      expect(people.stderr).not.toMatch(/^\s+at /m);
      const script = await call(["--json", "refuse", "--code", code]);
      expect(script).toMatchObject({ code: exitCode, stderr: "" });
      expect(JSON.parse(script.stdout)).toEqual({ error: { code, message: expect.any(String) as string } });
    },
  );

  test("a command that throws tells nothing of the reason", async () => {
    const { code, stderr } = await call(["crash"]);
    expect(code).toBe(1);
    expect(stderr).not.toContain("secret");
  });

  test.each<[string, string[], number, string]>([
    ["a missing argument", ["greet"], 65, "message"],
    [
      "an argument of another type",
      ["greet", "--message", "a", "--times", "many"],
      65,
      '"times" must be a whole number',
    ],
    ["an argument that the server refuses", ["greet", "--message", "a", "--times", "0"], 65, "times"],
    ["an unknown argument", ["greet", "--mesage", "a"], 65, "did you mean --message?"],
    ["an unknown command", ["gret"], 77, "did you mean greet?"],
    ["an unknown command with arguments", ["gret", "--message", "a"], 77, "did you mean greet?"],
    ["no command", [], 64, "missing required argument"],
    ["--args that are no JSON", ["greet", "--args", '{"a":'], 65, "it is not JSON (it ends too early)"],
    ["a word that is no argument", ["greet", "hi"], 64, "arguments are written --name VALUE"],
    ["a timeout that is none", ["greet", "--timeout", "soon"], 64, "must be a number above 0 and a unit"],
    ["an address that is none", ["--url", "http://x", "greet"], 64, "the address is wrong"],
    ["an unknown option", ["--urll", "x", "greet"], 64, "did you mean --url?"],
    ["a protocol that is none", ["--protocol", "3", "greet"], 64, "Allowed choices are 1, 2"],
    ["--args - and --stdin", ["greet", "--args", "-", "--stdin"], 64, "leave out --stdin"],
    ["--detach and --stdin", ["greet", "--detach", "--stdin"], 64, "leave out --stdin"],
    ["two tokens", ["--token", "a", "--token-file", "b", "greet"], 64, "either --token or --token-file"],
    ["a pin that is none", ["--pin", "abc", "greet"], 64, "pin"],
    ["another server's pin", ["--pin", `sha256:${"A".repeat(43)}`, "greet"], 69, ""],
    ["a CA file that is missing", ["--ca", "missing.pem", "--url", "iscep://127.0.0.1:1", "greet"], 64, "missing.pem"],
    ["cleartext to another machine", ["--url", "iscep+tcp://192.0.2.1", "greet"], 64, "--allow-cleartext"],
    ["nothing that listens", ["--url", "iscep+unix:///nowhere.sock", "greet"], 69, "cannot connect"],
    // Where the machine is slow, it is the connection that takes too long, and the number is what was left for it.
    ["a timeout", ["--timeout", "2s", "forever"], 124, " ms"],
  ])("%s", async (_, words, exitCode, sentence) => {
    const ended = await call(words);
    expect(ended).toMatchObject({ code: exitCode, stdout: "" });
    expect(ended.stderr).toContain(sentence);
    expect(ended.stderr).not.toMatch(/^\s+at /m);
  });

  test("no token, and a wrong one", async () => {
    expect(await call(["greet", "--message", "a"], { ISCEP_TOKEN: "" })).toMatchObject({ code: 77, stdout: "" });
    expect(await call(["greet", "--message", "a"], { ISCEP_TOKEN: "wrong" })).toMatchObject({ code: 77, stdout: "" });
  });

  test.each<[string, (socket: Socket) => void, number]>([
    ["closes instead of answering: no connection", (socket) => socket.once("data", () => socket.end()), 69],
    [
      "answers what is not this protocol",
      (socket) => socket.once("data", () => socket.end(`\0\0\0\x24\0\x03{}${"0".repeat(32)}`)),
      76,
    ],
  ])("a server that %s", async (_, behave, exitCode) => {
    const address = await listenWith(behave);
    const ended = await call(["nothing"], { ISCEP_URL: address });
    expect(ended).toMatchObject({ code: exitCode, stdout: "" });
  });

  test("busy, when the server is full", async () => {
    const where = temporaryFolder();
    await using full = new Server({
      commands: await loadCommandModule(commandsFile),
      unix: join(where, "s.sock"),
      maxConnections: 1,
    });
    const { url: address } = await full.listen();
    await using _client = await connect(address);
    const ended = await call(["nothing"], { ISCEP_URL: address });
    expect(ended.code).toBe(75);
  });

  test("ISCEP_DEBUG adds the stack", async () => {
    expect((await call(["crash"], { ISCEP_DEBUG: "1" })).stderr).toMatch(/^\s+at /m);
  });
});

async function listenWith(behave: (socket: Socket) => void): Promise<string> {
  const listener = createServer((socket) => {
    socket.on("error", () => {});
    behave(socket);
  }).listen(0, "127.0.0.1");
  onTestFinished(() => void listener.close());
  await new Promise((resolve) => listener.once("listening", resolve));
  return `iscep+tcp://127.0.0.1:${(listener.address() as AddressInfo).port}`;
}

describe("scripts", () => {
  async function script(text: string, words: readonly string[] = [], settings = ""): Promise<Ended> {
    const where = temporaryFolder();
    await writeFile(join(where, "script.sh"), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    await writeFile(
      join(where, "iscep.yaml"),
      `listen: unix:s.sock\ncommands:\n  it:\n    run: [./script.sh]\n${settings}`,
    );
    const serving = await serve([], { folder: where });
    const result = await iscep(["call", "it", ...words], { folder: where, environment: { ISCEP_URL: serving.url } });
    await serving.stop();
    return result;
  }

  test("their output goes to its streams as it is, and their exit code is the exit code", async () => {
    expect(await script("printf out; printf err >&2; exit 3")).toEqual({
      code: 3,
      signal: null,
      stdout: "out",
      stderr: "err",
    });
    expect(await script("echo done")).toEqual({ code: 0, signal: null, stdout: "done\n", stderr: "" });
  });

  test("a failure with the exit code 0, which is none of its success codes, is said and never 0", async () => {
    const settings = "    success_codes: [1]\n";
    const said = 'iscep: the script "it" ended with exit code 0; its output may say why\n';
    expect(await script("echo found", [], settings)).toMatchObject({ code: 1, stdout: "found\n", stderr: said });
    const value = await script("echo found", [], `${settings}    output: lines\n`);
    expect(value).toMatchObject({ code: 1, stderr: expect.stringContaining("ended with exit code 0") as string });
    const { code, stdout } = await script("echo found", ["--json"], settings);
    expect({ code, exitCode: (JSON.parse(stdout) as { exitCode: number }).exitCode }).toEqual({ code: 1, exitCode: 0 });
  });

  test("killed by a signal is 128 + its number", async () => {
    const result = await script("kill -KILL $$");
    expect(result).toMatchObject({ code: 137, stdout: "" });
    expect(result.stderr).toBe("iscep: the script was ended by SIGKILL\n");
  });

  test("at their timeout it is 124", async () => {
    expect((await script("sleep 60", [], "    timeout: 200ms\n")).code).toBe(124);
  });

  test("--json prints all of the result, with the same exit code", async () => {
    const { code, stdout, stderr } = await script("echo out; exit 3", ["--json"]);
    expect({ code, stderr }).toEqual({ code: 3, stderr: "" });
    expect(JSON.parse(stdout)).toMatchObject({
      exitCode: 3,
      signal: null,
      stdout: "out\n",
      stderr: "",
      truncated: false,
    });
  });
});

describe("the token", () => {
  test("comes from a file that is its owner's alone", async () => {
    const where = temporaryFolder();
    const file = join(where, "token");
    await writeFile(file, `${token}\n`, { mode: 0o600 });
    const none = { ISCEP_TOKEN: "" };
    expect((await call(["greet", "--message", "a", "--token-file", file], none)).stdout).toBe("a\n");
    expect((await call(["greet", "--message", "a"], { ...none, ISCEP_TOKEN_FILE: file })).stdout).toBe("a\n");
    await chmod(file, 0o640);
    const open = await call(["greet", "--message", "a", "--token-file", file], none);
    expect(open.code).toBe(64);
    expect(open.stderr).toContain("can be read by others");
    expect(open.stderr).not.toContain(token);
  });

  test("in the address of the environment works in silence", async () => {
    const address = url.replace("://", `://tester:${token}@`);
    expect(await call(["greet", "--message", "a"], { ISCEP_TOKEN: "", ISCEP_URL: address })).toMatchObject({
      stdout: "a\n",
      stderr: "",
    });
  });

  test("in argv makes a warning, and --quiet takes it away", async () => {
    const warned = await call(["greet", "--message", "a", "--token", token], { ISCEP_TOKEN: "" });
    expect(warned).toMatchObject({ code: 0, stdout: "a\n" });
    expect(warned.stderr).toBe(
      "iscep: warning: the token in --token can be seen by other users of this machine; use ISCEP_TOKEN or --token-file\n",
    );
    expect((await call(["--quiet", "greet", "--message", "a", "--token", token], { ISCEP_TOKEN: "" })).stderr).toBe("");
  });
});

describe("trust on this machine", () => {
  test("the certificate that `iscep serve` made for this user needs no pin", async () => {
    const address = url.replace(/\?.*/, "");
    expect((await call(["greet", "--message", "a"], { ISCEP_URL: address })).stdout).toBe("a\n");
    const stranger = await call(["greet", "--message", "a"], {
      ISCEP_URL: address,
      XDG_STATE_HOME: join(folder, "other"),
    });
    expect(stranger.code).toBe(69);
    expect(stranger.stderr).toContain("Give the server's pin");
  });
});

describe("signals and pipes", () => {
  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("%s cancels a call, with %i", async (signal, code) => {
    const { promise: arrived, resolve: hasArrived } = withResolvers();
    const address = await listenWith((socket) => socket.once("data", hasArrived));
    const child = startProcess(["call", "forever"], { folder, environment: environment({ ISCEP_URL: address }) });
    const end = ended(child);
    await arrived;
    child.kill(signal);
    const result = await end;
    expect(result).toMatchObject({ code, stdout: "" });
    expect(result.stderr).toMatch(/^iscep: /);
  });

  test("a reader that goes away leaves no complaint and no other exit code", async () => {
    const child = startProcess(["call", "letters", "--count", "15000"], { folder, environment: environment() });
    const end = ended(child);
    child.stdout.destroy();
    expect(await end).toMatchObject({ code: 0, stderr: "" });
  });
});

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => {};
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

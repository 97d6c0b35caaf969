/** Values of an argument that another command of the server gives: `choices: { from: list_worlds }`. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { declareArguments, defineCommand, defineScript, Server, type Client, type Command } from "iscep";
import { watchForLeaks } from "../support/leaks.js";
import { logLines, startServer, writeTokens } from "../support/servers.js";
import { temporaryFolder } from "../support/temporary-folder.js";

watchForLeaks();

/** Gives worlds, and counts how often it was asked. */
function giver(worlds: unknown) {
  const state = { worlds, asked: 0 };
  const command = defineCommand({
    name: "list_worlds",
    run: () => {
      state.asked++;
      if (state.worlds instanceof Error) throw state.worlds;
      return state.worlds;
    },
  });
  return { state, command };
}

const backup = defineCommand({
  name: "backup",
  args: declareArguments({ world: { type: "enum", choices: { from: "list_worlds" } } }),
  run: ({ world }) => `backed up ${world}`,
});

async function schemaOf(client: Client, argument = "world", command = "backup"): Promise<unknown> {
  const description = (await client.list()).find(({ name }) => name === command);
  const { properties } = (description?.args ?? {}) as { properties?: Record<string, unknown> };
  return properties?.[argument];
}

describe.each([1, 2] as const)("over version %d", (protocol) => {
  async function start(commands: readonly Command[], limits = {}) {
    const server = await startServer({ commands, limits });
    return { server, client: await server.client({ protocol }) };
  }

  test("they are offered in discovery, and checked at the call", async () => {
    const { client } = await start([giver(["nether", "over world", "-rf"]).command, backup]);
    expect(await schemaOf(client)).toEqual({ type: "string", enum: ["nether", "over world", "-rf"] });
    expect(await client.call("backup", { world: "over world" })).toBe("backed up over world");
    await expect(client.call("backup", { world: "mars" })).rejects.toMatchObject({
      code: "invalid_arguments",
      message: expect.stringContaining('argument "world" must be one of') as string,
    });
  });

  test("what comes behind a listing that has to ask is answered in order", async () => {
    const { client } = await start([giver(["nether"]).command, backup]);
    const answers = await Promise.all([
      client.list(),
      client.call("backup", { world: "nether" }),
      client.list(),
      client.call("backup", { world: "nether" }),
    ]);
    expect(answers.map((answer) => (Array.isArray(answer) ? answer.length : answer))).toEqual([
      2,
      "backed up nether",
      2,
      "backed up nether",
    ]);
  });
});

test("a refused value is not repeated, and the command's own name is not told", async () => {
  const { command } = giver(["nether"]);
  const server = await startServer({ commands: [command, backup] });
  const client = await server.client();
  const error: unknown = await client.call("backup", { world: "canary-world" }).catch((thrown: unknown) => thrown);
  expect(String(error)).not.toMatch(/canary-world|list_worlds/);
  expect(JSON.stringify((await client.list()).filter(({ name }) => name === "backup"))).not.toContain("list_worlds");
});

test("many callers at once ask once, and its answer counts for the time of the limit", async () => {
  const { command, state } = giver(["nether"]);
  const server = await startServer({ commands: [command, backup], limits: { choicesCacheMs: 60_000 } });
  const client = await server.client({ protocol: 2 });
  await Promise.all(Array.from({ length: 20 }, () => client.call("backup", { world: "nether" })));
  await client.list();
  expect(state.asked).toBe(1);
});

test("without that time a new value counts at once", async () => {
  const { command, state } = giver(["nether"]);
  const server = await startServer({ commands: [command, backup], limits: { choicesCacheMs: 0 } });
  const client = await server.client({ protocol: 2 });
  await expect(client.call("backup", { world: "end" })).rejects.toMatchObject({ code: "invalid_arguments" });
  state.worlds = ["nether", "end"];
  expect(await client.call("backup", { world: "end" })).toBe("backed up end");
  expect(await schemaOf(client)).toMatchObject({ enum: ["nether", "end"] });
});

describe("who may run the command may have its values, and nobody else (PITFALLS 10, GHSA-jf73-858c-54pg):", () => {
  async function client(scopes: readonly string[]) {
    const { command, state } = giver(["nether"]);
    const server = await startServer({ commands: [command, backup] });
    const { addToken } = await import("#iscep/identity/tokens-writer");
    writeTokens(server.tokensFile, {});
    const { token } = await addToken(server.tokensFile, { owner: "carol", scopes });
    return { client: await server.client({ token, protocol: 2 }), state, server };
  }

  test("though he may not run the command that gives them", async () => {
    const { client: carol } = await client(["discover", "run:backup"]);
    expect((await carol.list()).map(({ name }) => name)).toEqual(["backup"]);
    expect(await schemaOf(carol)).toMatchObject({ enum: ["nether"] });
    expect(await carol.call("backup", { world: "nether" })).toBe("backed up nether");
    await expect(carol.call("list_worlds")).rejects.toMatchObject({ code: "command_not_found" });
  });

  test("others make the server ask nothing", async () => {
    const { client: carol, state } = await client(["discover", "run:other"]);
    expect(await carol.list()).toEqual([]);
    await expect(carol.call("backup", { world: "nether" })).rejects.toMatchObject({ code: "command_not_found" });
    expect(state.asked).toBe(0);
  });

  test("the log tells that the server asked, and the run is nobody's", async () => {
    const { client: carol, server } = await client(["discover", "run:*"]);
    await carol.call("backup", { world: "nether" });
    expect(JSON.stringify(await carol.runs())).not.toContain("list_worlds");
    const lines = logLines(await server.logged()).filter(({ command }) => command === "list_worlds");
    expect(lines).toMatchObject([{ owner: "choices", tokenId: null, source: "choices", status: "completed" }]);
  });
});

describe("values that cannot be had", () => {
  test.each<[string, unknown, object]>([
    ["a command that throws", new Error("canary-of-the-database"), {}],
    ["what is no list", { nether: true }, {}],
    ["what is no list of texts", ["nether", 5], {}],
    ["too many", ["a", "b", "c"], { maxChoices: 2 }],
  ])("%s: the call fails and does not run, the log says why, and discovery goes on", async (_, worlds, limits) => {
    const server = await startServer({ commands: [giver(worlds).command, backup], limits });
    const client = await server.client({ protocol: 2 });
    const error: unknown = await client.call("backup", { world: "nether" }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "failed", message: expect.stringContaining('argument "world"') as string });
    expect(String(error)).not.toContain("canary");
    expect(await schemaOf(client)).toEqual({ type: "string" });
    expect(await server.logged()).toMatch(/command_rejected/);
  });

  test("a command that does not exist, or needs arguments", async () => {
    const needy = defineCommand({
      name: "list_worlds",
      args: declareArguments({ of: { type: "string" } }),
      run: () => ["nether"],
    });
    for (const commands of [[backup], [backup, needy]]) {
      const client = await (await startServer({ commands })).client({ protocol: 2 });
      await expect(client.call("backup", { world: "nether" })).rejects.toMatchObject({ code: "failed" });
      expect(await schemaOf(client)).toEqual({ type: "string" });
    }
  });

  test("a command that takes too long", async () => {
    const slow = defineCommand({ name: "list_worlds", run: () => new Promise<never>(() => {}) });
    const server = await startServer({
      commands: [slow, backup],
      limits: { choicesTimeoutMs: 100, killGraceMs: 50, lingerTimeoutMs: 50 },
    });
    const client = await server.client({ protocol: 2 });
    await expect(client.call("backup", { world: "nether" })).rejects.toMatchObject({ code: "failed" });
    expect(await client.list()).toHaveLength(2);
  });

  test("commands that would wait for each other are refused before there is a call", () => {
    const one = (name: string, from: string) =>
      defineCommand({
        name,
        args: declareArguments({ world: { type: "string", default: "x", choices: { from } } }),
        run: () => ["x"],
      });
    const circle =
      (...commands: Command[]) =>
      () =>
        new Server({ commands, port: 0 });
    const refusal: unknown = expect.objectContaining({
      code: "usage",
      message: expect.stringMatching(/a circle/) as string,
    });
    expect(circle(one("one", "one"))).toThrow(refusal);
    expect(circle(one("one", "two"), one("two", "three"), one("three", "one"))).toThrow(refusal);
    expect(circle(one("one", "two"), one("two", "three"), one("four", "two"))).not.toThrow();
  });

  test("a failure is not kept", async () => {
    const { command, state } = giver(new Error("not yet"));
    const server = await startServer({ commands: [command, backup] });
    const client = await server.client({ protocol: 2 });
    await expect(client.call("backup", { world: "nether" })).rejects.toMatchObject({ code: "failed" });
    state.worlds = ["nether"];
    expect(await client.call("backup", { world: "nether" })).toBe("backed up nether");
  });

  test("none at all: no value fits", async () => {
    const client = await (await startServer({ commands: [giver([]).command, backup] })).client({ protocol: 2 });
    await expect(client.call("backup", { world: "" })).rejects.toMatchObject({ code: "invalid_arguments" });
    expect(await schemaOf(client)).toEqual({ type: "string" });
  });
});

test("more values than discovery has room for are examples, and all of them fit", async () => {
  const worlds = Array.from({ length: 5_000 }, (_, index) => `world-${index}`);
  const client = await (await startServer({ commands: [giver(worlds).command, backup] })).client({ protocol: 1 });
  const { examples } = (await schemaOf(client)) as { examples: string[] };
  expect(examples).toEqual(worlds.slice(0, examples.length));
  expect(examples.length).toBeGreaterThan(100);
  expect(await client.call("backup", { world: "world-4999" })).toBe("backed up world-4999");
});

test("several arguments share that room, so that the listing stays within a page", async () => {
  const worlds = Array.from({ length: 500 }, (_, index) => `world-${index}`);
  const names = ["a", "b", "c", "d", "e", "f"];
  const many = defineCommand({
    name: "many",
    args: declareArguments(
      Object.fromEntries(names.map((name) => [name, { type: "enum", choices: { from: "list_worlds" } }] as const)),
    ),
    run: () => 1,
  });
  const client = await (
    await startServer({ commands: [giver(worlds).command, many], tls: true })
  ).client({ protocol: 1 });
  expect(await client.list()).toHaveLength(2);
  expect(await schemaOf(client, "a", "many")).toHaveProperty("examples");
  expect(await schemaOf(client, "f", "many")).toEqual({ type: "string" });
});

describe("a script gives values", () => {
  const print = (text: string): Command => {
    const file = path.join(temporaryFolder(), "values");
    writeFileSync(file, text);
    return defineScript({ name: "list_worlds", run: ["cat", file] });
  };

  test.each([
    ["one a line", "nether\nover world\r\n\nend", ["nether", "over world", "end"]],
    ["one a line, with blanks at their ends", " a \n\tb\r\n", [" a ", "\tb"]],
    ["one a line, of which the first begins as JSON does", "[draft].txt\nnether\n", ["[draft].txt", "nether"]],
    ["one a line, of which one is JSON, but no list of texts", '["a", 5]\n', ['["a", 5]']],
    ["as a JSON list", ' ["a\\nb", "[c]"]\n', ["a\nb", "[c]"]],
  ])("%s", async (_, text, values) => {
    const client = await (await startServer({ commands: [print(text), backup] })).client({ protocol: 2 });
    expect(await schemaOf(client)).toMatchObject({ enum: values });
  });

  test.each(["json", "lines"] as const)("as its value, with output: %s", async (output) => {
    const text = output === "json" ? '["nether", "end"]' : "nether\nend\n";
    const file = path.join(temporaryFolder(), "values");
    writeFileSync(file, text);
    const list = defineScript({ name: "list_worlds", run: ["cat", file], output });
    const client = await (await startServer({ commands: [list, backup] })).client({ protocol: 2 });
    expect(await schemaOf(client)).toMatchObject({ enum: ["nether", "end"] });
  });

  // PITFALLS 2, GHSA-vc6p-m6vx-6cwq: what a command prints is data in the next one, as what a caller sends is.
  test("that are shell text or options are values in the next script, byte for byte or refused", async () => {
    const show = defineScript({
      name: "show",
      run: ["printf", "%s\\n", "{worlds}"],
      args: { worlds: { type: "list", items: { type: "string", choices: { from: "list_worlds" } } } },
    });
    const values = ["$(reboot)", "`id`; rm -rf /", "'\"\\", "-rf"];
    const client = await (await startServer({ commands: [print(values.join("\n")), show] })).client({ protocol: 2 });
    expect(await schemaOf(client, "worlds", "show")).toMatchObject({ items: { enum: values } });
    const { stdout } = (await client.call("show", { worlds: values.slice(0, 3) })) as { stdout: string };
    expect(stdout).toBe(`${values.slice(0, 3).join("\n")}\n`);
    await expect(client.call("show", { worlds: ["-rf"] })).rejects.toMatchObject({ code: "invalid_arguments" });
    await expect(client.call("show", { worlds: ["$(id)"] })).rejects.toMatchObject({ code: "invalid_arguments" });
  });
});

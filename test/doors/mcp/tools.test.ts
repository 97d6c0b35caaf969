/** Commands as tools: what a client of the SDK sees and gets, over each way, in each revision. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { type CommandContext, declareArguments, defineCommand, defineScript } from "iscep";
import type { ArgumentDeclarations } from "#iscep/commands/arguments/declaration";
import { addToken } from "#iscep/identity/tokens-writer";
import { watchForLeaks } from "../../support/leaks.js";
import { gate } from "../../support/commands.js";
import { endOf, everyWay, mcpClient, runOf, startMcpServer, wordsOf } from "../../support/mcp.js";
import { tokens, type TestServerOptions } from "../../support/servers.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { until } from "../../support/until.js";

watchForLeaks();

const greet = defineCommand({
  name: "greet",
  description: "Greet somebody",
  args: declareArguments({ name: { type: "string", description: "Who" } }),
  readOnly: true,
  run: ({ name }) => `hello ${name}`,
});

const add = defineCommand({
  name: "world:add.now",
  args: declareArguments({ password: { type: "secret", optional: true } }),
  idempotent: true,
  run: (_, { output }) => {
    void output.write("stderr", "adding\n");
    return { added: 1 };
  },
});

const hidden = defineCommand({ name: "hidden", hiddenFrom: ["mcp"], run: () => "secret" });

function shell(name: string, lines: string, { more = [], args = {} }: ShellOptions = {}) {
  const file = path.join(temporaryFolder(), "program");
  writeFileSync(file, `#!/bin/sh\n${lines}\n`, { mode: 0o700 });
  return defineScript({ name, run: [file, ...more], args });
}

interface ShellOptions {
  readonly more?: readonly string[];
  readonly args?: ArgumentDeclarations;
}

const start = (options: TestServerOptions = {}) => startMcpServer({ commands: [greet, add, hidden], ...options });

describe.each(everyWay)("over %s in %s", (...how) => {
  test("every command is a tool with a name that clients take, its schema, and all four hints", async () => {
    const { client } = await mcpClient(how, await start());
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual([
      "greet",
      "world_add_now",
      "run_wait",
      "run_output",
      "run_cancel",
      "run_list",
    ]);
    expect(tools[0]).toMatchObject({
      title: "greet",
      description: "Greet somebody",
      inputSchema: {
        type: "object",
        properties: { name: { type: "string", description: "Who" } },
        required: ["name"],
        additionalProperties: false,
      },
      annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: true },
    });
    expect(tools[1]).toMatchObject({
      title: "world:add.now",
      inputSchema: { properties: { password: { writeOnly: true } } },
      annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: true },
    });
    for (const { annotations } of tools) {
      const hints = ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"];
      expect(Object.keys(annotations ?? {})).toEqual(expect.arrayContaining(hints));
    }
  });

  test("a value is told as text, with the output before it", async () => {
    const { client } = await mcpClient(how, await start());
    const greeted = await client.callTool({ name: "greet", arguments: { name: "Ada" } });
    expect(greeted).toMatchObject({ content: [{ type: "text", text: "hello Ada" }] });
    expect(greeted.isError).not.toBe(true);
    const added = await client.callTool({ name: "world_add_now", arguments: {} });
    expect(added.content).toEqual([
      { type: "text", text: "adding\n" },
      { type: "text", text: '{"added":1}' },
    ]);
    expect(added).not.toHaveProperty("structuredContent");
  });

  test("wrong arguments are refused by the server's own check, in words that a model can act on", async () => {
    const { client } = await mcpClient(how, await start());
    const refused = await client.callTool({ name: "greet", arguments: { name: 7, nmae: "x" } });
    expect(refused.isError).toBe(true);
    expect(refused).not.toHaveProperty("structuredContent");
    expect(wordsOf(refused)).toMatch(/did not start: .*"nmae".*\(invalid_arguments\)\. Nothing ran\./s);
  });

  test("a tool that there is not, is hidden, or may not be called, gets the same answer", async () => {
    const server = await start({ tokens: {} });
    const { token } = await addToken(server.tokensFile, {
      owner: "ada",
      scopes: ["discover", "run:greet", "run:hidden"],
    });
    const { client } = await mcpClient(how, server, { token });
    expect(wordsOf(await client.callTool({ name: "greet", arguments: { name: "Ada" } }))).toBe("hello Ada");
    const words = async (name: string) =>
      client.callTool({ name, arguments: {} }).then(
        () => "ran",
        (error: unknown) => String(error),
      );
    const [first, ...others] = await Promise.all(
      ["hidden", "world_add_now", "nothing", "iscep.list", "__proto__"].map(words),
    );
    expect(first).toMatch(/There is no such command, or this token may not run it/);
    for (const other of others) expect(other).toBe(first);
  });

  test("a failed script is an error with its exit code and its output", async () => {
    const fails = shell("fails", "echo some; echo more >&2; exit 3");
    const { client } = await mcpClient(how, await start({ commands: [fails] }));
    const failed = await client.callTool({ name: "fails", arguments: {} });
    expect(failed.isError).toBe(true);
    expect(failed).not.toHaveProperty("structuredContent");
    expect(wordsOf(failed)).toMatch(/^The run failed: .*exit code 3.*\(failed, exit code 3\)/);
    expect(wordsOf(failed)).toContain("some\n");
    expect(wordsOf(failed)).toContain("more\n");
  });

  test("output is cut for a model's eyes, and run_output reads what was left out, byte for byte", async () => {
    const lines = Array.from({ length: 4_000 }, (_, index) => `línea ${index}\n`).join("");
    const prints = defineCommand({
      name: "prints",
      run: async (_, { output }) => {
        for (let at = 0; at < lines.length; at += 1_000) await output.write("stdout", lines.slice(at, at + 1_000));
      },
    });
    const { client } = await mcpClient(how, await start({ commands: [prints], limits: { maxMcpTextBytes: 4_096 } }));
    const first = await client.callTool({ name: "prints", arguments: {} });
    const [shown = ""] = first.content.map((block) => (block.type === "text" ? block.text : ""));
    expect(Buffer.byteLength(shown)).toBeLessThan(4_200);
    expect(shown.startsWith("línea 0\n")).toBe(true);
    expect(shown.endsWith("línea 3999\n")).toBe(true);
    const [, said = "{}"] = /run_output (\{.*?\})/.exec(wordsOf(first)) ?? [];
    let next = JSON.parse(said) as { run: string; offset: number };
    const from = next.offset;
    let read = "";
    for (let pages = 0; pages < 40; pages++) {
      const page = await client.callTool({ name: "run_output", arguments: next });
      const [text = "", place = ""] = page.content.map((block) => (block.type === "text" ? block.text : ""));
      read += text;
      const [, more] = /run_output (\{.*?\}) goes on/.exec(place) ?? [];
      if (more === undefined) break;
      next = JSON.parse(more) as { run: string; offset: number };
    }
    expect(read).toBe(Buffer.from(lines).subarray(from).toString());
    const endFrom = async (offset: number) =>
      wordsOf(await client.callTool({ name: "run_output", arguments: { run: next.run, offset } }));
    expect(await endFrom(-12)).toMatch(/^línea 3999\n/);
    // This cuts in the middle of a character.
    expect(await endFrom(-10)).toMatch(/^nea 3999\n/);
  });

  test("a large value is cut, and the rest of it is read with run_output", async () => {
    const value = { text: "é".repeat(4_000) };
    const large = defineCommand({ name: "large", run: () => value });
    const { client } = await mcpClient(how, await start({ commands: [large], limits: { maxMcpTextBytes: 4_096 } }));
    let answer = await client.callTool({ name: "large", arguments: {} });
    let whole = "";
    for (;;) {
      const [text = ""] = answer.content.map((block) => (block.type === "text" ? block.text : ""));
      whole += text;
      const [, more] = /run_output (\{.*?\}) goes on/.exec(wordsOf(answer)) ?? [];
      if (more === undefined) break;
      answer = await client.callTool({ name: "run_output", arguments: JSON.parse(more) as Record<string, unknown> });
    }
    expect(JSON.parse(whole)).toEqual(value);
  });

  test("a call that takes long answers with the run's id in time, and nothing of the run is lost", async () => {
    const slow = gate("slow");
    const server = await start({ commands: [slow.command], limits: { mcpAnswerMs: 50 } });
    const { client } = await mcpClient(how, server);
    const first = await client.callTool({ name: "slow", arguments: { tag: "done" } });
    expect(first.isError).not.toBe(true);
    const run = runOf(first);
    expect(wordsOf(first)).toContain(`run_wait {"run":"${run}","offset":0}`);
    const still = await client.callTool({ name: "run_wait", arguments: { run } });
    expect(wordsOf(still)).toContain("still goes on");
    slow.open();
    const last = await endOf(client, run);
    expect(last.content).toEqual([{ type: "text", text: "done" }]);
    expect(slow.state).toMatchObject({ started: 1, ended: 1, aborted: 0 });
  });

  test("a run whose answer was its id goes on when its client is gone, and another client finds it", async () => {
    const slow = gate("slow");
    const server = await start({ commands: [slow.command], limits: { mcpAnswerMs: 50, callerGraceMs: 1 } });
    const { client, cut } = await mcpClient(how, server);
    const run = runOf(await client.callTool({ name: "slow", arguments: { tag: "found" } }));
    await cut();
    const second = await mcpClient(how, server);
    const list = await second.client.callTool({ name: "run_list", arguments: { status: "running" } });
    expect(wordsOf(list)).toMatch(new RegExp(`^${run} slow: running, `));
    slow.open();
    const last = await endOf(second.client, run);
    expect(wordsOf(last)).toBe("found");
  });

  test("a run can be waited for and read again and again, however many calls a connection may have", async () => {
    const slow = gate("slow");
    const prints = defineCommand({
      name: "prints",
      run: async (_, { output, signal }) => {
        await output.write("stdout", "printed\n");
        await (slow.command.run({}, { signal } as CommandContext) as Promise<unknown>);
      },
    });
    const limits = { mcpAnswerMs: 10, maxCallsInFlight: 6 };
    const { client } = await mcpClient(how, await start({ commands: [prints], limits }));
    const run = runOf(await client.callTool({ name: "prints", arguments: {} }));
    for (let count = 0; count < 10; count++) {
      const waited = wordsOf(await client.callTool({ name: "run_wait", arguments: { run } }));
      expect(waited).toContain("still goes on");
      const read = wordsOf(await client.callTool({ name: "run_output", arguments: { run } }));
      expect(read).toMatch(/^printed\n\nBytes 0 to 8 of 8 so far\./);
    }
    expect(slow.state).toMatchObject({ started: 1, aborted: 0 });
    slow.open();
    expect(wordsOf(await endOf(client, run))).toBe("printed\n");
  });

  test("run_cancel stops a run, and run_wait says so", async () => {
    const slow = gate("slow");
    const { client } = await mcpClient(how, await start({ commands: [slow.command], limits: { mcpAnswerMs: 50 } }));
    const run = runOf(await client.callTool({ name: "slow", arguments: {} }));
    await client.callTool({ name: "run_cancel", arguments: { run } });
    const last = await endOf(client, run);
    expect(last.isError).toBe(true);
    expect(wordsOf(last)).toMatch(/^The run was cancelled: .*\(cancelled\)/);
    expect(slow.state.aborted).toBe(1);
  });

  test("a client that asks for progress hears of a silent run, and of what a run tells", async () => {
    const slow = gate("slow");
    const tells = defineCommand({
      name: "tells",
      run: async (_, { progress, signal }) => {
        progress(0.5, "half\u001b[2J");
        await until(() => heard.some(({ progress: value }) => value >= 0.5) || signal.aborted);
      },
    });
    const limits = { mcpProgressIntervalMs: 5, mcpNewsIntervalMs: 1 };
    const { client } = await mcpClient(how, await start({ commands: [slow.command, tells], limits }));
    let heard: { progress: number; total?: number | undefined; message?: string | undefined }[] = [];
    const onprogress = (told: (typeof heard)[number]) => void heard.push(told);
    const waiting = client.callTool({ name: "slow", arguments: {} }, { onprogress });
    await until(() => heard.length >= 3);
    slow.open();
    await waiting;
    const values = heard.map(({ progress }) => progress);
    expect(values).toEqual(values.toSorted((a, b) => a - b));
    expect(new Set(values).size).toBe(values.length);
    heard = [];
    await client.callTool({ name: "tells", arguments: {} }, { onprogress });
    expect(heard.at(-1)).toMatchObject({ total: 1, message: "half\\x1b[2J" });
  });

  test("without a progress token, nothing but the answer is sent", async () => {
    const slow = gate("slow");
    const limits = { mcpProgressIntervalMs: 1, mcpNewsIntervalMs: 1 };
    const { client } = await mcpClient(how, await start({ commands: [slow.command], limits }));
    const heard: unknown[] = [];
    client.fallbackNotificationHandler = async (notification) => void heard.push(notification);
    const waiting = client.callTool({ name: "slow", arguments: {} });
    await slow.started(1);
    slow.open();
    await waiting;
    expect(heard).toEqual([]);
  });

  test("hostile output, names and descriptions become visible text", async () => {
    const tag = String.fromCodePoint(0xe0041);
    const hostile = `\u001b[31mred\u001b[0m\u001b]52;c;aGk=\u0007\u202e${tag}\u200b\r`;
    const evil = defineCommand({
      name: "evil",
      description: hostile,
      args: declareArguments({ enum: { type: "string", description: hostile, optional: true } }),
      run: async (_, { output }) => {
        await output.write("stdout", hostile);
        return hostile;
      },
    });
    const { client } = await mcpClient(how, await start({ commands: [evil] }));
    const seen = String.raw`red\x1b]52;c;aGk=\x07\u202e\u{e0041}\u{200b}\x0d`;
    const { tools } = await client.listTools();
    expect(tools[0]).toMatchObject({
      description: seen,
      inputSchema: { properties: { enum: { description: seen } } },
    });
    expect((await client.callTool({ name: "evil", arguments: {} })).content).toEqual([
      { type: "text", text: seen },
      { type: "text", text: seen },
    ]);
  });

  test("secrets are shown nowhere", async () => {
    const leaks = shell("leaks", 'echo "it is $(cat "$1")"; exit 1', {
      args: { password: { type: "secret" } },
      more: ["{password:file}"],
    });
    const { client } = await mcpClient(how, await start({ commands: [leaks] }));
    const answer = await client.callTool({ name: "leaks", arguments: { password: "hunter2-hunter2" } });
    expect(wordsOf(answer)).toContain("it is ***");
    expect(wordsOf(answer)).toContain("*** stands for a secret.");
    expect(JSON.stringify(answer)).not.toContain("hunter2-hunter2");
    expect(JSON.stringify(await client.callTool({ name: "run_list", arguments: {} }))).not.toContain("hunter2");
  });

  test("the trace of the caller reaches the script", async () => {
    const traced = shell("traced", 'echo "$TRACEPARENT"');
    const { client } = await mcpClient(how, await start({ commands: [traced] }));
    const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
    const _meta = { traceparent: `00-${traceId}-00f067aa0ba902b7-01` };
    expect(wordsOf(await client.callTool({ name: "traced", arguments: {}, _meta }))).toContain(traceId);
    const nonsense = { traceparent: "nonsense" };
    expect(wordsOf(await client.callTool({ name: "traced", arguments: {}, _meta: nonsense }))).toBe("\n");
  });

  test("more tools than fit on a page come on the next, and each once", async () => {
    const commands = Array.from({ length: 7 }, (_, index) => defineCommand({ name: `c${index}`, run: () => index }));
    const { client } = await mcpClient(how, await start({ commands, limits: { maxMcpTools: 3 } }));
    const first = await client.listTools({ cursor: "" });
    expect(first.tools.map(({ name }) => name)).toEqual(["c0", "c1", "c2"]);
    const second = await client.listTools({ cursor: first.nextCursor });
    expect(second.tools.map(({ name }) => name)).toEqual(["c3", "c4", "c5"]);
    const third = await client.listTools({ cursor: second.nextCursor });
    expect(third.tools.map(({ name }) => name)).toEqual(["c6", "run_wait", "run_output", "run_cancel", "run_list"]);
    expect(third.nextCursor).toBeUndefined();
  });

  test("a run of another owner is told of by nobody", async () => {
    const slow = gate("slow");
    // The answer is due before the server has answered, and must still not be a guess.
    const server = await start({ commands: [slow.command], limits: { mcpAnswerMs: 1 } });
    const alice = await mcpClient(how, server);
    const run = runOf(await alice.client.callTool({ name: "slow", arguments: {} }));
    const bob = await mcpClient(how, server, { token: tokens.bob });
    for (const name of ["run_wait", "run_output", "run_cancel"]) {
      const refused = await bob.client.callTool({ name, arguments: { run } });
      expect(refused.isError).toBe(true);
      expect(wordsOf(refused)).toMatch(/^There is no such run.*\(run_not_found\)/);
    }
    expect(wordsOf(await bob.client.callTool({ name: "run_list", arguments: {} }))).toBe("There is no such run.");
    slow.open();
  });
});

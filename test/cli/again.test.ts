import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { connect, declareArguments, defineCommand, defineScript, Server, type ServerOptions } from "iscep";
import { iscep, serve, type Ended } from "../support/iscep.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { logLines, readLogs } from "../support/servers.js";

const secret = "tr0ub4dor-and-3";

const backup = defineCommand({
  name: "backup",
  logArgs: true,
  args: declareArguments({
    world: { type: "string" },
    level: { type: "integer", default: 3 },
    tags: { type: "list", items: { type: "string" }, optional: true },
    password: { type: "secret", optional: true },
  }),
  run: ({ password, ...rest }) => ({ ...rest, withPassword: password !== undefined }),
});

const quiet = defineCommand({
  name: "quiet",
  args: declareArguments({ world: { type: "string" } }),
  run: ({ world }) => world,
});

const hidden = defineCommand({
  name: "hidden",
  logArgs: false,
  args: declareArguments({ world: { type: "string" } }),
  run: ({ world }) => world,
});

const plain = defineCommand({ name: "plain", run: () => "done" });

const say = defineScript({
  name: "say",
  run: ["/bin/echo", "{text}"],
  args: { text: { type: "string" } },
  logArgs: true,
});

async function served(options: ServerOptions = {}) {
  const folder = temporaryFolder();
  const settings = {
    commands: [backup, quiet, hidden, plain, say],
    unix: join(folder, "s.sock"),
    logs: join(folder, "logs"),
    runsFolder: join(folder, "runs"),
    ...options,
  };
  const server = new Server(settings);
  onTestFinished(() => server.close({ graceMs: 0 }));
  const { url } = await server.listen();
  const call = (...words: string[]): Promise<Ended> =>
    iscep(words, { folder, environment: { ISCEP_URL: url }, input: "" });
  const ran = async (command: string, args: Record<string, unknown> = {}): Promise<string> => {
    await using client = await connect(url);
    const run = client.run(command, args);
    await run.outcome;
    return await run.id;
  };
  return { folder, server, url, call, ran, settings };
}

describe("values of arguments", () => {
  test("are told by the log, by `runs show` and by the record of a run whose command has logArgs, without secrets", async () => {
    const { folder, server, url, call, ran } = await served();
    const run = await ran("backup", { world: "ne\u202Ether", tags: ["a", "b"], password: secret });
    const kept = { world: "ne\u202Ether", level: 3, tags: ["a", "b"] };
    await using client = await connect(url);
    expect((await client.runs({ run })).runs[0]).toMatchObject({ arguments: kept, argumentsOmitted: ["password"] });
    const shown = (await call("runs", "show", run)).stdout;
    expect(shown).toContain(String.raw`world = "ne\u202ether"`);
    expect(shown).toContain("password: not kept");
    await client.close();
    await server.close();
    const text = readLogs(join(folder, "logs"));
    expect(text).not.toContain(secret);
    expect(text).not.toContain("\u202E");
    expect(logLines(text).find(({ runId }) => runId === run)).toMatchObject({
      arguments: kept,
      argumentsOmitted: ["password"],
    });
  });

  test("are kept with the run over a restart, for functions and scripts", async () => {
    const { server, ran, settings } = await served();
    const runs = [await ran("backup", { world: "end" }), await ran("say", { text: "hello" })];
    await server.close();
    const again = new Server(settings);
    onTestFinished(() => again.close({ graceMs: 0 }));
    await using client = await connect((await again.listen()).url);
    const records = await Promise.all(runs.map(async (run) => (await client.runs({ run })).runs[0]));
    expect(records).toMatchObject([{ arguments: { world: "end", level: 3 } }, { arguments: { text: "hello" } }]);
  });

  test("are kept of no call that was refused, and of no command without logArgs", async () => {
    const { folder, server, url, ran } = await served();
    const run = await ran("quiet", { world: "nether" });
    await expect(ran("backup", { world: "overworld", unknown: true })).rejects.toMatchObject({
      code: "invalid_arguments",
    });
    await using client = await connect(url);
    expect((await client.runs({ run })).runs[0]).not.toHaveProperty("arguments");
    await client.close();
    await server.close();
    expect(readLogs(join(folder, "logs"))).not.toMatch(/nether|overworld/);
  });

  test("follow the server's logArgs where the command does not say", async () => {
    const { url, ran } = await served({ logArgs: true });
    await using client = await connect(url);
    const recordOf = async (run: string) => (await client.runs({ run })).runs[0];
    expect(await recordOf(await ran("quiet", { world: "end" }))).toMatchObject({ arguments: { world: "end" } });
    expect(await recordOf(await ran("hidden", { world: "end" }))).not.toHaveProperty("arguments");
  });
});

describe("iscep call --again", () => {
  test("runs an earlier run once more, with changes", async () => {
    const { call, ran } = await served();
    const run = await ran("backup", { world: "end", tags: ["a"] });
    expect(JSON.parse((await call("call", "--again", run)).stdout)).toEqual({
      world: "end",
      level: 3,
      tags: ["a"],
      withPassword: false,
    });
    expect((await call("call", "--json", "--again", run, "--world", "nether", "--level=5")).stdout).toContain(
      '{"world":"nether","level":5,"tags":["a"]',
    );
  });

  test("asks for secrets again, and says so where it cannot ask", async () => {
    const { folder, call, ran } = await served();
    const run = await ran("backup", { world: "end", password: secret });
    expect(await call("call", "--again", run)).toMatchObject({
      code: 64,
      stderr: expect.stringContaining(
        'the value of argument "password" was not kept; give it again: --password-file FILE',
      ),
    });
    writeFileSync(join(folder, "password"), secret);
    expect((await call("call", "--again", run, "--password-file", "password")).stdout).toContain(
      '"withPassword": true',
    );
  });

  test("says what to do where arguments were not kept, and needs none for a command without any", async () => {
    const { call, ran } = await served();
    const refused = await call("call", "--again", await ran("quiet", { world: "end" }));
    expect(refused.code).toBe(64);
    expect(refused.stderr).toContain("call quiet with its arguments, and set log_args: true for it");
    expect((await call("call", "--again", await ran("plain"))).stdout).toBe("done\n");
    expect((await call("call", "--again", "01234567-89ab-7def-8123-456789abcdef")).stderr).toContain("run");
  });
});

describe("logs: { to, format }", () => {
  test("writes all logs as JSON lines on standard error, and nothing else", async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "state"));
    const file = join(folder, "iscep.yaml");
    writeFileSync(
      file,
      "listen: unix:s.sock\nlogs: { to: stderr, format: json }\nlog_args: true\ncommands:\n  say:\n    run: [echo, '{text}']\n    args: { text: { type: string } }\n    schedule: { cron: '@yearly', args: { text: x } }\n  fails: { run: [sh, -c, 'exit 3'], output: none }\n",
    );
    const { url, stop } = await serve([file], { folder });
    await using client = await connect(url);
    await client.call("say", { text: "hello" });
    await client.call("fails").catch(() => {});
    await client.close();
    const { stderr, code } = await stop();
    expect(code).toBe(0);
    const lines = logLines(stderr);
    expect(new Set(lines.map(({ log }) => log))).toEqual(new Set(["access", "commands", "error"]));
    expect(lines.filter(({ log, status }) => log === "commands" && status === "completed")).toMatchObject([
      { command: "say", arguments: { text: "hello" } },
    ]);
    expect(lines.find(({ event }) => event === "start")).toMatchObject({ log: "error", level: "info" });
  });

  test("on standard output, the address is a line of JSON too", async () => {
    const folder = temporaryFolder();
    const file = join(folder, "iscep.yaml");
    writeFileSync(file, "listen: unix:s.sock\nlogs: { to: stdout }\ncommands:\n  say: { run: [echo] }\n");
    const { line, url, stop } = await serve([file], { folder });
    expect(JSON.parse(line)).toMatchObject({ event: "listening" });
    await using client = await connect(url);
    await client.call("say");
    await client.close();
    const { stdout } = await stop();
    expect(logLines(stdout).map(({ log }) => log)).toContain("commands");
  });
});

/** The command line against a service on a real broker. */
import path from "node:path";
import { describe, expect, test } from "vitest";
import { defineScript, Server, type Command } from "iscep";
import { natsDoor } from "#iscep/doors/nats/door";
import { later } from "../support/cleanup.js";
import { gate, originalTasks } from "../support/commands.js";
import { ended, iscep, startIscep, type RunOptions } from "../support/iscep.js";
import { startProcess } from "../support/iscep-process.js";
import { NatsServer, natsServerProgram } from "../support/nats-server.js";
import { tokens, writeTokens } from "../support/servers.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { until } from "../support/until.js";

const lines = defineScript({ name: "lines", run: ["sh", "-c", "printf 'one\\ntwo'; echo three >&2"] });

const add = originalTasks[1];

/** Fails with the exit code 0. */
const strict = defineScript({ name: "strict", run: ["true"], successCodes: [1] });

/** The first instance has exit code 0, and the others have this one. */
function exits(code: number) {
  return defineScript({ name: "exits", run: ["sh", "-c", `exit ${code}`] });
}

interface Running {
  readonly nats: NatsServer;
  readonly servers: readonly Server[];
  readonly options: RunOptions;
  call(...words: string[]): ReturnType<typeof iscep>;
}

async function service(...instances: readonly (readonly Command[])[]): Promise<Running> {
  const nats = await NatsServer.start();
  const folder = temporaryFolder();
  const tokensFile = path.join(folder, "tokens.json");
  writeTokens(tokensFile, tokens);
  const servers: Server[] = [];
  for (const commands of instances) {
    const doors = [natsDoor({ url: `${nats.url}/world` })];
    const server = new Server({ commands, listen: [], tokens: tokensFile, doors });
    later(() => server.close({ graceMs: 0 }));
    await server.listen();
    servers.push(server);
  }
  const environment = { ISCEP_URL: `${nats.url}/world`, ISCEP_TOKEN: tokens.alice };
  const options = { folder, environment };
  return { nats, servers, options, call: (...words) => iscep(words, options) };
}

function rows(text: string): string[][] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => line.split(/ {2,}/));
}

describe.skipIf(natsServerProgram === undefined)("a service on a broker", () => {
  test("is called as a server is", async () => {
    const { call } = await service([add, lines], [add, lines]);
    expect(await call("call", "add", "--a", "1", "--b", "2")).toMatchObject({ code: 0, stdout: "3\n", stderr: "" });
    expect(await call("call", "lines")).toMatchObject({ code: 0, stdout: "one\ntwo", stderr: "three\n" });
    const listed = await call("ls");
    expect(listed).toMatchObject({ code: 0 });
    expect(rows(listed.stdout).map(([name]) => name)).toEqual(["COMMAND", "add", "lines"]);
    expect((await call("ping")).code).toBe(0);
    const { stdout } = await call("runs", "--json");
    expect(JSON.parse(stdout)).toMatchObject([{ command: "lines", status: "completed" }, { command: "add" }]);
    expect(await call("call", "nothing")).toMatchObject({ code: 77 });
  });

  test("shows its instances, as a table and as JSON", async () => {
    const { call, servers } = await service([add], [add, lines]);
    const table = await call("instances");
    expect(table).toMatchObject({ code: 0, stderr: "" });
    const [header, ...shown] = rows(table.stdout);
    expect(header).toEqual(["INSTANCE", "STATE", "RUNNING", "WAITING", "COMMANDS", "VERSION", "UP"]);
    expect(shown.map(([, state, running, waiting]) => [state, running, waiting])).toEqual([
      ["ready", "0 of 64", "0"],
      ["ready", "0 of 64", "0"],
    ]);
    expect(shown.map((row) => row[4]).sort()).toEqual(["1", "2"]);
    const { stdout } = await call("instances", "--json");
    const told = JSON.parse(stdout) as { instance: string }[];
    expect(told).toMatchObject([{ state: "ready", places: 64 }, { state: "ready" }]);
    expect(told.map(({ instance }) => instance)).toEqual(shown.map(([instance]) => instance));
    await Promise.all(servers.map((server) => server.close()));
    expect(await call("instances")).toMatchObject({
      code: 0,
      stdout: "",
      stderr: "no instance of this service is there\n",
    });
  });

  test("calls one instance that was chosen, and completes their ids", async () => {
    const { call, options } = await service([add], [add]);
    const told = JSON.parse((await call("instances", "--json")).stdout) as { instance: string }[];
    const [first = "", second = ""] = told.map(({ instance }) => instance);
    expect(await call("call", "--to", second, "add", "--a", "1", "--b", "2")).toMatchObject({ code: 0, stdout: "3\n" });
    expect(await call("call", "--to", "nobodyatall1", "add", "--a", "1", "--b", "2")).toMatchObject({
      code: 69,
      stderr: expect.stringContaining("`iscep instances` lists them"),
    });
    // The list is empty, too, when the broker needed longer than somebody at a prompt waits.
    const completed = async (): Promise<(string | undefined)[]> => {
      const { stdout } = await iscep(["__complete", "bash", "iscep call --to "], options);
      return stdout
        .trim()
        .split("\n")
        .map((line) => line.split("\t")[0]?.trim());
    };
    await expect.poll(completed).toEqual([first, second]);
  });

  test("calls all instances: output with their names, a table, and exit code 0 only if all completed", async () => {
    const both = [lines, add, strict];
    const { call } = await service([...both, exits(0)], [...both, exits(3)], [...both, exits(3)]);
    const names = rows((await call("instances")).stdout)
      .slice(1)
      .map(([instance]) => instance ?? "");
    const all = await call("call", "--all", "lines");
    expect(all.code).toBe(0);
    const told = all.stdout.split("\n");
    for (const name of names) {
      expect(told.filter((line) => line.startsWith(`${name} | `))).toEqual([`${name} | one`, `${name} | two`]);
      expect(all.stderr).toContain(`${name} | three\n`);
    }
    const table = rows(all.stdout.slice(all.stdout.indexOf("INSTANCE")));
    expect(table.map(([name, outcome]) => [name, outcome])).toEqual([
      ["INSTANCE", "OUTCOME"],
      ...names.map((name) => [name, "completed"]),
    ]);
    const sums = await call("call", "--all", "add", "--a", "1", "--b", "2");
    expect(rows(sums.stdout).map((row) => row[3])).toEqual(["RESULT", "3", "3", "3"]);
    // All that failed have the same exit code.
    const failed = await call("call", "--all", "exits");
    expect(failed.code).toBe(3);
    expect(rows(failed.stdout).map((row) => row[1])).toEqual(
      expect.arrayContaining(["completed", "failed (exit code 3)"]),
    );
    expect((await call("call", "--all", "strict")).code).toBe(1);
    const json = JSON.parse((await call("call", "--all", "--json", "lines")).stdout) as unknown[];
    expect(json).toMatchObject(
      names.map((instance) => ({ instance, status: "completed", value: { stdout: "one\ntwo", exitCode: 0 } })),
    );
  });

  test("tells of each instance that did not do it, and why", async () => {
    // Only this one takes too long, however slow the machine is.
    const held = { ...gate("exits").command, timeoutMs: 300 };
    const { call, options } = await service([exits(0)], [exits(4)], [add], [held]);
    const running = startIscep(["call", "--all", "--timeout", "50s", "exits"], options);
    running.stdin.end();
    const { code, stdout } = await ended(running);
    expect(code).toBe(1);
    const outcomes = rows(stdout).map((row) => row[1]);
    expect([...outcomes].sort()).toEqual(
      ["OUTCOME", "completed", "failed (exit code 4)", "rejected (command_not_found)", "timeout"].sort(),
    );
    expect(await call("call", "--all", "--detach", "exits")).toMatchObject({ code: 64 });
  });

  test("is cancelled at all instances by Ctrl-C", async () => {
    const gates = [gate(), gate()];
    const { options } = await service(...gates.map(({ command }) => [command]));
    const running = startIscep(["call", "--all", "gate"], options);
    await Promise.all(gates.map(({ started }) => started(1)));
    running.kill("SIGINT");
    const { code, stdout } = await ended(running);
    expect(code).toBe(130);
    expect(rows(stdout).map((row) => row[1])).toEqual(["OUTCOME", "cancelled", "cancelled"]);
  });

  test("is cancelled at all instances when the reader of the output goes away", async () => {
    const endless = defineScript({ name: "endless", run: ["yes"] });
    const { call, options } = await service([endless], [endless]);
    const running = startProcess(["call", "--all", "endless"], options);
    const end = ended(running);
    running.stdout.once("data", () => running.stdout.destroy());
    expect(await end).toMatchObject({ code: 141, stderr: "" });
    const runs = JSON.parse((await call("runs", "--json")).stdout) as { status: string }[];
    expect(runs.map(({ status }) => status)).toEqual(["cancelled", "cancelled"]);
  });

  test("goes on at all instances when it shall keep running", async () => {
    const some = defineScript({ name: "some", run: ["sh", "-c", "seq 20000; exit 3"] });
    const { call, options } = await service([some], [some]);
    const running = startProcess(["call", "--all", "--keep-running", "some"], options);
    const end = ended(running);
    running.stdout.once("data", () => running.stdout.destroy());
    expect(await end).toMatchObject({ code: 3, stderr: "" });
    const runs = JSON.parse((await call("runs", "--json")).stdout) as { status: string }[];
    expect(runs.map(({ status }) => status)).toEqual(["failed", "failed"]);
  });

  test("keeps token and address by `iscep login`, and shows no secret of them", async () => {
    const { nats, options } = await service([add]);
    const as = { folder: options.folder, environment: { ISCEP_TOKEN: tokens.alice } };
    const url = `${nats.url.replace("nats://", "nats://me:hidden@")}/world`;
    expect(await iscep(["login", "many", url], as)).toMatchObject({ code: 0 });
    const alone = { folder: options.folder };
    expect(await iscep(["call", "--server", "many", "add", "--a", "1", "--b", "2"], alone)).toMatchObject({
      code: 0,
      stdout: "3\n",
    });
    const listed = await iscep(["servers", "--json"], alone);
    expect(JSON.parse(listed.stdout)).toEqual([{ name: "many", address: `${nats.url}/world`, hasToken: true }]);
    const seen = await iscep(["ping", "--url", url, "--token-file", "none"], alone);
    expect(seen).toMatchObject({ code: 64 });
  });

  test("says that the broker is gone, and what needs a service says so", async () => {
    const { nats, call, options } = await service([add]);
    await nats.kill();
    expect(await call("instances")).toMatchObject({
      code: 69,
      stderr: expect.stringMatching(/broker|cannot be reached/),
    });
    const server = new Server({ commands: [add], port: 0, tls: false });
    later(() => server.close({ graceMs: 0 }));
    const { url } = await server.listen();
    const single = { ...options, environment: { ISCEP_URL: url } };
    for (const words of [
      ["instances"],
      ["call", "--all", "add", "--a", "1", "--b", "2"],
      ["call", "--to", "x", "add", "--a", "1", "--b", "2"],
    ]) {
      expect(await iscep(words, single)).toMatchObject({
        code: 64,
        stderr: expect.stringContaining("nats://HOST:4222/NAME"),
      });
    }
  });

  test("is offered to an assistant too", async () => {
    const { options } = await service([add], [add]);
    const running = startIscep(["mcp"], options);
    let text = "";
    running.stdout.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    const send = (message: object): boolean =>
      running.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
    const clientInfo = { name: "test", version: "1" };
    send({ id: 1, method: "initialize", params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo } });
    send({ method: "notifications/initialized" });
    send({ id: 2, method: "tools/call", params: { name: "add", arguments: { a: 20, b: 22 } } });
    await until(() => text.includes('"id":2'));
    running.stdin.end();
    await ended(running);
    expect(text).toContain("42");
  });
});

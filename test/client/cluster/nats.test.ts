/** The same client over a real broker, with servers in this process as instances. */
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { connect, defineCommand, defineScript, Server, type ConnectOptions, type ServerOptions } from "iscep";
import { natsDoor } from "#iscep/doors/nats/door";
import { networkInterfaces } from "node:os";
import path from "node:path";
import { later } from "../../support/cleanup.js";
import { gate, originalTasks } from "../../support/commands.js";
import { errorOf } from "../../support/error-of.js";
import { watchForLeaks } from "../../support/leaks.js";
import { NatsServer, natsServerProgram } from "../../support/nats-server.js";
import { collect, patternBytes, writer } from "../../support/output.js";
import { tokens, writeTokens } from "../../support/servers.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { until } from "../../support/until.js";

watchForLeaks();

const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ family }) => family === "IPv6") === true);

const shout = defineScript({ name: "shout", stdin: true, run: ["tr", "a-z", "A-Z"] });

async function instanceOn(url: string, options: ServerOptions = {}): Promise<Server> {
  const tokensFile = path.join(temporaryFolder(), "tokens.json");
  writeTokens(tokensFile, tokens);
  const server = new Server({
    commands: originalTasks,
    listen: [],
    tokens: tokensFile,
    doors: [natsDoor({ url, name: "world" })],
    ...options,
  });
  later(() => server.close({ graceMs: 0 }));
  await server.listen();
  return server;
}

async function callerOn(url: string, options: ConnectOptions = {}) {
  const client = await connect(`${url}/world`, { token: tokens.alice, ...options });
  later(() => client.close());
  return client;
}

describe.skipIf(natsServerProgram === undefined)("over a broker", () => {
  test("calls, runs, output, input, progress and errors are as over a socket", async () => {
    const nats = await NatsServer.start();
    const say = defineCommand({
      name: "say",
      args: z.object({ text: z.string() }),
      run: async ({ text }, { output, progress }) => {
        await output.write("stderr", text);
        progress(0.5, "half");
        return text.length;
      },
    });
    const { command: write } = writer();
    await instanceOn(nats.url, { commands: [...originalTasks, say, shout, write] });
    const client = await callerOn(nats.url);
    expect(client.protocol).toBe(2);
    expect(await client.call("add", { a: 1, b: 2 })).toBe(3);
    expect(await client.whoAmI()).toMatchObject({ owner: "alice" });
    expect((await client.list()).map(({ name }) => name)).toContain("say");
    expect(await errorOf(client.call("add", { a: 1 }))).toMatchObject({ code: "invalid_arguments" });
    const run = client.run("say", { text: "hello" });
    expect((await collect(run)).stderr.toString()).toBe("hello");
    expect(await run.value).toBe(5);
    const loud = client.run("shout", {}, { stdin: "quiet" });
    expect((await collect(loud)).stdout.toString()).toBe("QUIET");
    const bytes = 4 * 1024 * 1024;
    const much = client.run("write", { bytes, piece: 50_000 });
    const { all } = await collect(much);
    expect(all.equals(patternBytes(0, bytes))).toBe(true);
    expect((await client.runs()).runs.map(({ command }) => command)).toEqual(["write", "shout", "say"]);
    const wrong = await callerOn(nats.url, { token: `${tokens.alice}x` });
    expect(await errorOf(wrong.call("noargs"))).toMatchObject({ code: "unauthorized" });
  });

  test("instances that start and leave are seen, and calls go where there is room", async () => {
    const nats = await NatsServer.start();
    const gates = [gate(), gate(), gate()];
    const servers = await Promise.all(
      gates.map(({ command }) => instanceOn(nats.url, { commands: [command], limits: { maxRuns: 2 } })),
    );
    const client = await callerOn(nats.url);
    expect(await client.instances()).toMatchObject(Array.from({ length: 3 }, () => ({ state: "ready", places: 2 })));
    const calls = Array.from({ length: 6 }, () => client.call("gate", {}, { wait: false }));
    await until(() => gates.every(({ state }) => state.started === 2));
    await until(async () =>
      (await client.instances()).every(({ state, running }) => state === "full" && running === 2),
    );
    expect(await errorOf(client.call("gate", {}, { wait: false }))).toMatchObject({ code: "busy" });
    const closing = servers[0]!.close({ graceMs: 20_000 });
    await until(async () => (await client.instances()).some(({ state }) => state === "draining"));
    for (const { open } of gates) open();
    expect(await Promise.all(calls)).toHaveLength(6);
    await closing;
    await until(async () => (await client.instances()).length === 2);
    const every = client.all("gate", {});
    await Promise.all(gates.slice(1).map(({ started }) => started(3)));
    for (const { open } of gates) open();
    expect((await every.outcomes).map(({ value }) => value)).toEqual(["through", "through"]);
  });

  test("a broker that is killed and comes again costs no run, and its absence is told", async () => {
    const nats = await NatsServer.start();
    const held = gate();
    await instanceOn(nats.url, { commands: [held.command] });
    const client = await callerOn(nats.url);
    const run = client.run("gate", {});
    await held.started(1);
    await run.id;
    await nats.kill("SIGKILL");
    await until(
      async () => (await errorOf(client.instances().then(() => client.call("none")))).code === "connect_failed",
    );
    await nats.restart();
    await until(async () => (await client.instances().catch(() => [])).length === 1);
    held.open();
    expect(await run.value).toBe("through");
    expect(held.state.started).toBe(1);
  });

  test("a service without instances, a broker that is not there, and options that do not fit are told apart", async () => {
    const nats = await NatsServer.start();
    const nobody = await callerOn(nats.url);
    expect(await errorOf(nobody.call("noargs"))).toMatchObject({
      code: "connect_failed",
      message: expect.stringContaining('no instance of "world"'),
    });
    expect(await nobody.instances()).toEqual([]);
    expect(await errorOf(connect(`${nats.url}/world`, { pin: "sha256:x" }))).toMatchObject({ code: "usage" });
    expect(await errorOf(connect(`${nats.url}/world`, { protocol: 1 }))).toMatchObject({ code: "usage" });
    expect(await errorOf(connect(nats.url))).toMatchObject({ code: "usage" });
    await nats.kill();
    expect(await errorOf(connect(`${nats.url}/world`))).toMatchObject({ code: "connect_failed" });
  });

  test.skipIf(!hasIpv6)("a broker that may be elsewhere must encrypt, or one says that it need not", async () => {
    const nats = await NatsServer.start();
    // Loopback, in a form that a broker on another machine might have.
    const elsewhere = `${nats.url.replace("127.0.0.1", "[::ffff:127.0.0.1]")}/world`;
    const refused = await errorOf(connect(elsewhere));
    expect(refused).toMatchObject({ code: "usage", message: expect.stringContaining("allowCleartext") });
    await (await connect(elsewhere, { allowCleartext: true })).close();
  });
});

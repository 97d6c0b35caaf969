/** The broker on bad days: it is killed, cut off, changed while it runs. What goes on must come back by itself. */
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { connect, defineCommand, Server, type Client, type ServerOptions } from "iscep";
import { httpDoor } from "iscep/http";
import { natsDoor } from "iscep/nats";
import { later } from "../../support/cleanup.js";
import { originalTasks } from "../../support/commands.js";
import { errorOf } from "../../support/error-of.js";
import { watchForLeaks } from "../../support/leaks.js";
import { NatsServer, natsServerProgram } from "../../support/nats-server.js";
import { stallingProxy } from "../../support/stalling-proxy.js";
import { until } from "../../support/until.js";

watchForLeaks();

const quick = { natsReconnectMs: 50, natsPingMs: 200, natsBeatMs: 200, reconnectMinDelayMs: 20 };

async function serve(url: string, options: ServerOptions = {}): Promise<Server> {
  const server = new Server({
    commands: originalTasks,
    listen: [],
    doors: [natsDoor({ url, name: "world" })],
    ...options,
    limits: { ...quick, ...options.limits },
  });
  later(() => server.close({ graceMs: 0 }));
  await server.listen();
  return server;
}

async function call(url: string, limits = {}): Promise<Client> {
  const client = await connect(`${url}/world`, { limits: { ...quick, ...limits } });
  later(() => client.close());
  return client;
}

/** A command that counts, and goes on when the test says so. */
function steps(more = "") {
  let go: (() => void) | undefined;
  const command = defineCommand({
    name: "steps",
    run: async (_, { output }) => {
      for (let index = 0; index < 3; index++) {
        await output.write("stdout", `step ${index}${more}\n`);
        if (index < 2) await new Promise<void>((resolve) => (go = resolve));
      }
      return "all";
    },
  });
  return { command, go: () => go?.() };
}

async function collect(output: AsyncIterable<{ readonly bytes: Uint8Array }>, told: { text: string }): Promise<void> {
  for await (const { bytes } of output) told.text += Buffer.from(bytes).toString();
}

describe.skipIf(natsServerProgram === undefined)("a broker", () => {
  test.each(["SIGKILL", "SIGTERM"] as const)(
    "that gets %s and is started again loses no run, and no output of it",
    async (signal) => {
      const nats = await NatsServer.start();
      const counting = steps();
      const server = await serve(nats.url, { commands: [counting.command] });
      const client = await call(nats.url);
      const run = client.run("steps");
      const told = { text: "" };
      const reading = collect(run.output, told);
      await until(() => told.text === "step 0\n");
      await nats.kill(signal);
      await until(() => server.unready() !== undefined);
      counting.go();
      await nats.restart();
      await until(() => told.text === "step 0\nstep 1\n");
      counting.go();
      expect(await run.value).toBe("all");
      await reading;
      expect(told.text).toBe("step 0\nstep 1\nstep 2\n");
      expect(server.unready()).toBeUndefined();
    },
  );

  test("that is away is told to callers and at /readyz, and both find it again when it is back", async () => {
    const nats = await NatsServer.start();
    const server = new Server({
      commands: originalTasks,
      port: 0,
      tls: false,
      limits: quick,
      doors: [httpDoor(), natsDoor({ url: nats.url, name: "world" })],
    });
    later(() => server.close({ graceMs: 0 }));
    const { doorUrls } = await server.listen();
    const ready = async (): Promise<Response> => fetch(new URL("/readyz", doorUrls[0]));
    expect((await ready()).status).toBe(200);
    const client = await call(nats.url);
    expect(await client.call("noargs")).toBe("ok");
    await nats.kill();
    await until(async () => (await ready()).status === 503);
    expect(await (await ready()).text()).toMatch(/broker at 127\.0\.0\.1:\d+/);
    expect((await errorOf(client.call("noargs"))).code).toMatch(/connect_failed|lost/);
    await nats.restart();
    await until(async () => (await ready()).status === 200);
    await until(async () => (await client.call("noargs").catch(() => "not yet")) === "ok");
  });

  test("from which a caller is cut off without a word loses its caller, who comes back for the run when the network heals", async () => {
    const nats = await NatsServer.start();
    const proxy = await stallingProxy(nats.port);
    const counting = steps();
    await serve(nats.url, { commands: [counting.command] });
    const client = await call(`nats://127.0.0.1:${proxy.port}`);
    const run = client.run("steps");
    const told = { text: "" };
    const reading = collect(run.output, told);
    await until(() => told.text === "step 0\n");
    const reconnecting = once(asEmitter(client), "reconnecting");
    proxy.stall();
    await reconnecting;
    counting.go();
    proxy.heal();
    await until(() => told.text.endsWith("step 1\n"));
    counting.go();
    expect(await run.value).toBe("all");
    await reading;
    expect(told.text).toBe("step 0\nstep 1\nstep 2\n");
  });

  test("from which an instance is cut off is told by the instance, and its callers hear that it is gone", async () => {
    const nats = await NatsServer.start();
    const proxy = await stallingProxy(nats.port);
    const counting = steps();
    const server = await serve(`nats://127.0.0.1:${proxy.port}`, { commands: [counting.command] });
    const client = await call(nats.url, { natsGoneMs: 1_500 });
    const run = client.run("steps");
    await run.id;
    proxy.stall();
    expect((await run.outcome).status).toBe("lost");
    await until(() => server.unready() !== undefined);
    proxy.heal();
    await until(() => server.unready() === undefined);
    await until(async () => (await client.instances()).some(({ state }) => state === "ready"));
  });

  test("whose max_payload is lowered in the middle of a run gets no larger message after it has told us", async () => {
    const nats = await NatsServer.start();
    const large = "y".repeat(100_000);
    const counting = steps(large);
    await serve(nats.url, { commands: [counting.command, ...originalTasks] });
    const client = await call(nats.url);
    const run = client.run("steps");
    const told = { text: "" };
    const reading = collect(run.output, told);
    await until(() => told.text === `step 0${large}\n`);
    // A broker tells present connections nothing of this: it cuts those that send more, and tells them when they come back.
    await nats.reload({ maxPayload: 2_000 });
    counting.go();

    await until(() => told.text.includes("step 1") && told.text.endsWith("\n"));
    counting.go();
    expect(await run.value).toBe("all");
    await reading;
    expect(told.text).toBe([0, 1, 2].map((index) => `step ${index}${large}\n`).join(""));
    // The caller's own connection was not told yet, and finds out by a cut of its own.
    await until(async () => (await client.echo(large).catch(() => "cut")) === large);
    expect(await client.echo(large)).toBe(large);
    expect(nats.log.split("maximum payload").length - 1).toBeLessThanOrEqual(2);
  });

  test("serves services of other names and accounts, which do not meet", async () => {
    const accounts = `accounts {
      one { users [{ user: one, password: secret }] }
      two { users [{ user: two, password: secret }] }
    }`;
    const nats = await NatsServer.start({ config: accounts });
    const at = (user: string): string => nats.url.replace("nats://", `nats://${user}:secret@`);
    const named = (name: string) => defineCommand({ name: "who", run: () => name });
    await serve(at("one"), { commands: [named("one")] });
    await serve(at("two"), { commands: [named("two")] });
    await serve(at("one"), { commands: [named("moon")], doors: [natsDoor({ url: at("one"), name: "moon" })] });
    for (const user of ["one", "two"]) {
      const client = await call(at(user));
      expect(await client.call("who")).toBe(user);
      expect(await client.instances()).toHaveLength(1);
    }
  });
});

/** So that `once` can wait for an event of a client. */
function asEmitter(client: Client): EventTarget {
  const target = new EventTarget();
  client.on("reconnecting", () => target.dispatchEvent(new Event("reconnecting")));
  return target;
}

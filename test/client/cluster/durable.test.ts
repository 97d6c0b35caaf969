/** Durable calls by a client: submitted while nobody serves, found by their ids, and told to be lost when they are. */
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { connect, defineCommand, type Client, type ConnectOptions } from "iscep";
import { addToken } from "#iscep/identity/tokens-writer";
import { later } from "../../support/cleanup.js";
import { gate } from "../../support/commands.js";
import { errorOf } from "../../support/error-of.js";
import { watchForLeaks } from "../../support/leaks.js";
import { NatsServer, natsServerProgram } from "../../support/nats-server.js";
import { until } from "../../support/until.js";
import { knows, plainCaller, startInstance } from "../../support/nats-service.js";
import { startServer } from "../../support/servers.js";

watchForLeaks();

const limits = { natsRedeliverMs: 500, natsBeatMs: 200 };
/** For tests in which an instance is gone. In others, a broker that stands still for a while must end no run. */
const impatient = { natsGoneMs: 1_000 };
const greet = defineCommand({
  name: "greet",
  args: z.object({ name: z.string() }),
  run: async ({ name }, { output }) => {
    await output.write("stdout", `hello ${name}\n`);
    return name;
  },
});

async function clientOf(nats: NatsServer, options: ConnectOptions = {}): Promise<Client> {
  const client = await connect(`${nats.url}/world`, options);
  later(() => client.close());
  return client;
}

const durable = { detach: true, durable: true } as const;

describe.skipIf(natsServerProgram === undefined)("with a broker", () => {
  test("the id is known at once, and output and value come when an instance has taken it", async () => {
    const nats = await NatsServer.start({ jetStream: true });
    const client = await clientOf(nats);
    const run = client.run("greet", { name: "ada" }, durable);
    const id = await run.id;
    await startInstance(nats, { commands: [greet], limits });
    const other = await clientOf(nats);
    const attached = other.attach(id);
    let output = "";
    for await (const { bytes } of run.output) output += Buffer.from(bytes).toString();
    expect(output).toBe("hello ada\n");
    expect(await run.value).toBe("ada");
    expect(await attached.value).toBe("ada");
    expect((await client.runs({ run: id })).runs).toMatchObject([{ run: id, status: "completed" }]);
  });

  test("many calls may wait in one client, and Node takes none of it for a leak", async () => {
    const nats = await NatsServer.start({ jetStream: true });
    const client = await clientOf(nats);
    const warnings: string[] = [];
    const warned = ({ name }: Error): void => void warnings.push(name);
    process.on("warning", warned);
    later(() => void process.off("warning", warned));
    const runs = Array.from({ length: 12 }, () => client.run("greet", { name: "ada" }, durable));
    for (const { id } of runs) await id;
    await startInstance(nats, { commands: [greet], limits });
    for (const { value } of runs) expect(await value).toBe("ada");
    expect(warnings).toEqual([]);
  });

  test("a token is proven, and what the call may not do is its outcome", async () => {
    const nats = await NatsServer.start({ jetStream: true });
    const { tokensFile } = await startInstance(nats, { commands: [greet], tokens: {}, limits });
    const { token } = await addToken(tokensFile, { owner: "ada", scopes: ["run:other", "discover"] });
    const client = await clientOf(nats, { token });
    expect(await client.run("greet", { name: "x" }, durable).outcome).toMatchObject({
      status: "rejected",
      error: { code: "command_not_found" },
    });
    const stranger = await clientOf(nats);
    const run = stranger.run("greet", { name: "x" }, durable);
    expect(await run.id).toMatch(/^[0-9a-f-]{36}$/);
    expect(await run.outcome).toMatchObject({ status: "rejected", error: { code: "unauthorized" } });
  });

  test("a caller with a token does not believe a stranger who says that a call has completed", async () => {
    const nats = await NatsServer.start({ jetStream: true });
    const stranger = await plainCaller(nats);
    let asked = 0;
    stranger.broker.subscribe("iscep.world.durable", (message) => {
      asked++;
      const text = JSON.stringify({ state: "ended", instance: "AAAAAAAAAAAA", status: "completed" });
      message.respond(asked % 2 === 0 ? text : `${"A".repeat(43)} ${text}`);
    });
    const { tokensFile, server } = await startInstance(nats, { commands: [greet], tokens: {}, limits });
    const { token } = await addToken(tokensFile, { owner: "ada" });
    await knows(server, token);
    await server.close();
    const run = (await clientOf(nats, { token })).run("greet", { name: "ada" }, durable);
    let outcome: unknown;
    void run.outcome.then((told) => (outcome = told));
    await run.id;
    await until(() => asked >= 4);
    expect(outcome).toBeUndefined();
    await startInstance(nats, { commands: [greet], tokensFile, limits });
    expect(await run.value).toBe("ada");
  });

  test.each([true, false])(
    "a client that is closed ends the waits for calls that stay in the queue, with the broker there: %s",
    async (isThere) => {
      const nats = await NatsServer.start({ jetStream: true });
      const slow = gate("slow");
      const { server } = await startInstance(nats, { commands: [slow.command], limits: { ...limits, maxRuns: 1 } });
      const client = await clientOf(nats);
      const first = errorOf(client.call("slow"));
      await slow.started(1);
      const run = client.run("slow", {}, durable);
      const attached = client.attach(await run.id);
      await until(async () =>
        (await errorOf(client.runs({ run: await run.id }))).message.includes("waits in the queue"),
      );
      if (!isThere) await nats.kill();
      await client.close();
      for (const { outcome } of [run, attached]) {
        expect(await outcome).toMatchObject({ status: "lost", error: { code: "lost" } });
      }
      expect((await first).code).toBe("lost");
      slow.open();
      await server.close({ graceMs: 0 });
    },
  );

  test("a handle that goes out of scope leaves its call in the queue, and does not wait for it", async () => {
    const nats = await NatsServer.start({ jetStream: true });
    const client = await clientOf(nats);
    const run = client.run("greet", { name: "ada" }, durable);
    await run[Symbol.asyncDispose]();
    await startInstance(nats, { commands: [greet], limits });
    expect(await run.value).toBe("ada");
  });

  test("an instance that is gone has lost what it had taken, and its caller hears so", async () => {
    const nats = await NatsServer.start({ jetStream: true });
    const slow = gate("slow");
    const { server } = await startInstance(nats, { commands: [slow.command], limits: { ...limits, ...impatient } });
    const client = await clientOf(nats, { limits: impatient });
    const run = client.run("slow", {}, durable);
    const id = await run.id;
    await slow.started(1);
    // Another one is there, and would run it if it were given out again.
    await startInstance(nats, { commands: [slow.command], limits: { ...limits, ...impatient } });
    await server.close({ graceMs: 0 });
    expect(["lost", "cancelled"]).toContain((await run.outcome).status);
    const again = await clientOf(nats, { limits: impatient });
    expect(["lost", "cancelled"]).toContain((await again.attach(id).outcome).status);
    expect(slow.state.started).toBe(1);
  });

  test.each([true, false])("a run that nobody knows is not waited for, with JetStream: %s", async (jetStream) => {
    const nats = await NatsServer.start({ jetStream });
    const { server } = await startInstance(nats, { commands: [greet], limits });
    const client = await clientOf(nats);
    const id = "01890000-0000-7000-8000-000000000000";
    expect(await errorOf(client.attach(id).value)).toMatchObject({ code: "run_not_found" });
    await server.close();
    const late = await clientOf(nats, { limits: impatient });
    expect(["connect_failed", "run_not_found"]).toContain((await errorOf(late.attach(id).value)).code);
  });

  test("a call that is taken at the moment it is asked for is never unknown", async () => {
    const nats = await NatsServer.start({ jetStream: true });
    for (let instance = 0; instance < 2; instance++) await startInstance(nats, { commands: [greet], limits });
    const client = await clientOf(nats);
    const names = Array.from({ length: 40 }, (_, index) => `name ${index}`);
    const values = await Promise.all(names.map((name) => client.run("greet", { name }, durable).value));
    expect(values).toEqual(names);
  });

  test("durable calls with one key have one run, whichever instances take them", async () => {
    const nats = await NatsServer.start({ jetStream: true });
    const slow = gate("slow");
    for (let instance = 0; instance < 3; instance++) await startInstance(nats, { commands: [slow.command], limits });
    const client = await clientOf(nats);
    const keyed = { ...durable, idempotencyKey: "night" };
    const runs = [1, 2, 3, 4, 5].map(() => client.run("slow", {}, keyed));
    await slow.started(1);
    const ids = await Promise.all(runs.map(async ({ id }) => id));
    expect(new Set(ids).size).toBe(5);
    slow.open();
    for (const run of runs) expect(await run.value).toBe("through");
    expect(slow.state.started).toBe(1);
    const other = client.run("slow", { tag: "x" }, keyed);
    expect(await other.outcome).toMatchObject({ status: "rejected", error: { code: "invalid_arguments" } });
  });

  test("who submits hears that JetStream is missing or full, and what cannot be", async () => {
    const without = await clientOf(await NatsServer.start());
    const run = without.run("greet", { name: "x" }, durable);
    expect(await errorOf(run.id)).toMatchObject({ code: "busy", message: expect.stringMatching(/no JetStream/) });
    expect(await run.outcome).toMatchObject({ status: "rejected", error: { code: "busy" } });
    const nats = await NatsServer.start({ jetStream: true });
    const client = await clientOf(nats);
    for (const options of [{ durable: true }, { ...durable, stdin: "x" }, { ...durable, to: "AAAAAAAAAAAA" }])
      expect(await errorOf(client.run("greet", { name: "x" }, options).value)).toMatchObject({ code: "usage" });
    const waiting = client.run("greet", { name: "x" }, { ...durable, signal: AbortSignal.timeout(500) });
    await waiting.id;
    expect(await waiting.outcome).toMatchObject({ status: "cancelled" });
  });
});

test("a single server has no queue", async () => {
  const { client } = await startServer();
  const single = await client();
  expect(await errorOf(single.run("add", { a: 1, b: 2 }, durable).value)).toMatchObject({
    code: "usage",
    message: expect.stringMatching(/`durable` needs a service with instances/),
  });
});

import { expect, test } from "vitest";
import { connect } from "iscep";
import { watchForLeaks } from "../../support/leaks.js";
import { later } from "../../support/cleanup.js";
import { gate, originalTasks } from "../../support/commands.js";
import { startServer, tokens } from "../../support/servers.js";
import { MESSAGES, recorder, split2 } from "../../support/raw-session.js";
import { errorOf } from "../../support/error-of.js";

watchForLeaks();

test.each([false, true])("a thousand calls at once each get their own answer (TLS: %s)", async (tls) => {
  const client = await (await startServer({ tls })).client({ protocol: 2 });
  expect(client.protocol).toBe(2);
  const calls = Array.from({ length: 1_000 }, (_, index) => client.call("add", { a: index, b: 1 }));
  expect(await Promise.all(calls)).toEqual(calls.map((_, index) => index + 1));
});

test("more calls than the server takes at once wait their turn", async () => {
  const client = await (await startServer({ limits: { maxCallsInFlight: 8 } })).client({ protocol: 2 });
  const calls = Array.from({ length: 500 }, (_, index) => client.call("add", { a: index, b: 1 }));
  expect(await Promise.all(calls)).toEqual(calls.map((_, index) => index + 1));
});

test.each([false, true])("the first call of a connection may be a large one (TLS: %s)", async (tls) => {
  const client = await (await startServer({ tls })).client({ protocol: 2 });
  const text = "x".repeat(1_000_000);
  expect(JSON.stringify(await client.call("any", { value: text }))).toContain(text);
});

test("a slow call holds up none, and answers come in any order", async () => {
  const slow = gate();
  const server = await startServer({ commands: [...originalTasks, slow.command] });
  const client = await server.client({ protocol: 2 });
  const ended: string[] = [];
  const calls = ["first", "second"].map(async (tag) => ended.push(String(await client.call("gate", { tag }))));
  await slow.started(2);
  for (let index = 0; index < 50; index++) expect(await client.call("add", { a: index, b: 1 })).toBe(index + 1);
  expect(ended).toEqual([]);
  slow.open();
  await Promise.all(calls);
  expect(ended.toSorted()).toEqual(["first", "second"]);
});

test("what is ready in one turn leaves in one packet, both ways", async () => {
  // Each slice of work ends with a packet. On a busy machine there would be many.
  const server = await startServer({ limits: { workSliceMs: 1_000 } });
  const wire = await recorder(server.port);
  const client = await connect(wire.url, { token: tokens.alice, protocol: 2, limits: { flushBytes: 64 * 1024 } });
  later(() => client.close());
  await client.ping();
  wire.toServer.length = 0;
  wire.toClient.length = 0;
  await Promise.all(Array.from({ length: 200 }, (_, index) => client.call("add", { a: index, b: 1 })));
  const asked = split2(Buffer.concat(wire.toServer)).packets;
  expect(asked.map(({ type }) => type)).toEqual([MESSAGES]);
  expect(JSON.parse(String(asked[0]?.content))).toHaveLength(200);
  // Some 8 KB of answers, in packets of 2 KiB.
  const answered = split2(Buffer.concat(wire.toClient)).packets;
  expect(answered.length).toBeLessThan(10);
});

test("errors keep their code, and secrets of the command stay on the server", async () => {
  const client = await (await startServer()).client({ protocol: 2 });
  const unknown = await errorOf(client.call("no_such_command", {}));
  expect(unknown).toMatchObject({ code: "command_not_found" });
  expect(await errorOf(client.call("add", { a: "x", b: 1 }))).toMatchObject({
    code: "invalid_arguments",
    message: expect.stringContaining("a"),
  });
  const failed = await errorOf(client.call("fail", { message: "the password is 1234" }));
  expect(failed).toMatchObject({ code: "failed" });
  expect(JSON.stringify(failed) + failed.message).not.toContain("1234");
  expect(await client.call("retnone", {})).toBeNull();
  expect(await errorOf(client.call("retnan", {}))).toMatchObject({ code: "failed" });
  expect(await client.call("noargs", {})).toBe("ok");
});

test("list, ping and runs answer beside the calls", async () => {
  const client = await (await startServer()).client({ protocol: 2 });
  expect((await client.list()).map(({ name }) => name)).toEqual(originalTasks.map(({ name }) => name).toSorted());
  expect(await client.ping()).toBeGreaterThan(0);
  expect(await client.runs()).toEqual({ runs: [] });
});

test("a client of version 1 on the same server meets no difference", async () => {
  const server = await startServer();
  const [first, second] = [await server.client({ protocol: 1 }), await server.client({ protocol: 2 })];
  expect([first.protocol, second.protocol]).toEqual([1, 2]);
  for (const client of [first, second]) {
    expect(await client.call("add", { a: 1, b: 2 })).toBe(3);
    expect(await client.call("typed", { message: "ü", numb: 1 })).toEqual({ message: "ü", numb: 1 });
    expect(await errorOf(client.call("fail", { message: "x" }))).toMatchObject({ code: "failed" });
  }
  expect(await second.list()).toEqual(await first.list());
});

test("an idempotency key joins the run that is under way, or has ended", async () => {
  const slow = gate();
  const server = await startServer({ commands: [slow.command] });
  const [one, two] = [await server.client({ protocol: 2 }), await server.client({ protocol: 2 })];
  const bob = await server.client({ protocol: 2, token: tokens.bob });
  const key = { idempotencyKey: "backup-7" };
  const calls = [one.call("gate", { tag: "joined" }, key), two.call("gate", { tag: "joined" }, key)];
  const others = bob.call("gate", { tag: "bob" }, key);
  await slow.started(2);
  await two.ping();
  slow.open();
  expect(await Promise.all(calls)).toEqual(["joined", "joined"]);
  expect(await others).toBe("bob");
  expect(await one.call("gate", { tag: "joined" }, key)).toBe("joined");
  await expect(one.call("gate", { tag: "other" }, key)).rejects.toMatchObject({ code: "invalid_arguments" });
  expect(slow.state.started).toBe(2);
});

import { expect, test } from "vitest";
import { addToken } from "#iscep/identity/tokens-writer";
import { later } from "../../support/cleanup.js";
import { gate } from "../../support/commands.js";
import { Peer } from "../../support/conformance/peer.mjs";
import { errorOf } from "../../support/error-of.js";
import { watchForLeaks } from "../../support/leaks.js";
import { messages, rawSession, request } from "../../support/raw-session.js";
import { startServer, tokens } from "../../support/servers.js";
import { until } from "../../support/until.js";

watchForLeaks();

test("a call that may not wait is refused when the server is full, and begins when it is not", async () => {
  const held = gate();
  const { client: open } = await startServer({ commands: [held.command], limits: { maxRuns: 1 } });
  const client = await open();
  const first = client.call("gate", {}, { wait: false });
  await held.started(1);
  expect(await errorOf(client.call("gate", {}, { wait: false }))).toMatchObject({ code: "busy" });
  const refused = await client.run("gate", {}, { wait: false }).outcome;
  expect(refused).toMatchObject({ status: "rejected", error: { code: "busy" } });
  const waiting = client.run("gate", {});
  await waiting.id;
  held.open();
  await held.started(2);
  held.open();
  expect([await first, await waiting.value]).toEqual(["through", "through"]);
  expect(held.state.started).toBe(2);
});

test.each(["queue", "reject", "replace", "join"] as const)(
  "a call that may not wait leaves the running one alone where the command's own limit is reached (%s)",
  async (whenFull) => {
    const held = gate();
    const command = { ...held.command, concurrency: { limit: 1, whenFull, key: () => "" } };
    const { client: open } = await startServer({ commands: [command] });
    const client = await open();
    const first = client.call("gate", {});
    await held.started(1);
    expect(await errorOf(client.call("gate", {}, { wait: false }))).toMatchObject({ code: "busy" });
    expect(held.state.aborted).toBe(0);
    held.open();
    expect(await first).toBe("through");
  },
);

test("runs are found by the key of the call, and only by their owner", async () => {
  const { client: open } = await startServer();
  const [alice, bob] = [await open(), await open({ token: tokens.bob })];
  const run = alice.run("add", { a: 1, b: 2 }, { idempotencyKey: "sum" });
  expect(await run.value).toBe(3);
  const { runs } = await alice.runs({ idempotencyKey: "sum" });
  expect(runs).toMatchObject([{ run: await run.id, command: "add", status: "completed" }]);
  expect(await alice.runs({ idempotencyKey: "other" })).toEqual({ runs: [] });
  expect(await bob.runs({ idempotencyKey: "sum" })).toEqual({ runs: [] });
});

test("a call that waits can be withdrawn, and then it never began; one that runs goes on", async () => {
  const held = gate();
  const server = await startServer({ commands: [held.command], tokens: false, limits: { maxRuns: 1 } });
  const session = await rawSession(server);
  session.send(messages(request(1, "call", { command: "gate" }), request(2, "call", { command: "gate" })));
  await held.started(1);
  session.send(messages(request(3, "withdraw", { call: 1 }), request(4, "withdraw", { call: 2 })));
  expect(await session.response(3)).toMatchObject({ result: { withdrawn: false, waits: false } });
  expect(await session.response(4)).toMatchObject({ result: { withdrawn: true } });
  expect(await session.response(2)).toMatchObject({ error: { data: { status: "rejected", code: "busy" } } });
  session.send(messages(request(5, "withdraw", { call: 2 }), request(6, "withdraw", {})));
  expect(await session.response(5)).toMatchObject({ result: { withdrawn: false } });
  expect(await session.response(6)).toMatchObject({ error: { data: { code: "invalid_arguments" } } });
  held.open();
  expect(await session.response(1)).toMatchObject({ result: { value: "through" } });
  expect(held.state.started).toBe(1);
});

test("a run that somebody else waits for is not withdrawn, and neither is one by an attach", async () => {
  const held = gate();
  const server = await startServer({ commands: [held.command], tokens: false, limits: { maxRuns: 1 } });
  const [mine, other] = [await rawSession(server), await rawSession(server)];
  const keyed = { command: "gate", idempotencyKey: "one" };
  mine.send(messages(request(1, "call", { command: "gate" }), request(2, "call", keyed)));
  await held.started(1);
  await mine.until(() => mine.messages.some(({ params }) => (params as { call?: unknown } | undefined)?.call === 2));
  other.send(messages(request(1, "call", keyed)));
  await other.until(() => other.messages.length > 0);
  mine.send(messages(request(3, "withdraw", { call: 2 })));
  expect(await mine.response(3)).toMatchObject({ result: { withdrawn: false, waits: true } });
  const { run } = (other.messages[0] as { params: { run: string } }).params;
  other.send(messages(request(2, "attach", { run }), request(3, "withdraw", { call: 2 })));
  expect(await other.response(3)).toMatchObject({ result: { withdrawn: false, waits: true } });
  held.open();
  await held.started(2);
  held.open();
  for (const answer of [mine.response(2), other.response(1), other.response(2)])
    expect(await answer).toMatchObject({ result: { value: "through" } });
});

test("a caller who comes back for a call that waits may withdraw it, and nobody else may", async () => {
  const held = gate();
  const server = await startServer({ commands: [held.command], limits: { maxRuns: 1 } });
  const peer = async (owner: string, scopes: readonly string[]): Promise<Peer> => {
    const { token } = await addToken(server.tokensFile, { owner, scopes: [...scopes] });
    const connected = await Peer.connect({ port: server.port, tls: false, token });
    later(() => connected.end());
    return connected;
  };
  const first = await peer("eve", ["run:*"]);
  const running = first.follow("call", { command: "gate" });
  await held.started(1);
  const caller = await peer("eve", ["run:*"]);
  const run = await caller.follow("call", { command: "gate" }).started;
  const watcher = await peer("carl", ["runs:all", "run:*"]);
  await expect(watcher.follow("attach", { run, resumes: true }).answer).rejects.toMatchObject({
    data: { code: "run_not_found" },
  });
  const again = first.follow("attach", { run, resumes: true });
  await again.started;
  expect(await first.request("withdraw", { call: again.id })).toEqual({ withdrawn: false, waits: true });
  await caller.end();
  await until(async () => (await first.request("withdraw", { call: again.id }))["withdrawn"] === true);
  await expect(again.answer).rejects.toMatchObject({ data: { run, code: "busy", status: "rejected" } });
  held.open();
  expect(await running.answer).toMatchObject({ value: "through" });
  expect(held.state.started).toBe(1);
});

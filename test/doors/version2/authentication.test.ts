import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { PassThrough } from "node:stream";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { expect, test } from "vitest";
import { connect, defineCommand, type ConnectOptions } from "iscep";
import { createCertificate } from "#iscep/identity/certificates";
import { mintToken } from "#iscep/identity/tokens";
import { addToken, removeToken } from "#iscep/identity/tokens-writer";
import { watchForLeaks } from "../../support/leaks.js";
import { later } from "../../support/cleanup.js";
import { gate, originalTasks } from "../../support/commands.js";
import { faultProxy } from "../../support/fault-proxy.js";
import { canary, startServer, tokens, writeTokens } from "../../support/servers.js";
import { HELLO, messages, nonce, packet2, rawSession, recorder, request } from "../../support/raw-session.js";
import { errorOf } from "../../support/error-of.js";
import { inTime } from "../../support/in-time.js";
import { until } from "../../support/until.js";
import { toIscepError } from "#iscep/errors";

watchForLeaks();

async function open(url: string, options: ConnectOptions = {}) {
  const client = await connect(url, { protocol: 2, ...options });
  later(() => client.close());
  return client;
}

test.each([false, true])("the right token is let in, of the original's form and of ours (TLS: %s)", async (tls) => {
  const server = await startServer({ tls });
  const { token } = await addToken(server.tokensFile, { owner: "carol", scopes: ["run:add"] });
  const [original, ours] = [await open(server.url, { token: tokens.alice }), await open(server.url, { token })];
  expect(await original.call("add", { a: 1, b: 1 })).toBe(2);
  expect(await ours.call("add", { a: 2, b: 1 })).toBe(3);
  expect(await errorOf(ours.call("noargs", {}))).toMatchObject({ code: "command_not_found" });
});

test("a wrong token, and none, are unauthorized, and the command does not run", async () => {
  const slow = gate();
  const server = await startServer({ commands: [slow.command] });
  for (const options of [{ token: `${tokens.alice}x` }, { token: mintToken() }, {}]) {
    const client = await open(server.url, options);
    expect(await errorOf(client.call("gate", {}))).toMatchObject({ code: "unauthorized" });
    expect(await client.run("gate", {}).outcome).toMatchObject({
      status: "rejected",
      error: { code: "unauthorized" },
    });
    expect(await errorOf(client.list())).toMatchObject({ code: "unauthorized" });
  }
  expect(slow.state.started).toBe(0);
  expect(await server.logged()).not.toContain(canary);
});

test("the token is not on the wire, and neither is anything that would let another in", async () => {
  const server = await startServer();
  const wire = await recorder(server.port);
  const client = await open(wire.url, { token: tokens.alice });
  expect(await client.call("add", { a: 1, b: 1 })).toBe(2);
  const said = Buffer.concat([...wire.toServer, ...wire.toClient]);
  expect(said.length).toBeGreaterThan(500);
  for (const form of [tokens.alice, canary, Buffer.from(tokens.alice).toString("base64url"), "alice-0123"]) {
    expect(said.includes(form)).toBe(false);
  }
  // The whole conversation of the client, said once more: the server's nonce is another.
  const again = await rawSession(server, false);
  again.send(...wire.toServer);
  expect(await again.response(1)).toMatchObject({ error: { data: { code: "unauthorized" } } });
  expect(again.messages.filter((message) => "result" in message)).toEqual([]);
});

test("a proof over TLS is bound to its channel: who stands between two of them gets nothing", async () => {
  const server = await startServer({ tls: true });
  const { certPem: cert, keyPem: key, pin } = await createCertificate();
  const heard: Buffer[] = [];
  const sockets: Socket[] = [];
  const relay = createTlsServer({ cert, key }, (client) => {
    const upstream = connectTls({ port: server.port!, host: "127.0.0.1", rejectUnauthorized: false });
    sockets.push(client, upstream);
    client.on("data", (chunk: Buffer) => (heard.push(chunk), upstream.write(chunk)));
    upstream.on("data", (chunk: Buffer) => client.write(chunk));
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroySoon());
    }
  });
  relay.listen(0, "127.0.0.1");
  await once(relay, "listening");
  later(async () => {
    const closed = once(relay, "close");
    relay.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  });
  const { port } = relay.address() as AddressInfo;
  // The client was talked into the pin of the relay; the relay sees both sides in clear.
  const client = await open(`iscep://127.0.0.1:${port}?pin=${pin}`, { token: tokens.alice });
  expect((await errorOf(client.call("add", { a: 1, b: 1 }))).code).toMatch(/^(unauthorized|not_trusted)$/);
  expect(Buffer.concat(heard).length).toBeGreaterThan(0);
  expect(Buffer.concat(heard).includes(canary)).toBe(false);
  const lines = (await server.logged()).split("\n").filter((line) => line.includes('"command":"add"'));
  expect(lines).toEqual([]);
});

test("a server that does not know the token is found out, even if it says yes to everything", async () => {
  const answers = [
    [{ jsonrpc: "2.0", id: 1, result: { owner: "alice" } }],
    [{ jsonrpc: "2.0", id: 1, result: { owner: "alice", proof: Buffer.alloc(32).toString("base64url") } }],
    // The answer is about the call, and says nothing of the token.
    [{ jsonrpc: "2.0", id: 3, result: { value: "forged" } }],
  ];
  for (const answer of answers) {
    const limits = {
      maxPacketBytes: 65_536,
      maxDataBytes: 4_096,
      maxCallsInFlight: 8,
      streamWindowBytes: 4_096,
      connectionWindowBytes: 4_096,
    };
    const hello = { version: 2, nonce: nonce(), agent: "forger", authentication: "token", limits };
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => {
        socket.write(packet2(HELLO, JSON.stringify(hello)));
        socket.once("data", () => socket.write(messages(...answer)));
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const client = await open(`iscep+tcp://127.0.0.1:${port}`, { token: tokens.alice });
    expect(await errorOf(client.call("add", { a: 1, b: 1 }))).toMatchObject({ code: "not_trusted" });
    await client.close();
    await new Promise((resolve) => server.close(resolve));
  }
});

// PITFALLS B14 (GHSA-gq2m-77hf-vwgh): a session does not outlive what opened it.
test("a removed token ends its idle session, and its run is not left alone for ever", async () => {
  const slow = gate();
  const server = await startServer({ commands: [slow.command], limits: { callerGraceMs: 20 } });
  const { record, token } = await addToken(server.tokensFile, { owner: "carol" });
  const client = await open(server.url, { token });
  const run = client.run("gate", {});
  await slow.started(1);
  await removeToken(server.tokensFile, record.id);
  // It did begin, and nobody tells this caller any more how it ends: neither rejected nor completed.
  const outcome = await run.outcome;
  expect(outcome).toMatchObject({ status: "lost", error: { code: "lost", cause: { code: "unauthorized" } } });
  await expect.poll(() => slow.state.aborted).toBe(1);
  expect(await errorOf(client.call("gate", {}))).toMatchObject({ code: "unauthorized" });
});

test("a removed token is refused at the next call", async () => {
  const server = await startServer({ limits: { tokensFileCheckMs: 10 } });
  const [alice, bob] = [await open(server.url, { token: tokens.alice }), await open(server.url, { token: tokens.bob })];
  expect(await alice.call("noargs", {})).toBe("ok");
  expect(await bob.call("noargs", {})).toBe("ok");
  writeTokens(server.tokensFile, { bob: tokens.bob });
  // The file is looked at every 10 ms, or when the system tells of its change.
  await until(() =>
    alice.call("noargs", {}).then(
      () => false,
      (error: unknown) => toIscepError(error).code === "unauthorized",
    ),
  );
  expect(await errorOf(alice.call("noargs", {}))).toMatchObject({ code: "unauthorized" });
  expect(await bob.call("noargs", {})).toBe("ok");
});

test("standard input of a removed token is not taken", async () => {
  let read = "";
  let stopped = false;
  const command = defineCommand({
    name: "read",
    run: async (_, { stdin, signal }) => {
      signal.addEventListener("abort", () => (stopped = true));
      for await (const chunk of stdin) read += Buffer.from(chunk).toString();
    },
  });
  const server = await startServer({ commands: [command], limits: { tokensFileCheckMs: 10, callerGraceMs: 20 } });
  const [client, other] = [
    await open(server.url, { token: tokens.alice }),
    await open(server.url, { token: tokens.alice }),
  ];
  const stdin = new PassThrough();
  const run = client.run("read", {}, { stdin });
  stdin.write("before");
  await until(() => read === "before");
  await other.whoAmI();
  writeTokens(server.tokensFile, { bob: tokens.bob });
  // The server knows it now, and has perhaps not looked at all its sessions.
  await until(async () => (await errorOf(other.whoAmI()).catch(() => undefined))?.code === "unauthorized");
  stdin.write("after");
  expect(await run.outcome).toMatchObject({ status: "lost" });
  await until(() => stopped);
  expect(read).toBe("before");
});

test("a token that expires ends its session", async () => {
  const slow = gate();
  const server = await startServer({ commands: [...originalTasks, slow.command] });
  const lifetimeMs = 1_200;
  const { client, call } = await inTime(lifetimeMs, async () => {
    const { token } = await addToken(server.tokensFile, { owner: "carol", expiresInMs: lifetimeMs });
    const client = await open(server.url, { token });
    expect(await client.call("noargs", {})).toBe("ok");
    const started = slow.state.started + 1;
    const call = errorOf(client.call("gate", {}));
    await slow.started(started);
    return { client, call };
  });
  expect(await call).toMatchObject({ code: "lost", cause: { code: "unauthorized" } });
  expect(await errorOf(client.call("noargs", {}))).toMatchObject({ code: "unauthorized" });
});

test("a token that was removed while its client was away makes a run lost, and a new call unauthorized", async () => {
  const slow = gate();
  const server = await startServer({ commands: [slow.command] });
  const proxy = await faultProxy(server.port ?? 0);
  const { record, token } = await addToken(server.tokensFile, { owner: "carol" });
  const client = await open(proxy.url, { token, limits: { reconnectMinDelayMs: 5 } });
  const run = client.run("gate", {}, { detach: true });
  await run.id;
  await removeToken(server.tokensFile, record.id);
  proxy.cut();
  expect(await run.outcome).toMatchObject({ status: "lost", error: { code: "lost" } });
  expect(await errorOf(client.call("gate", {}))).toMatchObject({ code: "unauthorized" });
  slow.open();
});

test("guesses are counted, and end the connection with a reason", async () => {
  const server = await startServer({ limits: { maxFailedTokensPerConnection: 3 } });
  const session = await rawSession(server);
  for (let id = 1; id <= 5; id++) {
    session.send(
      messages(request(id, "authenticate", { token: `guess${id}`, proof: Buffer.alloc(32).toString("base64url") })),
    );
  }
  expect(await session.goaway()).toMatchObject({ code: "unauthorized" });
  expect(session.messages.filter(({ id }) => id !== undefined)).toHaveLength(3);
});

test("before a proof nothing but a refusal is to be had, and the session ends with it", async () => {
  const slow = gate();
  const server = await startServer({ commands: [slow.command] });
  const requests = [
    request(1, "call", { command: "gate" }),
    request(1, "list"),
    request(1, "runs"),
    request(1, "attach", { run: "x" }),
    request(1, "cancel", { run: "x" }),
    request(1, "echo", { value: 1 }),
  ];
  for (const first of requests) {
    const session = await rawSession(server);
    session.send(messages(first, request(2, "call", { command: "gate" })));
    expect(await session.response(1)).toMatchObject({ error: { data: { code: "unauthorized", status: "rejected" } } });
    expect(await session.goaway()).toMatchObject({ code: "unauthorized" });
    await session.closed;
    expect(session.messages).toHaveLength(2);
  }
  expect(slow.state.started).toBe(0);
});

test("calls of a client without a token are all rejected, however many it makes at once", async () => {
  const slow = gate();
  const server = await startServer({ commands: [slow.command] });
  const client = await open(server.url);
  const outcomes = await Promise.all(Array.from({ length: 50 }, () => client.run("gate", {}).outcome));
  for (const outcome of outcomes) {
    expect(outcome).toMatchObject({ status: "rejected", error: { code: "unauthorized" } });
  }
  expect(slow.state.started).toBe(0);
});

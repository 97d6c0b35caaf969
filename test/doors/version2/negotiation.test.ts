/** Which version is spoken: by HELLO, by ALPN, by choice; and what a client of version 1 or its server notice of that. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { describe, expect, test } from "vitest";
import { connect, defineScript, type ConnectOptions } from "iscep";
import { watchForLeaks } from "../../support/leaks.js";
import { later } from "../../support/cleanup.js";
import { gate, originalTasks } from "../../support/commands.js";
import { contentOf, rawPacket, Type, type RawPacket } from "../../support/raw-packets.js";
import { RawPeer, rawServer } from "../../support/raw-peer.js";
import { startServer, testCertificate, tokens } from "../../support/servers.js";
import { collect } from "../../support/output.js";
import { HELLO, messages, nonce, notification, packet2, RawSession, request } from "../../support/raw-session.js";
import { inTime } from "../../support/in-time.js";
import { ownPort } from "../../support/own-port.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { errorOf } from "../../support/error-of.js";

watchForLeaks();

async function open(url: string, options: ConnectOptions = {}) {
  const client = await connect(url, { token: tokens.alice, ...options });
  later(() => client.close());
  return client;
}

/** What the original answers (test/vectors/v1.json: raw-type-7, cmd-not-found, discover). */
function original(packet: RawPacket): Buffer {
  switch (packet.type) {
    case Type.echo:
      return rawPacket(Type.echo, contentOf(packet));
    case Type.discover:
      return rawPacket(Type.discover, { response: { add: { a: "int", b: "int" } } });
    case Type.command: {
      const { command, args } = contentOf(packet) as { command: string; args: { a: number; b: number } };
      return command === "add"
        ? rawPacket(Type.response, { response: args.a + args.b })
        : rawPacket(Type.error, { error: "command not found" });
    }
    default:
      return rawPacket(Type.error, {});
  }
}

async function serveAs(answer: (packet: RawPacket) => Buffer, peer: RawPeer): Promise<void> {
  for (let packet = await peer.next(); packet !== undefined; packet = await peer.next()) peer.send(answer(packet));
}

/** A TLS server of bytes; without `alpn` it knows nothing of ALPN, as the original. */
async function tlsServer(serve: (peer: RawPeer) => unknown, alpn?: readonly string[]) {
  const { cert, key, pin } = await testCertificate();
  const peers: RawPeer[] = [];
  const server = createTlsServer({ cert, key, ...(alpn === undefined ? {} : { ALPNProtocols: [...alpn] }) });
  server.on("secureConnection", (socket) => {
    const peer = new RawPeer(socket);
    peers.push(peer);
    void serve(peer);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  later(async () => {
    const closed = once(server, "close");
    server.close();
    await Promise.all(peers.map((peer) => peer.destroy()));
    await closed;
  });
  const { port } = server.address() as AddressInfo;
  return { url: `iscep://127.0.0.1:${port}?pin=${pin}`, peers };
}

describe("without a choice", () => {
  test.each([false, true])("our own server is spoken to in version 2 (TLS: %s)", async (tls) => {
    const client = await (await startServer({ tls })).client();
    expect(client.protocol).toBe(2);
    expect(await client.call("add", { a: 1, b: 2 })).toBe(3);
  });

  test("on a unix socket too", async () => {
    const client = await (await startServer({ unix: `${temporaryFolder()}/s` })).client();
    expect(client.protocol).toBe(2);
    expect(await client.call("noargs", {})).toBe("ok");
  });

  test.each([false, true])("an original server goes on in version 1, on the same connection (TLS: %s)", async (tls) => {
    const serve = (peer: RawPeer) => serveAs(original, peer);
    const server = tls ? await tlsServer(serve) : await rawServer(serve);
    const client = await open(server.url);
    expect(client.protocol).toBe(1);
    expect(await client.call("add", { a: 1, b: 2 })).toBe(3);
    expect((await client.list()).map(({ name }) => name)).toEqual(["add"]);
    expect(await client.echo("hello")).toBe("hello");
    expect(server.peers).toHaveLength(1);
    const [greeting] = server.peers[0]!.packets;
    expect(greeting?.type).toBe(HELLO);
    expect(greeting?.body).not.toContain(tokens.alice);
  });

  test("a server that asks for the token before it looks at the type goes on in version 1 as well", async () => {
    const server = await rawServer((peer) =>
      serveAs((packet) => (packet.type === HELLO ? rawPacket(Type.unauthorized, {}) : original(packet)), peer),
    );
    expect(await (await open(server.url)).call("add", { a: 2, b: 2 })).toBe(4);
    expect(server.peers).toHaveLength(1);
  });

  test("after a lost connection, version 1 goes on without another greeting", async () => {
    const server = await rawServer(async (peer, index) => {
      if (index === 0) {
        peer.send(original(await peer.answer()));
        await peer.next();
        await peer.destroy();
      } else await serveAs(original, peer);
    });
    const client = await open(server.url);
    expect(await errorOf(client.call("add", { a: 1, b: 2 }))).toMatchObject({ code: "lost" });
    expect(await client.call("add", { a: 1, b: 2 })).toBe(3);
    expect(server.peers[1]?.packets.map(({ type }) => type)).toEqual([Type.command]);
  });
});

describe("a greeting that leads nowhere says why:", () => {
  test("the server closes", async () => {
    const server = await rawServer(async (peer) => {
      await peer.next();
      peer.socket.end();
    });
    const error = await errorOf(open(server.url));
    expect(error).toMatchObject({ code: "connect_failed", message: expect.stringMatching(/TLS.*protocol: 1/s) });
    // The client asks once: a second try in version 1 would send the token to the peer that hung up.
    expect(server.peers).toHaveLength(1);
  });

  test("the server says nothing", async () => {
    const server = await rawServer(() => {});
    for (const connectTimeoutMs of [60, 1_000, 20_000]) {
      const error = await errorOf(open(server.url, { limits: { connectTimeoutMs } }));
      await server.peers.at(-1)?.closed;
      // On a busy machine the time may be over before there is a connection.
      if (connectTimeoutMs < 20_000 && !server.peers.some((peer) => peer.packets.length > 0)) continue;
      expect(error).toMatchObject({ code: "timeout", message: expect.stringContaining("protocol: 1") });
      return;
    }
  });

  test("the caller gives up", async () => {
    const server = await rawServer(() => {});
    const controller = new AbortController();
    const attempt = errorOf(open(server.url, { signal: controller.signal }));
    await expect.poll(() => server.peers[0]?.packets.length).toBe(1);
    const reason = new Error("enough");
    controller.abort(reason);
    expect(await attempt).toMatchObject({ code: "cancelled", cause: reason });
    await server.peers[0]?.closed;
  });

  test("the server is full", async () => {
    const server = await rawServer(async (peer) => {
      await peer.next();
      peer.send(rawPacket(Type.error, { error: "busy: 3 connections are open" }));
    });
    expect(await errorOf(open(server.url))).toMatchObject({ code: "busy", message: "3 connections are open" });
    await server.peers[0]?.closed;
  });

  test.each<[string, Buffer[]]>([
    ["two answers", [rawPacket(Type.error, {}), rawPacket(Type.error, {})]],
    ["an answer to no question", [rawPacket(Type.response, { response: 1 })]],
    ["messages", [messages(notification("goaway", { code: "busy", message: "x" }))]],
    ["an ERROR that is no JSON", [rawPacket(Type.error, "{")]],
    ["a size of 0", [Buffer.alloc(4)]],
    ["another protocol", [Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")]],
    ["a HELLO with the checksum of version 1", [rawPacket(HELLO, { version: 2 })]],
    ["a HELLO of version 3", [packet2(HELLO, JSON.stringify({ version: 3, nonce: nonce(), limits: {} }))]],
    [
      "limits that are none",
      [
        packet2(
          HELLO,
          JSON.stringify({ version: 2, nonce: nonce(), authentication: "none", limits: { maxDataBytes: 0 } }),
        ),
      ],
    ],
  ])("%s", async (_name, bytes) => {
    const server = await rawServer(async (peer) => {
      await peer.next();
      peer.send(Buffer.concat(bytes));
    });
    expect(await errorOf(open(server.url))).toMatchObject({ code: "protocol" });
    await server.peers[0]?.closed;
    expect(JSON.stringify(server.peers[0]?.packets)).not.toContain(tokens.alice);
  });
});

test("what a server says right behind its HELLO is heard", async () => {
  const limits = { maxPacketBytes: 65_536, maxDataBytes: 4_096, maxCallsInFlight: 8 };
  const windows = { streamWindowBytes: 4_096, connectionWindowBytes: 4_096 };
  const hello = { version: 2, nonce: nonce(), authentication: "none", limits: { ...limits, ...windows } };
  const server = await rawServer(
    async (peer) => {
      await peer.next();
      const goaway = notification("goaway", { code: "busy", message: "not today" });
      peer.socket.end(Buffer.concat([packet2(HELLO, JSON.stringify(hello)), messages(goaway)]));
    },
    await ownPort(),
  );
  const client = await open(server.url);
  await server.close();
  expect(await errorOf(client.call("add", {}))).toMatchObject({ code: "connect_failed" });
});

describe("by choice", () => {
  test.each([false, true])("protocol: 1 sends no HELLO (TLS: %s)", async (tls) => {
    const serve = (peer: RawPeer) => serveAs(original, peer);
    const server = tls ? await tlsServer(serve, ["iscep/2"]) : await rawServer(serve);
    const client = await open(server.url, { protocol: 1 });
    expect(await client.call("add", { a: 1, b: 2 })).toBe(3);
    expect(server.peers[0]?.packets.map(({ type }) => type)).toEqual([Type.command]);
    if (tls) expect(server.peers[0]?.socket).toMatchObject({ alpnProtocol: false });
  });

  test.each([false, true])("protocol: 2 refuses a server of version 1, and says so (TLS: %s)", async (tls) => {
    const serve = (peer: RawPeer) => serveAs(original, peer);
    const server = tls ? await tlsServer(serve) : await rawServer(serve);
    const error = await errorOf(open(server.url, { protocol: 2 }));
    expect(error).toMatchObject({ code: "protocol", message: expect.stringContaining("version 1") });
    expect(JSON.stringify(server.peers[0]?.packets)).not.toContain(tokens.alice);
    await server.peers[0]?.closed;
  });
});

describe("ALPN on TLS", () => {
  async function rawTls(server: Awaited<ReturnType<typeof startServer>>, ALPNProtocols?: string[]) {
    const socket = connectTls({
      host: "127.0.0.1",
      port: server.port ?? 0,
      rejectUnauthorized: false,
      ...(ALPNProtocols === undefined ? {} : { ALPNProtocols }),
    });
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    later(() => {
      socket.destroy();
      return closed;
    });
    return socket;
  }

  test("our server chooses iscep/2, beside what else a client offers", async () => {
    const server = await startServer({ tls: true, tokens: false });
    for (const offered of [["iscep/2"], ["h2", "iscep/2"]]) {
      const socket = await rawTls(server, offered);
      await once(socket, "secureConnect");
      expect(socket.alpnProtocol).toBe("iscep/2");
    }
  });

  test("a client without it is served as ever, in both versions", async () => {
    const server = await startServer({ tls: true });
    const raw = await server.raw();
    raw.send(rawPacket(Type.echo, { auth_token: tokens.alice, response: { echo: 1 } }));
    expect((await raw.answer()).type).toBe(Type.echo);
    const client = await server.client({ protocol: 1 });
    expect(await client.call("noargs", {})).toBe("ok");
  });

  test("a client that offers only others is refused by its handshake, and the server goes on", async () => {
    const server = await startServer({ tls: true });
    const socket = await rawTls(server, ["http/1.1"]);
    const error = await new Promise<NodeJS.ErrnoException>((resolve) => socket.once("error", resolve));
    expect(error.code).toBe("ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL");
    expect(await (await server.client()).call("noargs", {})).toBe("ok");
  });

  test("a server that chose version 2 and answers in version 1 is not believed, and gets no token", async () => {
    for (const answer of [rawPacket(Type.error, {}), rawPacket(Type.unauthorized, {})]) {
      const server = await tlsServer((peer) => serveAs(() => answer, peer), ["iscep/2"]);
      const error = await errorOf(open(server.url));
      expect(error).toMatchObject({ code: "protocol", message: expect.stringContaining("TLS handshake") });
      await server.peers[0]?.closed;
      expect(server.peers[0]?.packets.map(({ type }) => type)).toEqual([HELLO]);
    }
  });

  test("whoever chose version 2 has to begin with HELLO", async () => {
    const server = await startServer({ tls: true });
    const socket = await rawTls(server, ["iscep/2"]);
    await once(socket, "secureConnect");
    const session = new RawSession(socket);
    session.send(rawPacket(Type.echo, { auth_token: tokens.alice, response: { echo: 1 } }));
    expect(await session.goaway()).toMatchObject({ code: "protocol", message: expect.stringContaining("HELLO") });
    const early = await rawTls(server, ["iscep/2"]);
    await once(early, "secureConnect");
    const impatient = new RawSession(early).send(messages(request(1, "ping")));
    expect(await impatient.goaway()).toMatchObject({ code: "protocol" });
    expect(await (await server.client()).call("noargs", {})).toBe("ok");
  });

  test("a full server says so to a client that chose version 2", async () => {
    const server = await startServer({ tls: true, maxConnections: 1 });
    await server.client();
    expect(await errorOf(open(server.url))).toMatchObject({ code: "busy" });
  });
});

describe("a run over version 1", () => {
  const node = process.execPath;
  const script = (name: string, code: string) => defineScript({ name, run: [node, "-e", code] });

  async function client(commands: Parameters<typeof startServer>[0]) {
    return (await startServer(commands)).client({ protocol: 1 });
  }

  test("has its output at the end, from its result, and its outcome", async () => {
    const code =
      "process.stdout.write('öut'); process.stderr.write('err'); process.exitCode = Number(process.argv[1] ?? 0)";
    const over1 = await client({
      commands: [...originalTasks, script("good", code), defineScript({ name: "bad", run: [node, "-e", code, "7"] })],
    });
    const good = over1.run("good", {});
    const { stdout, stderr } = await collect(good);
    expect([stdout.toString(), stderr.toString()]).toEqual(["öut", "err"]);
    expect(await good.outcome).toMatchObject({ status: "completed", exitCode: 0, value: { stdout: "öut" } });
    expect(await errorOf(good.id)).toMatchObject({ message: expect.stringContaining("version 1") });
    const bad = over1.run("bad", {});
    expect(await bad.outcome).toMatchObject({ status: "failed", exitCode: 7, error: { code: "failed" } });
    expect(await bad.value).toMatchObject({ exitCode: 7 });
    const sum = over1.run("add", { a: 1, b: 2 });
    expect(await sum.outcome).toEqual({ status: "completed", value: 3 });
    expect((await collect(sum)).all).toHaveLength(0);
  });

  test("has an honest outcome when it does not complete", async () => {
    const over1 = await client({
      commands: [...originalTasks, script("shot", "process.kill(process.pid, 'SIGKILL')")],
      limits: { maxVersion1PlainAnswerBytes: 4_000 },
    });
    expect(await over1.run("shot", {}).outcome).toMatchObject({ status: "killed", signal: "SIGKILL" });
    expect(await over1.run("missing", {}).outcome).toMatchObject({ status: "rejected" });
    expect(await over1.run("fail", { message: "x" }).outcome).toMatchObject({ status: "failed" });
    // It ran, and its answer did not fit; a request that does not fit was never sent.
    expect(await over1.run("big", { n: 10_000 }).outcome).toMatchObject({
      status: "failed",
      error: { code: "too_large" },
    });
    expect(await over1.run("any", { value: "x".repeat(70_000) }).outcome).toMatchObject({
      status: "rejected",
      error: { code: "too_large" },
    });
  });

  test("that its caller gave up on is lost, not cancelled, as it goes on", async () => {
    const slow = gate();
    const over1 = await client({ commands: [...originalTasks, slow.command] });
    const run = over1.run("gate", {});
    await slow.started(1);
    const waiting = over1.run("add", { a: 1, b: 1 });
    waiting.cancel();
    expect(await waiting.outcome).toMatchObject({ status: "cancelled" });
    run.cancel();
    expect(await run.outcome).toMatchObject({ status: "lost", error: { code: "cancelled" } });
    const controller = new AbortController();
    const other = over1.run("gate", {}, { signal: controller.signal });
    await slow.started(2);
    controller.abort();
    expect(await other.outcome).toMatchObject({ status: "lost" });
    const late = await inTime(1_000, async () => {
      const before = slow.state.started;
      const run = over1.run("gate", {}, { timeoutMs: 1_000 });
      await Promise.race([slow.started(before + 1), run.outcome]);
      return run;
    });
    expect(await late.outcome).toMatchObject({ status: "lost", error: { code: "timeout" } });
    expect(slow.state.aborted).toBe(0);
    slow.open();
  });

  test("refuses what only version 2 has, before anything is sent", async () => {
    const slow = gate();
    const over1 = await client({ commands: [slow.command] });
    const handles = [
      over1.run("gate", {}, { detach: true }),
      over1.run("gate", {}, { idempotencyKey: "k" }),
      over1.attach("some run"),
    ];
    for (const handle of handles) {
      expect(await handle.outcome).toMatchObject({
        status: "rejected",
        error: { code: "protocol", message: expect.stringContaining("needs version 2") },
      });
      expect(await errorOf(handle.id)).toMatchObject({ code: "protocol" });
      expect((await collect(handle)).all).toHaveLength(0);
    }
    const refused = [over1.call("gate", {}, { idempotencyKey: "k" }), over1.cancel("some run"), over1.runs()];
    for (const work of refused) expect(await errorOf(work)).toMatchObject({ code: "protocol" });
    expect(slow.state.started).toBe(0);
  });
});

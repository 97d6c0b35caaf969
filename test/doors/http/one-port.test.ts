import { Agent, request } from "node:https";
import { describe, expect, test } from "vitest";
import { connect, defineCommand, Server } from "iscep";
import { httpDoor } from "iscep/http";
import { rawClient } from "../../support/raw-peer.js";
import { rawHttp, startHttp, statusesOf } from "../../support/http.js";
import { startServer, tokens } from "../../support/servers.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { later } from "../../support/cleanup.js";
import path from "node:path";

const post = (token: string, body: string): string[] => [
  "POST /commands/add HTTP/1.1",
  "Host: localhost",
  `Authorization: Bearer ${token}`,
  "Content-Type: application/json",
  `Content-Length: ${Buffer.byteLength(body)}`,
  "",
  body,
];

function offering(protocol: string): Agent {
  return new Agent({ rejectUnauthorized: false, ALPNProtocols: [protocol] });
}

describe.each([
  ["cleartext", false],
  ["TLS", true],
])("one port, %s", (_, tls) => {
  test("serves version 1, version 2 and HTTP, told apart by their first bytes", async () => {
    const server = await startHttp({ tls });
    expect(server.origin).toBe(`${tls ? "https" : "http"}://127.0.0.1:${server.port}`);
    for (const protocol of [1, 2] as const) {
      const client = await server.client({ protocol });
      expect(client.protocol).toBe(protocol);
      expect(await client.call("add", { a: 1, b: 2 })).toBe(3);
    }
    const http = await server.bytes();
    http.send(...post(tokens.alice, '{"a":1,"b":2}'));
    expect(await http.until(/"value":3/)).toContain("200 OK");
  });

  test("is told by the first byte alone, however the request is cut", async () => {
    const server = await startHttp({ tls });
    const whole = post(tokens.alice, '{"a":1,"b":2}').join("\r\n");
    // Over TLS this client offers no protocol, as an original client does not.
    const peer = await rawClient({ port: server.port, tls });
    const chunks: string[] = [];
    peer.socket.removeAllListeners("data");
    peer.socket.on("data", (chunk: Buffer) => chunks.push(chunk.toString()));
    await peer.sendApart([...whole].map((byte) => Buffer.from(byte, "latin1")));
    await expect.poll(() => chunks.join("")).toContain('"value":3');
  });
});

test("TLS: a client that offers only http/1.1 gets it, and one that offers only something else gets nothing", async () => {
  const server = await startHttp({ tls: true });
  const status = await new Promise((resolve, reject) => {
    request(`${server.origin}/nothing`, { agent: offering("http/1.1") }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    })
      .on("error", reject)
      .end();
  });
  expect(status).toBe(404);
  const refused = await new Promise<string>((resolve) => {
    request(`${server.origin}/`, { agent: offering("h2") })
      .on("error", (error) => resolve(error.message))
      .end();
  });
  expect(refused).toMatch(/no application protocol/i);
});

test("TLS: a peer that speaks HTTP without it is told so", async () => {
  const server = await startHttp({ tls: true });
  const raw = await rawHttp({ host: "127.0.0.1", port: server.port ?? 0 });
  raw.send("GET / HTTP/1.1", "Host: localhost", "", "");
  const text = await raw.rest();
  expect(statusesOf(text)).toEqual([400]);
  expect(text).toContain("https://");
});

test("a program that asks for / is told where everything is", async () => {
  const server = await startHttp();
  expect(await (await fetch(`${server.origin}/`)).json()).toMatchObject({
    commands: "/commands",
    console: "/console/",
  });
});

test("a server without the door answers HTTP as before, and its TLS knows no http/1.1", async () => {
  const server = await startServer({ tls: true });
  const message = await new Promise<string>((resolve) => {
    request(`https://127.0.0.1:${server.port}/`, { agent: offering("http/1.1") })
      .on("error", (error) => resolve(error.message))
      .end();
  });
  expect(message).toMatch(/no application protocol/i);
});

test("a place of its own speaks only HTTP, and the server's own places none", async () => {
  const server = await startHttp({ http: { listen: [{ host: "127.0.0.1", port: 0 }] } });
  expect(new URL(server.origin).port).not.toBe(String(server.port));
  expect((await server.post("/commands/add", { a: 1, b: 2 })).status).toBe(200);
  const packets = await server.raw();
  packets.socket.write("GET / HTTP/1.1\r\n\r\n");
  const [answer] = await packets.rest();
  expect(answer?.type).toBe(6);
});

test("HTTP over a unix socket", async () => {
  const unix = path.join(temporaryFolder(), "http.sock");
  const server = new Server({
    commands: [defineCommand({ name: "hi", run: () => "hello" })],
    listen: [{ unix }],
    doors: [httpDoor()],
  });
  later(() => server.close({ graceMs: 0 }));
  const { doorUrls } = await server.listen();
  expect(doorUrls).toEqual([`http+unix://${encodeURIComponent(unix)}/`]);
  const peer = await rawClient({ path: unix });
  const chunks: string[] = [];
  peer.socket.removeAllListeners("data");
  peer.socket.on("data", (chunk: Buffer) => chunks.push(chunk.toString()));
  peer.socket.write("POST /commands/hi HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
  await expect.poll(() => chunks.join("")).toContain('"value":"hello"');
  await using client = await connect(`iscep+unix://${unix}`);
  expect(await client.call("hi")).toBe("hello");
});

test("a place of its own must be as safe as those of the server", async () => {
  for (const place of [{ host: "0.0.0.0", port: 0 }]) {
    const open = new Server({ listen: [], tls: false, doors: [httpDoor({ listen: [place] })] });
    later(() => open.close());
    await expect(open.listen()).rejects.toMatchObject({ code: "usage", message: expect.stringContaining("cleartext") });
  }
});

test("only one door has the HTTP of a server", async () => {
  const server = new Server({ port: 0, tls: false, doors: [httpDoor(), httpDoor()] });
  later(() => server.close());
  await expect(server.listen()).rejects.toMatchObject({
    code: "usage",
    message: expect.stringContaining("another door"),
  });
});

test("a connection over the limit is refused in HTTP where nothing else is spoken", async () => {
  const server = await startHttp({ http: { listen: [{ host: "127.0.0.1", port: 0 }] }, maxConnections: 1 });
  const first = await server.bytes();
  first.send("GET /commands HTTP/1.1", "Host: localhost", `Authorization: Bearer ${tokens.alice}`, "", "");
  await first.until(/echo_task/);
  const second = await server.bytes();
  const text = await second.rest();
  expect(statusesOf(text)).toEqual([503]);
  expect(text).toContain("has its 1 connections already");
});

test("the server closes: what is under way is answered, and the connection says that it ends", async () => {
  let release: (() => void) | undefined;
  const wait = defineCommand({ name: "wait", run: () => new Promise<void>((resolve) => (release = resolve)) });
  const server = await startHttp({ commands: [wait] });
  const idle = await server.bytes();
  const busy = await server.bytes();
  busy.send(
    "POST /commands/wait HTTP/1.1",
    "Host: localhost",
    `Authorization: Bearer ${tokens.alice}`,
    "Content-Length: 0",
    "",
    "",
  );
  await expect.poll(() => release).toBeDefined();
  const closed = server.server.close({ graceMs: 10_000 });
  expect(await idle.rest()).toBe("");
  release?.();
  expect(await busy.rest()).toContain('"status":"completed"');
  await closed;
});

/** However a connection comes to its end, its place is given back, whether the peer keeps silent or is gone. */
import { once } from "node:events";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { defineCommand } from "iscep";
import { startHttp, statusesOf, type HttpServer, type RawHttp } from "../../support/http.js";
import { readLogs, tokens } from "../../support/servers.js";
import { until } from "../../support/until.js";

let release: () => void = () => {};
const wait = defineCommand({ name: "wait", run: () => new Promise<void>((resolve) => (release = resolve)) });
const host = "Host: localhost";
const call = ["POST /commands/wait HTTP/1.1", host, `Authorization: Bearer ${tokens.alice}`];
const garbage = ["garbage", "", ""];

const ways: Record<string, (raw: RawHttp, server: HttpServer) => void | Promise<void>> = {
  "bytes that are no request": (raw) => void raw.send(...garbage),
  "such bytes behind a request that is answered at once": (raw) =>
    void raw.send("GET /livez HTTP/1.1", host, "", ...garbage),
  async "such bytes behind events"(raw, server) {
    raw.send(...call, "Accept: text/event-stream", "Content-Length: 0", "", "");
    await raw.until(/event: started/);
    raw.send(...garbage);
    await until(() => logsOf(server).includes("HPE_"));
    release();
    await raw.until(/event: end/);
  },
  async "such bytes behind a call"(raw, server) {
    raw.send(...call, "Content-Type: application/json", "Content-Length: 2", "", "{}");
    raw.send(...garbage);
    await until(() => logsOf(server).includes("HPE_"));
    release();
    await raw.until(/completed/);
  },
  "a body that is not whole, with such bytes": (raw) =>
    void raw.send(...call, "Transfer-Encoding: chunked", "", "zz", "", ""),
  "two hosts": (raw) => void raw.send("GET /livez HTTP/1.1", host, "Host: other", "", ""),
  "a head that is too large": (raw) => void raw.send("GET /livez HTTP/1.1", host, `X-A: ${"a".repeat(20_000)}`, "", ""),
  "a head that is not whole": (raw) => void raw.send("GET /livez HTTP/1.1"),
  "wrong tokens": (raw) => void raw.send("GET /commands HTTP/1.1", host, "Authorization: Bearer wrong", "", ""),
  "an answer that says it is the last": (raw) =>
    void raw.send("GET /livez HTTP/1.1", host, "Connection: close", "", ""),
  "nothing more": (raw) => void raw.send("GET /livez HTTP/1.1", host, "", ""),
  async "a request behind the end"(raw) {
    const ended = raw.socket.readableEnded ? Promise.resolve() : once(raw.socket, "end");
    raw.send("GET /livez HTTP/1.1", host, "", "");
    await ended;
    raw.send("GET /livez HTTP/1.1", host, "", "");
  },
};

function logsOf({ folder }: HttpServer): string {
  return readLogs(path.join(folder, "logs"));
}

const limits = {
  packetTimeoutMs: 300,
  lingerTimeoutMs: 40,
  maxFailedTokensPerConnection: 1,
};

/** Only these end because nothing more comes. The others must not, however busy the machine is. */
const endsIdle = new Set(["nothing more", "a request behind the end"]);

describe.each(Object.entries(ways))("after %s", (way, begin) => {
  test.each(["keeps silent", "is gone"])("the place of a peer that %s is given back", async (peer) => {
    const idle = endsIdle.has(way) ? { idleTimeoutMs: 300 } : {};
    const server = await startHttp({ commands: [wait], limits: { ...limits, ...idle }, exemptLocalSources: true });
    const raw = await server.bytes();
    // It does not answer the end of the server with its own.
    raw.socket.allowHalfOpen = true;
    await until(() => server.server.metrics().includes("iscep_connections_total 1\n"));
    await begin(raw, server);
    if (peer === "is gone") raw.socket.destroy();
    await until(() => server.server.connections === 0, "the connection stays");
    expect(server.server.connections).toBe(0);
  });
});

test("a peer that goes away after bytes that are no request is seen while its call runs", async () => {
  const server = await startHttp({ commands: [wait], limits, exemptLocalSources: true });
  const raw = await server.bytes();
  raw.send(...call, "Content-Type: application/json", "Content-Length: 2", "", "{}", ...garbage);
  await until(() => logsOf(server).includes("HPE_"));
  raw.socket.destroy();
  await until(() => server.server.connections === 0, "the connection stays");
  expect(server.server.connections).toBe(0);
  release();
});

const wholeCall = [...call, "Content-Type: application/json", "Content-Length: 2", "", "{}"];

/** What a peer may send behind a call of which it does not wait for the answer. */
const left: Record<string, string> = {
  "half a line": "POST /comm",
  "a head and a part of its body": [...call, "Content-Length: 200000", "", "x".repeat(5_000)].join("\r\n"),
  "a body that is larger than what is read ahead": [...call, "Content-Length: 200000", "", "x".repeat(100_000)].join(
    "\r\n",
  ),
  "such a body in chunks": [...call, "Transfer-Encoding: chunked", "", "fffff", "x".repeat(100_000)].join("\r\n"),
  "such a body, and bytes that were to come behind it": [
    ...call,
    "Content-Length: 20000",
    "",
    "x".repeat(20_000),
    ...call,
    "Content-Length: 200000",
    "",
    "x".repeat(100_000),
  ].join("\r\n"),
};

test.each(Object.entries(left))("a peer that ends behind %s is seen while its call runs", async (_, bytes) => {
  let hasBegun = false;
  let isAborted = false;
  // It ends only when nobody wants it any more.
  const untilAborted = defineCommand({
    name: "wait",
    async run(_args, { signal }) {
      hasBegun = true;
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      isAborted = true;
    },
  });
  const server = await startHttp({ commands: [untilAborted], limits: { callerGraceMs: 1 } });
  const raw = await server.bytes();
  raw.send(...wholeCall, bytes);
  await until(() => hasBegun, "the call does not begin");
  raw.socket.end();
  await until(() => isAborted, "the call goes on");
  await until(() => server.server.connections === 0, "the connection stays");
  expect([isAborted, server.server.connections]).toEqual([true, 0]);
});

test("a large request behind a running call is left to another connection, and the answer says so", async () => {
  const notBegun = (release = () => {});
  const server = await startHttp({ commands: [wait], limits });
  const raw = await server.bytes();
  // Node 22 has four times the buffer of Node 20.
  raw.send(...wholeCall, ...call, "Content-Length: 100000", "", "x".repeat(100_000));
  await until(() => release !== notBegun, "the call does not begin");
  release();
  const text = await raw.rest();
  expect(statusesOf(text)).toEqual([200]);
  expect(text).toMatch(/connection: close/i);
});

/** What a peer may send without end while its call runs: heads of requests, and what stands before them. */
const endless: Record<string, readonly [before: string, head: readonly string[]]> = {
  "behind one that was the last": [
    [...call, "Content-Length: 100000", "", "x".repeat(100_000)].join("\r\n"),
    ["GET /livez HTTP/1.1", host],
  ],
  "that expect something": ["", ["GET /livez HTTP/1.1", host, "Expect: wonders"]],
};

test.each(Object.entries(endless))("a peer that sends requests without end %s is cut", async (_, [before, head]) => {
  const notBegun = (release = () => {});
  const server = await startHttp({ commands: [wait], limits: { ...limits, maxPipelinedRequests: 8 } });
  const raw = await server.bytes();
  raw.send(...wholeCall, before);
  await until(() => release !== notBegun, "the call does not begin");
  raw.send([...head, "", ""].join("\r\n").repeat(8));
  await until(() => raw.socket.closed, "the connection stays");
  expect([raw.socket.closed, raw.text]).toEqual([true, ""]);
  release();
});

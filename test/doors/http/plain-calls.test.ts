/** Most calls take a short way around the app. Callers must not see a difference. */
import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { defineCommand, defineScript, IscepError } from "iscep";
import { defaultLimits } from "#iscep/limits/limits";
import { plainCallRoute } from "#iscep/doors/http/calls/plain-call";
import { sameSite } from "#iscep/doors/http/request/same-site";
import { watchForLeaks } from "../../support/leaks.js";
import { gate } from "../../support/commands.js";
import { startHttp, statusesOf, type HttpServer } from "../../support/http.js";
import { tokens } from "../../support/servers.js";
import { until } from "../../support/until.js";

watchForLeaks();

const held: unknown[] = [];
const commands = [
  defineCommand({ name: "add", args: z.object({ a: z.int(), b: z.int() }), run: ({ a, b }) => a + b }),
  defineCommand({
    name: "later",
    args: z.object({ any: z.unknown() }),
    run: async (args) => Promise.resolve({ args }),
  }),
  defineCommand({ name: "keeps", args: z.object({ list: z.array(z.int()) }), run: (args) => (held.push(args), args) }),
  defineCommand({ name: "nothing", run: () => {} }),
  defineCommand({ name: "endless", run: () => "x".repeat(300_000) }),
  defineCommand({ name: "odd", run: () => 10n }),
  defineCommand({
    name: "fails",
    run: () => {
      throw new IscepError("busy", "the printer is busy", { details: { httpStatus: 999, start: 7, run: "other" } });
    },
  }),
  defineCommand({ name: "slow", timeoutMs: 20, run: () => new Promise(() => {}) }),
  defineScript({ name: "prints", run: ["/bin/sh", "-c", "echo out; echo err >&2"] }),
  defineScript({ name: "exits", run: ["/bin/sh", "-c", "echo out; exit 3"] }),
  defineScript({ name: "dies", run: ["/bin/sh", "-c", "kill -9 $$"] }),
  defineScript({ name: "floods", run: ["/bin/sh", "-c", "head -c 5000000 /dev/zero"] }),
  defineScript({
    name: "hides",
    args: { word: { type: "secret" } },
    run: ["cat", "{word:file}"],
  }),
];

async function start(options: Parameters<typeof startHttp>[0] = {}): Promise<HttpServer> {
  held.length = 0;
  return startHttp({
    commands,
    ...options,
    limits: { maxFailedTokensPerConnection: 1_000, penaltyMs: 0, ...options.limits },
  });
}

interface Asked {
  readonly body?: string;
  readonly headers?: Record<string, string>;
}

const deep = `{"any":${"[".repeat(200)}${"]".repeat(200)}}`;
const requests: readonly (readonly [what: string, path: string, asked: Asked])[] = [
  ["a value", "add", { body: '{"a":1,"b":2}' }],
  [
    "a value with a charset",
    "add",
    { body: '{"a":1,"b":2}', headers: { "content-type": "application/json; charset=utf-8" } },
  ],
  [
    "a value that comes later",
    "later",
    { body: '{"any":{"text":"Zo\\u00eb \\u2028 \\ud83d\\ude00","n":-0,"e":1e300}}' },
  ],
  ["no value", "nothing", { body: "{}" }],
  ["a long value", "endless", { body: "{}" }],
  ["a value that is no JSON", "odd", { body: "{}" }],
  ["an error with details that look like ours", "fails", { body: "{}" }],
  ["a timeout", "slow", { body: "{}" }],
  ["a script", "prints", { body: "{}" }],
  ["a script that fails", "exits", { body: "{}" }],
  ["a script that is killed", "dies", { body: "{}" }],
  ["a script that prints too much", "floods", { body: "{}" }],
  ["a secret", "hides", { body: '{"word":"open sesame"}' }],
  ["wrong arguments", "add", { body: '{"a":1,"c":2}' }],
  ["a body that is no object", "add", { body: "[1]" }],
  ["a body that is no JSON", "add", { body: '{"a":1,' }],
  ["a body that is no UTF-8", "add", { body: '{"a":"\u00ff"}' }],
  ["numbers that would change", "add", { body: '{"a":9007199254740993,"b":0}' }],
  ["a body that nests too deep", "later", { body: deep }],
  ["an unknown command", "none", { body: "{}" }],
  ["a token that is wrong", "add", { body: "{}", headers: { authorization: `Bearer ${tokens.alice}x` } }],
  ["a token that is wrong, with a wrong body", "add", { body: "no", headers: { authorization: "Bearer x" } }],
  ["no token of ours", "add", { body: "{}", headers: { authorization: "Basic YTpi" } }],
  [
    "two tokens",
    "add",
    { body: "{}", headers: { authorization: `Bearer ${tokens.alice}\r\nAuthorization: Bearer x` } },
  ],
  ["two types", "add", { body: "{}", headers: { "content-type": "application/json\r\nContent-Type: text/plain" } }],
  ["another type", "add", { body: "{}", headers: { "content-type": "text/plain" } }],
  ["a name with a dot segment", "..", { body: "{}" }],
  ["a name in percent signs", "%61dd", { body: '{"a":1,"b":2}' }],
  ["a foreign Host", "add", { body: "{}", headers: { host: "evil.example" } }],
  ["a Host that is none", "add", { body: "{}", headers: { host: "127.0.0.1:99999" } }],
  ["a traceparent", "add", { body: '{"a":1,"b":2}', headers: { traceparent: "00-zz" } }],
];

/** Sent as bytes, because fetch would change some of these. The body is latin1. */
async function answerTo(server: HttpServer, path: string, { body = "", headers = {} }: Asked): Promise<object> {
  const raw = await server.bytes();
  const all = {
    host: "localhost",
    authorization: `Bearer ${tokens.alice}`,
    "content-type": "application/json",
    "content-length": String(Buffer.byteLength(body, "latin1")),
    connection: "close",
    ...headers,
  };
  const fields = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  raw.send(`POST /commands/${path} HTTP/1.1`, ...fields, "", body);
  const text = await raw.rest();
  const [head = "", content = ""] = text.split("\r\n\r\n", 2);
  return {
    head: head
      .split("\r\n")
      .filter((line) => !/^(?:date|content-length):/i.test(line))
      .map((line) => line.toLowerCase())
      .sort(),
    length: /content-length: (\d+)/i.exec(head)?.[1] === String(content.length),
    content: content
      .replaceAll(/"(run|durationMs)":("[0-9a-f]{8}[^"]*"|[\d.]+)/g, '"$1":0')
      // How many fit beside the time depends on the digits of the time.
      .replaceAll(/(?:\\u0000){100000,}/g, "many NULs"),
  };
}

test.each(requests)("%s is answered as by the app", async (_, path, asked) => {
  const server = await start();
  const short = await answerTo(server, path, asked);
  // The app knows no such preference, but this header takes a request to it.
  const long = await answerTo(server, path, { ...asked, headers: { ...asked.headers, prefer: "handling=lenient" } });
  expect(short).toEqual(long);
  expect(short).toMatchObject({ length: true });
});

describe("the short way is taken", () => {
  const plain = { method: "POST", url: "/commands/add" };
  const usual = { host: "localhost:8989", "content-type": "application/json", "content-length": "2" };
  const route = plainCallRoute(sameSite({ hosts: ["build.example"] }), defaultLimits);

  function commandOf(request: { method: string; url: string }, headers: Record<string, string>): string | undefined {
    const incoming = new IncomingMessage(new Socket());
    Object.assign(incoming, request);
    for (const [name, value] of Object.entries(headers)) {
      incoming.rawHeaders.push(name, value);
      incoming.headers[name] = value;
    }
    return route.commandOf(incoming);
  }

  test.each([
    ["for the usual headers", {}],
    ["for a listed Host", { host: "build.example" }],
    ["for a client that takes anything", { accept: "application/json, */*", "user-agent": "curl/8" }],
  ])("%s", (_, more) => {
    expect(commandOf(plain, { ...usual, ...more })).toBe("add");
  });

  test.each([
    ["prefers something", plain, { prefer: "respond-async" }],
    ["has a key", plain, { "idempotency-key": "1" }],
    ["wants events", plain, { accept: "text/event-stream" }],
    ["shows a cookie", plain, { cookie: "a=b" }],
    ["comes from a page", plain, { origin: "http://localhost:8989" }],
    ["comes from a page that hides it", plain, { "sec-fetch-site": "cross-site" }],
    ["has a long body", plain, { "content-length": "16385" }],
    ["has no body", plain, { "content-length": "0" }],
    ["sends standard input", plain, { "content-type": "application/octet-stream" }],
    ["has a foreign Host", plain, { host: "evil.example" }],
    ["reads", { ...plain, method: "GET" }, {}],
    ["has a query", { ...plain, url: "/commands/add?a=1" }, {}],
    ["asks for something else", { ...plain, url: "/session" }, {}],
    ["asks for something below", { ...plain, url: "/commands/add/more" }, {}],
  ])("by no request that %s", (_, request, more) => {
    expect(commandOf(request, { ...usual, ...more })).toBeUndefined();
  });
});

function plainRequest(name: string, body: string, token: string = tokens.alice): string {
  const head = `POST /commands/${name} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n`;
  return `${head}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

test("caller and command share no object", async () => {
  const server = await start();
  await server.post("/commands/keeps", { list: [1] });
  (held[0] as { list: number[] }).list.push(2);
  const second = await server.post("/commands/keeps", { list: [1] });
  expect(await second.json()).toMatchObject({ value: { list: [1] } });
  expect(held).toEqual([{ list: [1, 2] }, { list: [1] }]);
});

test.each([false, true])(
  "calls that come together are answered in their order, and a body in pieces is waited for; TLS: %s",
  async (tls) => {
    const server = await start({ tls });
    const raw = await server.bytes();
    const all = Array.from({ length: 20 }, (_, a) =>
      plainRequest(a % 3 === 0 ? "prints" : "add", `{"a":${a},"b":0}`),
    ).join("");
    raw.send(all.replaceAll('"prints" HTTP', "prints HTTP"));
    await until(() => statusesOf(raw.text).length === 20);
    const values = [...raw.text.matchAll(/"value":(\d+)/g)].map(([, value]) => Number(value));
    expect(values).toEqual(Array.from({ length: 20 }, (_, a) => a).filter((a) => a % 3 !== 0));
    const last = plainRequest("add", '{"a":40,"b":2}');
    for (const piece of last.match(/[^]{1,40}/g) ?? []) {
      raw.send(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await raw.until(/"value":42/);
  },
);

test("a call that is under way when the server closes is answered as by the app, and the connection ends", async () => {
  const answers: string[] = [];
  for (const more of ["", "Prefer: handling=lenient\r\n"]) {
    const slow = gate("slow");
    const server = await start({ commands: [slow.command] });
    const raw = await server.bytes();
    raw.send(plainRequest("slow", "{}").replace("\r\n\r\n", `\r\n${more}\r\n`));
    await slow.started(1);
    await server.server.close({ graceMs: 0 });
    answers.push((await raw.rest()).replaceAll(/[0-9a-f-]{36}|^date:.*|^content-length:.*/gim, "").toLowerCase());
  }
  const [short = "", long = ""] = answers.map((answer) => answer.split("\r\n").sort().join("\n"));
  expect(short).toBe(long);
  expect(short).toMatch(/^connection: close$/m);
});

test("requests of one connection run one after the other (RFC 9112, 9.3.2)", async () => {
  const slow = gate("slow");
  const server = await start({ commands: [slow.command] });
  const raw = await server.bytes();
  raw.send(plainRequest("slow", "{}").repeat(3));
  for (const started of [1, 2, 3]) {
    await slow.started(started);
    // What could begin too early would begin now.
    await server.ask("/commands");
    expect(slow.state.started).toBe(started);
    slow.open();
  }
  await until(() => statusesOf(raw.text).length === 3);
});

test.each(["", "Prefer: foo\r\n"])("a peer that reads nothing has no more answers made (%s)", async (more) => {
  let ran = 0;
  const large = defineCommand({ name: "large", run: () => (ran++, "x".repeat(1_000_000)) });
  const server = await start({ commands: [large] });
  const raw = await server.bytes();
  raw.socket.pause();
  raw.send(plainRequest("large", "{}").replace("Host:", `${more}Host:`).repeat(30));
  await until(() => ran > 0);
  // What could begin too early would begin now.
  for (let asked = 0; asked < 20; asked++) await server.ask("/commands");
  expect(ran).toBeLessThan(30);
});

test("when the connection ends, its runs are stopped, and what waited never begins", async () => {
  const slow = gate("slow");
  const server = await start({ commands: [slow.command], limits: { maxCallsInFlight: 1, callerGraceMs: 1 } });
  const raw = await server.bytes();
  raw.send(plainRequest("slow", "{}").repeat(3));
  await slow.started(1);
  raw.socket.destroy();
  await until(() => slow.state.aborted === 1);
  expect(slow.state.started).toBe(1);
});

test.each(["", "Prefer: foo\r\n"])(
  "every token of a connection gets its answer, however many there are (%s)",
  async (more) => {
    const owners = Array.from({ length: 12 }, (_, index) => [`owner${index}`, `token-of-owner-${index}`] as const);
    const slow = gate("gated");
    const server = await start({ commands: [slow.command], tokens: { ...tokens, ...Object.fromEntries(owners) } });
    const raw = await server.bytes();
    for (const [, token] of owners) raw.send(plainRequest("gated", "{}", token).replace("Host:", `${more}Host:`));
    for (let started = 1; started <= owners.length; started++) {
      await slow.started(started);
      slow.open();
    }
    await until(() => statusesOf(raw.text).length === owners.length);
    expect(statusesOf(raw.text)).toEqual(owners.map(() => 200));
  },
);

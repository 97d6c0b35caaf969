/** Bytes that attack a server of HTTP. Each connection ends by the same deadlines and budgets as one of packets. */
import { describe, expect, test } from "vitest";
import { defineCommand } from "iscep";
import { z } from "zod";
import { startHttp, statusesOf, type HttpServer } from "../../support/http.js";
import { logLines, tokens } from "../../support/servers.js";

const ran: string[] = [];
const mark = defineCommand({
  name: "mark",
  args: z.object({ text: z.string().optional() }),
  run: ({ text = "" }) => void ran.push(text),
});
const authorization = `Authorization: Bearer ${tokens.alice}`;
const head = ["POST /commands/mark HTTP/1.1", "Host: localhost", authorization, "Content-Type: application/json"];

async function start(limits: NonNullable<Parameters<typeof startHttp>[0]>["limits"] = {}): Promise<HttpServer> {
  ran.length = 0;
  return startHttp({ commands: [mark], limits, exemptLocalSources: true });
}

describe("smuggling", () => {
  test.each<[string, string[]]>([
    ["two lengths that differ", [...head, "Content-Length: 2", "Content-Length: 40", "", "{}"]],
    ["a list of lengths", [...head, "Content-Length: 2, 40", "", "{}"]],
    ["a length and chunks", [...head, "Content-Length: 2", "Transfer-Encoding: chunked", "", "0", "", ""]],
    ["chunks and a length", [...head, "Transfer-Encoding: chunked", "Content-Length: 2", "", "0", "", ""]],
    ["a coding that is not the last", [...head, "Transfer-Encoding: chunked, identity", "", "0", "", ""]],
    ["a coding that only looks like chunked", [...head, "Transfer-Encoding: xchunked", "", "0", "", ""]],
    ["a length with a sign", [...head, "Content-Length: +2", "", "{}"]],
    ["a length that is no number", [...head, "Content-Length: 0x2", "", "{}"]],
    ["a space before the colon", [...head, "Content-Length : 2", "", "{}"]],
    ["a folded field", [...head, "X-A: 1", " folded: 2", "Content-Length: 2", "", "{}"]],
    ["a bare line feed in the head", [`${head.join("\r\n")}\nX: 1`, "Content-Length: 2", "", "{}"]],
    ["a NUL in a field", [...head, "X-A: a\0b", "Content-Length: 2", "", "{}"]],
    ["a chunk whose size is no number", [...head, "Transfer-Encoding: chunked", "", "zz", "{}", "0", "", ""]],
    ["a chunk that is longer than it says", [...head, "Transfer-Encoding: chunked", "", "2", "{}{}", "0", "", ""]],
    ["two hosts", [...head, "Host: evil.example", "Content-Length: 0", "", ""]],
    ["HTTP of the future", ["POST /commands/mark HTTP/3.7", "Host: localhost", authorization, "", ""]],
    ["the preface of HTTP/2", ["PRI * HTTP/2.0", "", "SM", "", ""]],
    ["a method that is none", ["EXEC /commands/mark HTTP/1.1", "Host: localhost", authorization, "", ""]],
    ["words of another protocol", ["EHLO mail.example", "", ""]],
  ])("%s: refused, nothing runs, and the connection ends", async (_, lines) => {
    const server = await start();
    const raw = await server.bytes();
    raw.send(...lines);
    // A request that was hidden behind it must not be answered.
    raw.send(...head, "Content-Length: 17", "", '{"text":"hidden"}');
    const text = await raw.rest();
    expect(statusesOf(text).filter((status) => status < 400)).toEqual([]);
    expect(statusesOf(text).length).toBeLessThanOrEqual(1);
    expect(ran).toEqual([]);
    expect((await server.post("/commands/mark", { text: "after" })).status).toBe(200);
    expect(ran).toEqual(["after"]);
  });
});

test("bytes that are no request, behind one that runs, do not replace its answer", async () => {
  const server = await start();
  const raw = await server.bytes();
  raw.send(...head, "Content-Length: 14", "", '{"text":"one"}}garbage', "", "");
  const text = await raw.rest();
  expect(statusesOf(text)).toEqual([200]);
  expect(ran).toEqual(["one"]);
});

describe("deadlines", () => {
  const short = { authenticationTimeoutMs: 200, packetTimeoutMs: 200, idleTimeoutMs: 200, writeStallTimeoutMs: 300 };

  test.each<[string, string[]]>([
    ["nothing", []],
    ["one letter", ["G"]],
    ["half a first line", ["POST /comm"]],
    ["a head without its end", [...head, "X-A: 1"]],
  ])("a peer that sends %s is cut", async (_, lines) => {
    const server = await start(short);
    const raw = await server.bytes();
    raw.send(...lines);
    await raw.closed;
    expect(ran).toEqual([]);
  });

  test("a head that is not whole in time is told so", async () => {
    const server = await start({ packetTimeoutMs: 200 });
    const raw = await server.bytes();
    raw.send(...head, "X-A: 1");
    expect(statusesOf(await raw.rest())).toEqual([408]);
  });

  test("a head that comes letter by letter ends at the deadline of a packet, not of a letter", async () => {
    const server = await start(short);
    const raw = await server.bytes();
    const drip = setInterval(() => raw.socket.write("a"), 20);
    raw.send(...head, "X-Slow: ");
    await raw.closed;
    clearInterval(drip);
    expect(ran).toEqual([]);
  });

  test("a body that does not come is not waited for", async () => {
    const server = await start({ packetTimeoutMs: 200 });
    const raw = await server.bytes();
    raw.send(...head, "Content-Length: 100", "", '{"text":');
    const text = await raw.rest();
    expect(statusesOf(text)).toEqual([408]);
    expect(ran).toEqual([]);
  });

  test("an idle connection ends", async () => {
    const server = await start({ idleTimeoutMs: 200 });
    const raw = await server.bytes();
    raw.send(...head, "Content-Length: 2", "", "{}");
    await raw.until(/completed/);
    await raw.closed;
    const { access } = logsOf(await server.logged());
    expect(access.findLast(({ event }) => event === "close")).toMatchObject({ packets: 1, owner: "alice" });
  });
});

describe("budgets", () => {
  test("a head over the limit is 431", async () => {
    const server = await start({ maxHttpHeadBytes: 2_048 });
    const raw = await server.bytes();
    raw.send(...head, `X-Large: ${"a".repeat(4_096)}`, "Content-Length: 0", "", "");
    const text = await raw.rest();
    expect(statusesOf(text)).toEqual([431]);
    expect(text).toContain("max_http_head_bytes");
  });

  test("a head with too many fields is 431, and none of them is left out in silence", async () => {
    const server = await start();
    for (const more of [[], ["Prefer: handling=lenient"]]) {
      const raw = await server.bytes();
      raw.send(...head, ...more, ...Array.from({ length: 205 }, (_, index) => `X-${index}: 1`));
      raw.send("", "Idempotency-Key: k", "Content-Length: 2", "", "{}");
      expect(statusesOf(await raw.rest())).toEqual([431]);
    }
    expect(ran).toEqual([]);
  });

  test("a body over the limit is 413, whether it says its length or not", async () => {
    const server = await start({ maxPacketBytes: 65_536 });
    const told = await server.post("/commands/mark", { text: "a".repeat(70_000) });
    expect(told.status).toBe(413);
    expect(await told.json()).toMatchObject({ code: "too_large", detail: expect.stringContaining("max_packet_bytes") });
    const raw = await server.bytes();
    raw.send(...head, "Transfer-Encoding: chunked", "", "20000", "a".repeat(0x20000), "0", "", "");
    expect(statusesOf(await raw.until(/too_large/))).toEqual([413]);
    expect(ran).toEqual([]);
  });

  test("who signs in may send no more than a stranger may", async () => {
    const server = await start({ maxUnauthenticatedBytes: 20_000 });
    const raw = await server.bytes();
    raw.send(
      "POST /session HTTP/1.1",
      "Host: localhost",
      "Content-Type: application/json",
      "Content-Length: 30000",
      "",
      "",
    );
    expect(statusesOf(await raw.until(/too_large/))).toEqual([413]);
  });

  test("a stranger's body is not read: the token is checked first", async () => {
    const server = await start();
    const raw = await server.bytes();
    raw.send("POST /commands/mark HTTP/1.1", "Host: localhost", "Content-Length: 1000000", "", "");
    expect(statusesOf(await raw.until(/unauthorized/))).toEqual([401]);
  });

  test("a stranger who sends more than strangers may is cut", async () => {
    const server = await start({ maxUnauthenticatedBytes: 10_000 });
    const raw = await server.bytes();
    const ask = ["GET /commands HTTP/1.1", "Host: localhost", `X-Fill: ${"a".repeat(1_000)}`, "", ""].join("\r\n");
    for (let sent = 0; sent < 60 && !raw.socket.destroyed; sent++) {
      raw.socket.write(ask);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await raw.closed;
    expect(statusesOf(raw.text).every((status) => status === 401)).toBe(true);
  });

  test("wrong tokens end the connection, and count for the address", async () => {
    // The defaults in minutes, so that nothing is forgiven meanwhile.
    const limits = { penaltyMs: 60_000, penaltyStartMs: 180_000 };
    const server = await startHttp({ commands: [mark], exemptLocalSources: false, limits });
    const raw = await server.bytes();
    const ask = ["GET /commands HTTP/1.1", "Host: localhost", "Authorization: Bearer wrong", "", ""].join("\r\n");
    // Three mistakes are free. After the fourth the address waits, as at the other doors.
    for (let sent = 1; sent <= 4; sent++) {
      raw.socket.write(ask);
      await raw.until(new RegExp(`(?:HTTP/1.1 401[^]*){${sent}}`));
    }
    raw.socket.write(ask);
    expect(statusesOf(await raw.until(/ 503 /)).at(-1)).toBe(503);
    const next = await server.bytes();
    expect(await next.rest()).toBe("");
  });

  test("the answer that ends a connection says so, and who shows no token ends none", async () => {
    const server = await start({ maxFailedTokensPerConnection: 3 });
    const raw = await server.bytes();
    const ask = (...headers: string[]): void =>
      void raw.send("GET /commands HTTP/1.1", "Host: localhost", ...headers, "", "");
    for (let sent = 1; sent <= 5; sent++) {
      ask();
      await raw.until(new RegExp(`(?:HTTP/1.1 401[^]*){${sent}}`));
    }
    for (let sent = 6; sent <= 8; sent++) {
      ask("Authorization: Bearer wrong");
      await raw.until(new RegExp(`(?:HTTP/1.1 401[^]*){${sent}}`));
    }
    const text = await raw.rest();
    expect([...text.matchAll(/^connection: (\S+)/gim)].map(([, value]) => value?.toLowerCase())).toEqual([
      ...Array<string>(7).fill("keep-alive"),
      "close",
    ]);
  });

  test("requests without end and without reading are cut", async () => {
    const server = await start({ maxPipelinedRequests: 8 });
    const raw = await server.bytes();
    raw.socket.pause();
    const ask = [...head, "Content-Length: 2", "", "{}"].join("\r\n");
    raw.socket.write(ask.repeat(500));
    raw.socket.resume();
    await raw.closed;
    expect(ran.length).toBeLessThanOrEqual(8);
  });

  test("a few requests at once are answered in their order", async () => {
    const server = await start();
    const raw = await server.bytes();
    raw.socket.write(
      ["a", "b", "c"]
        .map((text) => [...head, "Content-Length: 12", "", JSON.stringify({ text })].join("\r\n"))
        .join(""),
    );
    await raw.until(/(?:completed[^]*){3}/);
    expect(ran).toEqual(["a", "b", "c"]);
  });
});

describe("what is no plain request", () => {
  test("an upgrade is not taken", async () => {
    const server = await start();
    const raw = await server.bytes();
    raw.send(
      "GET /commands HTTP/1.1",
      "Host: localhost",
      authorization,
      "Connection: Upgrade",
      "Upgrade: websocket",
      "",
      "",
    );
    expect(statusesOf(await raw.until(/"commands"/))).toEqual([200]);
  });

  test("CONNECT, TRACE and a foreign address are no way through", async () => {
    const server = await start();
    for (const lines of [
      ["CONNECT example.com:443 HTTP/1.1", "Host: localhost", "", ""],
      ["TRACE /commands HTTP/1.1", "Host: localhost", authorization, "Connection: close", "", ""],
      ["GET http://example.com/commands HTTP/1.1", "Host: example.com", authorization, "Connection: close", "", ""],
    ]) {
      const raw = await server.bytes();
      raw.send(...lines);
      const text = await raw.rest();
      expect(statusesOf(text).filter((status) => status < 400)).toEqual([]);
      expect(text).not.toContain(tokens.alice);
    }
  });

  test("Expect: 100-continue is answered, and another expectation is 417", async () => {
    const server = await start();
    const raw = await server.bytes();
    raw.send(...head, "Expect: 100-continue", "Content-Length: 2", "", "");
    await raw.until(/100 Continue/);
    raw.socket.write("{}");
    await raw.until(/completed/);
    raw.send(...head, "Expect: wonders", "Content-Length: 0", "", "");
    expect(statusesOf(await raw.until(/ 417 /))).toEqual([100, 200, 417]);
  });

  // adnanh/webhook and OliveTin let a GET start a command, so a link or an image in a page can.
  test.each(["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"])("%s runs nothing (E26)", async (method) => {
    const server = await start();
    const answer = await server.ask("/commands/mark?text=x", { method });
    expect(ran).toEqual([]);
    if (method === "OPTIONS") expect(answer.headers.get("allow")).toBe("GET, HEAD, POST, OPTIONS");
    else if (method !== "GET" && method !== "HEAD") expect(answer.status).toBe(405);
  });
});

describe("foreign pages", () => {
  // GHSA-w48q-cv73-mx4w, CVE-2026-42559, CVE-2025-66414: the name of a page is made to lead to a server on localhost.
  test("a request without a host is refused", async () => {
    const server = await start();
    const raw = await server.bytes();
    raw.send("POST /commands/mark HTTP/1.1", authorization, "Content-Length: 0", "", "");
    expect(statusesOf(await raw.until(/HTTP/))).toEqual([421]);
    expect(ran).toEqual([]);
  });

  test.each(["evil.example", "evil.example:8989", "localhost.evil.example", "127.0.0.1.evil.example", ""])(
    "a request for the host %j is refused (E27)",
    async (host) => {
      const server = await start();
      const raw = await server.bytes();
      raw.send("POST /commands/mark HTTP/1.1", `Host: ${host}`, authorization, "Content-Length: 0", "", "");
      expect(statusesOf(await raw.until(/hosts/))).toEqual([421]);
      expect(ran).toEqual([]);
    },
  );

  test.each(["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:8989", "10.1.2.3", "commands.example.org:443"])(
    "a request for the host %s is answered",
    async (host) => {
      const server = await startHttp({ commands: [mark], http: { hosts: ["Commands.Example.org"] } });
      const raw = await server.bytes();
      raw.send("POST /commands/mark HTTP/1.1", `Host: ${host}`, authorization, "Content-Length: 0", "", "");
      expect(statusesOf(await raw.until(/HTTP/))).toEqual([200]);
    },
  );

  // script-server#79: a page of another origin started scripts.
  test.each<[string, Record<string, string>]>([
    ["of another origin", { origin: "https://evil.example" }],
    ["of another port", { origin: "http://127.0.0.1:1" }],
    ["without an origin of its own", { origin: "null" }],
    ["that says only that it is foreign", { "sec-fetch-site": "cross-site" }],
    ["of the same site, but another origin", { "sec-fetch-site": "same-site" }],
  ])("a write from a page %s is refused (E26)", async (_, headers) => {
    const server = await start();
    const raw = await server.bytes();
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
    raw.send(...head, ...lines, "Content-Length: 2", "", "{}");
    expect(statusesOf(await raw.until(/origin/))).toEqual([403]);
    expect(ran).toEqual([]);
  });

  test("no page of another origin may read answers, unless it is listed", async () => {
    const server = await startHttp({ commands: [mark], http: { origins: ["https://app.example"] } });
    const asked = async (origin: string): Promise<Response> => server.ask("/commands", { headers: { origin } });
    expect((await asked("https://evil.example")).headers.get("access-control-allow-origin")).toBeNull();
    const listed = await asked("https://app.example");
    expect(listed.headers.get("access-control-allow-origin")).toBe("https://app.example");
    expect(listed.headers.get("access-control-allow-credentials")).toBeNull();
    expect(listed.headers.get("vary")).toContain("Origin");
    const preflight = await fetch(`${server.origin}/commands/mark`, {
      method: "OPTIONS",
      headers: { origin: "https://app.example", "access-control-request-method": "POST" },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-headers")).toMatch(/authorization/i);
  });
});

function logsOf(text: string): { access: Record<string, unknown>[] } {
  return { access: logLines(text) };
}

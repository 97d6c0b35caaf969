/** /mcp as a stranger, a page of another origin, and a program without the SDK see it; and who may what. */
import { request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeEach, describe, expect, test } from "vitest";
import { declareArguments, defineCommand } from "iscep";
import { addToken, removeToken } from "#iscep/identity/tokens-writer";
import { watchForLeaks } from "../../support/leaks.js";
import { gate } from "../../support/commands.js";
import { inTime } from "../../support/in-time.js";
import { mcpClient, noticesCut, runOf, startMcpServer, wordsOf, type McpTestServer } from "../../support/mcp.js";
import { tokens } from "../../support/servers.js";
import { until } from "../../support/until.js";

watchForLeaks();

let ran = 0;
beforeEach(() => void (ran = 0));

const echo = defineCommand({
  name: "echo",
  args: declareArguments({ text: { type: "string", multiline: true } }),
  run: ({ text }) => {
    ran++;
    return text;
  },
});

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
}

interface Sent {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** `fetch` sets Host and Origin itself. */
function send({ mcpUrl }: McpTestServer, { method = "POST", headers = {}, body }: Sent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(mcpUrl, {
      method,
      agent: false,
      headers: {
        authorization: `Bearer ${tokens.alice}`,
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        ...headers,
      },
    });
    sent.on("error", reject);
    sent.on("response", (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text }));
    });
    sent.end(body);
  });
}

const listTools = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" });
const callEcho = (text: string): string =>
  JSON.stringify({
    jsonrpc: "2.0",
    id: 1,
    method: "tools/call",
    params: { name: "echo", arguments: { text } },
  });

test("a program without the SDK gets its answer from one request", async () => {
  const server = await startMcpServer({ commands: [echo] });
  const { status, text } = await send(server, { body: callEcho("hi") });
  expect(status).toBe(200);
  expect(text).toContain('"text":"hi"');
});

describe("foreign pages are kept out (CVE-2025-66414, GHSA-w48q-cv73-mx4w: DNS rebinding of MCP servers on localhost)", () => {
  test.each(["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example"])(
    "Host %s is refused before anything runs",
    async (host) => {
      const server = await startMcpServer({ commands: [echo] });
      const { status } = await send(server, { headers: { host }, body: callEcho("hi") });
      expect(status).toBe(421);
      expect(ran).toBe(0);
    },
  );

  test.each(["https://evil.example", "http://localhost:1", "null"])("Origin %s is refused", async (origin) => {
    const server = await startMcpServer({ commands: [echo] });
    const { status } = await send(server, { headers: { origin }, body: callEcho("hi") });
    expect(status).toBe(403);
    expect(ran).toBe(0);
  });
});

describe("nothing runs by a request that is not the protocol's", () => {
  test.each<[string, Sent, number]>([
    ["GET, which browsers send without asking", { method: "GET" }, 405],
    ["DELETE, as there are no sessions", { method: "DELETE" }, 405],
    ["no JSON", { body: "{" }, 400],
    ["another type, which a form can send", { headers: { "content-type": "text/plain" }, body: listTools }, 415],
    ["depth that costs a stack", { body: `${"[".repeat(5_000)}${"]".repeat(5_000)}` }, 400],
    ["a batch", { body: `[${listTools}]` }, 422],
    ["a body beyond the limit", { body: callEcho("x".repeat(5 * 1_024 * 1_024)) }, 413],
  ])("%s", async (_, sent, expected) => {
    const server = await startMcpServer({ commands: [echo] });
    const { status } = await send(server, sent);
    expect(status).toBe(expected);
  });
});

test("arguments reach the command byte for byte, whatever a shell would make of them (WireMCP#12)", async () => {
  const server = await startMcpServer({ commands: [echo] });
  const { client } = await mcpClient(["http", "2026-07-28"], server);
  for (const text of ["$(id)", "`id`", "; rm -rf /", "--help", "../../etc/passwd", "a\nb", "é😀"]) {
    expect(wordsOf(await client.callTool({ name: "echo", arguments: { text } }))).toBe(text);
  }
});

test("ids of runs are looked up, and never a path (GHSA-364q-w7vh-vhpc)", async () => {
  const server = await startMcpServer({ commands: [echo] });
  const { client } = await mcpClient(["http", "2026-07-28"], server);
  for (const run of ["../../etc/passwd", "", "x".repeat(10_000), "0190163d-8694-739b-aea5-966c26f8ad91"]) {
    for (const name of ["run_wait", "run_output", "run_cancel"]) {
      const answer = await client.callTool({ name, arguments: { run } });
      expect(answer.isError).toBe(true);
      expect(wordsOf(answer)).toMatch(/\((run_not_found|invalid_arguments)\)/);
    }
  }
});

const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

/** Opens a stream as clients of 2026 do. */
async function fetchListening(
  { mcpUrl }: McpTestServer,
  token: string,
  heard: (text: string) => void,
): Promise<{ readonly ended: Promise<void> }> {
  const version = "2026-07-28";
  const envelope = {
    "io.modelcontextprotocol/protocolVersion": version,
    "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" },
    "io.modelcontextprotocol/clientCapabilities": {},
  };
  const method = "subscriptions/listen";
  const params = { notifications: { toolsListChanged: true }, _meta: envelope };
  const response = await fetch(mcpUrl, {
    method: "POST",
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
    headers: {
      ...bearer(token),
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": version,
      "mcp-method": method,
    },
  });
  expect(response.status).toBe(200);
  const read = async (): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) heard(decoder.decode(chunk as Uint8Array, { stream: true }));
  };
  return { ended: read() };
}

describe("who calls", () => {
  test.each<[string, Record<string, string>]>([
    ["nobody", { authorization: "" }],
    ["somebody else", { authorization: "Bearer wrong-0123456789" }],
    ["a cookie that is none", { authorization: "", cookie: "iscep=x" }],
    ["another scheme", { authorization: "Basic YWxpY2U6eA==" }],
  ])("%s gets 401 and the way to sign in, for each method of the protocol", async (_, headers) => {
    const server = await startMcpServer({ commands: [echo] });
    const given = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== ""));
    const without = "authorization" in given ? given : { ...given, authorization: "none" };
    for (const body of [listTools, callEcho("hi")]) {
      const answer = await send(server, { headers: without, body });
      expect(answer.status).toBe(401);
      expect(answer.headers["www-authenticate"]).toMatch(/^Bearer/);
      expect(answer.text).toContain("unauthorized");
      expect(ran).toBe(0);
    }
  });

  test("the session of a browser is not for tools", async () => {
    const server = await startMcpServer({ commands: [echo] });
    const url = new URL("/session", server.mcpUrl);
    const signedIn = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ token: tokens.alice }),
    });
    const cookie = signedIn.headers.get("set-cookie")?.split(";", 1)[0] ?? "";
    await signedIn.text();
    expect((await fetch(new URL("/runs", server.mcpUrl), { headers: { cookie } })).status).toBe(200);
    const headers = { "content-type": "application/json", accept: "application/json, text/event-stream", cookie };
    const refused = await fetch(server.mcpUrl, { method: "POST", headers, body: callEcho("hi") });
    expect(refused.status).toBe(401);
    expect(ran).toBe(0);
  });

  test("an expired token gets 401", async () => {
    const server = await startMcpServer({ commands: [echo], tokens: {} });
    const headers = await inTime(1_000, async () => {
      const { token } = await addToken(server.tokensFile, { owner: "ada", expiresInMs: 1_000 });
      const shown = { authorization: `Bearer ${token}` };
      expect((await send(server, { headers: shown, body: listTools })).status).toBe(200);
      return shown;
    });
    await until(async () => (await send(server, { headers, body: listTools })).status === 401);
  });

  test("a token that may list nothing is told so, and one that may list sees only what it may run", async () => {
    const other = defineCommand({ name: "other", run: () => 1 });
    const server = await startMcpServer({ commands: [echo, other], tokens: {} });
    const blind = await addToken(server.tokensFile, { owner: "ada", scopes: ["run:echo"] });
    const seeing = await addToken(server.tokensFile, { owner: "bob", scopes: ["run:echo", "discover"] });
    const list = (token: string) => send(server, { headers: { authorization: `Bearer ${token}` }, body: listTools });
    expect((await list(blind.token)).text).toMatch(/unauthorized/);
    const { text } = await list(seeing.token);
    expect(text).toContain('"name":"echo"');
    expect(text).not.toContain('"name":"other"');
  });

  test("a token that is removed during a run ends the run, and the call learns why", async () => {
    const slow = gate("slow");
    const server = await startMcpServer({ commands: [slow.command], tokens: {}, limits: { callerGraceMs: 1 } });
    const { token } = await addToken(server.tokensFile, { owner: "ada" });
    const { client } = await mcpClient(["http", "2026-07-28"], server, { token });
    const waiting = client.callTool({ name: "slow", arguments: {} });
    await slow.started(1);
    await removeToken(server.tokensFile, "ada");
    const answer = await waiting;
    expect(answer.isError).toBe(true);
    expect(wordsOf(answer)).toMatch(/no longer valid/);
    await until(() => slow.state.aborted === 1);
    await expect(client.callTool({ name: "slow", arguments: {} })).rejects.toThrow(/401|unauthorized/i);
  });

  test.each([[1], [1_000_000]])(
    "a stream of changes ends with its token, and tells nothing any more (check every %d ms)",
    async (mcpListenCheckMs) => {
      const server = await startMcpServer({ commands: [echo], tokens: {}, limits: { mcpListenCheckMs } });
      const { token } = await addToken(server.tokensFile, { owner: "ada" });
      let told = 0;
      let ended = 0;
      const listening = await fetchListening(
        server,
        token,
        (text) => void (told += text.split("list_changed").length - 1),
      );
      void listening.ended.then(() => ended++);
      const more = defineCommand({ name: "more", run: () => 1 });
      server.server.register(more);
      await until(() => told === 1);
      await removeToken(server.tokensFile, "ada");
      await until(async () => (await send(server, { headers: bearer(token), body: listTools })).status === 401);
      server.server.unregister("more");
      await until(() => ended === 1);
      expect(told).toBe(1);
    },
  );

  test("calls of two owners with the same arguments are two runs, also when one was given up", async () => {
    const slow = gate("slow");
    const server = await startMcpServer({ commands: [slow.command] });
    const alice = await mcpClient(["http", "2026-07-28"], server);
    alice.client.callTool({ name: "slow", arguments: { tag: "mine" } }).catch(() => {});
    await slow.started(1);
    await alice.cut();
    await noticesCut(server);
    const bob = await mcpClient(["http", "2026-07-28"], server, { token: tokens.bob });
    const bobs = bob.client.callTool({ name: "slow", arguments: { tag: "mine" } });
    await slow.started(2);
    const again = await mcpClient(["http", "2026-07-28"], server);
    const found = again.client.callTool({ name: "slow", arguments: { tag: "mine" } });
    slow.open();
    expect(runOf(await found)).not.toBe(runOf(await bobs));
    expect(slow.state.started).toBe(2);
  });
});

test("answers and progress never reach another client (CVE-2026-25536, GHSA-345p-7cg4-v4c7)", async () => {
  const tells = defineCommand({
    name: "tells",
    args: declareArguments({ who: { type: "string" } }),
    run: async ({ who }, { progress, output }) => {
      for (let step = 1; step <= 5; step++) {
        progress(step / 5, who);
        await output.write("stdout", `${who}\n`);
        await sleep(5);
      }
      return who;
    },
  });
  const server = await startMcpServer({ commands: [tells], limits: { mcpNewsIntervalMs: 1 } });
  const ways = ["2025-11-25", "2026-07-28"] as const;
  // Each client counts its requests from 0, so that all have the same ids at the same time.
  const clients = await Promise.all(
    [...ways, ...ways, ...ways].map((revision) => mcpClient(["http", revision], server)),
  );
  await Promise.all(
    clients.map(async ({ client }, index) => {
      const who = `client ${index}`;
      const heard: (string | undefined)[] = [];
      const answer = await client.callTool(
        { name: "tells", arguments: { who } },
        { onprogress: ({ message }) => void heard.push(message) },
      );
      expect(wordsOf(answer)).toBe(`${`${who}\n`.repeat(5)}\n${who}`);
      for (const message of heard) expect(message).toBe(who);
    }),
  );
});

test("a client of 2026 is told how long its list of tools is good, and that the list is its own", async () => {
  const server = await startMcpServer({ commands: [echo], limits: { mcpToolsMs: 7_000 } });
  const { client } = await mcpClient(["http", "2026-07-28"], server);
  expect(await client.listTools()).toMatchObject({ ttlMs: 7_000, cacheScope: "private" });
});

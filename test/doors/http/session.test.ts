import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { defineCommand } from "iscep";
import { addToken, removeToken } from "#iscep/identity/tokens-writer";
import { startHttp, type HttpServer } from "../../support/http.js";
import { tokens } from "../../support/servers.js";
import { until } from "../../support/until.js";

let started = 0;
let aborted = 0;
const ticks = defineCommand({
  name: "ticks",
  async run(_, { output, signal }) {
    started++;
    signal.addEventListener("abort", () => aborted++);
    for (;;) {
      await output.write("stdout", "tick\n");
      await sleep(20, undefined, { signal });
    }
  },
});
const hello = defineCommand({ name: "hello", run: () => "hello" });

async function start(options: Parameters<typeof startHttp>[0] = {}): Promise<HttpServer> {
  started = aborted = 0;
  return startHttp({ commands: [ticks, hello], ...options });
}

/** Signs in as a page of the server does. Returns the cookie. */
async function signIn(server: HttpServer, token: string = tokens.alice): Promise<string> {
  const headers = { "content-type": "application/json", origin: server.origin };
  const answer = await fetch(`${server.origin}/session`, { method: "POST", body: JSON.stringify({ token }), headers });
  expect(answer.status).toBe(200);
  return (answer.headers.get("set-cookie") ?? "").split(";", 1)[0] ?? "";
}

function as(server: HttpServer, cookie: string, path: string, init: RequestInit = {}): Promise<Response> {
  return fetch(server.origin + path, { ...init, headers: { cookie, origin: server.origin, ...init.headers } });
}

describe("a browser's session", () => {
  test("begins with a token, and has a cookie that scripts cannot read and other sites do not send", async () => {
    const server = await start({ tls: false });
    const headers = { "content-type": "application/json", origin: server.origin };
    const answer = await fetch(`${server.origin}/session`, {
      method: "POST",
      body: JSON.stringify({ token: tokens.alice }),
      headers,
    });
    const cookie = answer.headers.get("set-cookie") ?? "";
    expect(cookie).toMatch(/^iscep-\d+=[\w-]{43}; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict$/);
    expect(cookie).not.toContain(tokens.alice);
    expect(await answer.json()).toEqual({
      owner: "alice",
      tokenId: null,
      open: false,
      scopes: ["discover", "run:*"],
      rights: [
        { scope: "discover", says: "list the commands that it may run" },
        { scope: "run:*", says: "run all commands" },
      ],
      commands: [
        { command: "hello", why: "run:*" },
        { command: "ticks", why: "run:*" },
      ],
    });
  });

  test("calls by its cookie, and a wrong token begins none", async () => {
    const server = await start();
    const cookie = await signIn(server);
    expect(await (await as(server, cookie, "/commands/hello", { method: "POST" })).json()).toMatchObject({
      value: "hello",
    });
    const headers = { "content-type": "application/json" };
    const wrong = await fetch(`${server.origin}/session`, { method: "POST", body: '{"token":"x"}', headers });
    expect([wrong.status, wrong.headers.get("set-cookie")]).toEqual([401, null]);
  });

  // GHSA-gq2m-77hf-vwgh: a sign-out that left the session alive.
  test("ends at the sign-out, with all that was opened with it", async () => {
    const server = await start({ limits: { callerGraceMs: 50 } });
    const cookie = await signIn(server);
    const live = await as(server, cookie, "/commands/ticks", {
      method: "POST",
      headers: { accept: "text/event-stream" },
    });
    const waiting = as(server, cookie, "/commands/ticks", { method: "POST" });
    await until(() => started === 2);
    const { runs } = (await (await as(server, cookie, "/runs?limit=1")).json()) as { runs: { run: string }[] };
    const followed = await as(server, cookie, `/runs/${runs[0]?.run}/output?follow`);
    expect((await as(server, cookie, "/session", { method: "DELETE" })).status).toBe(204);
    expect((await as(server, cookie, "/session")).status).toBe(401);
    await Promise.allSettled([live.text(), followed.text(), waiting]);
    await until(() => aborted === 2);
  });

  test("ends by its time, and follows no run any longer", async () => {
    const server = await start({ limits: { browserSessionMs: 300, callerGraceMs: 50 } });
    const cookie = await signIn(server);
    const live = await as(server, cookie, "/commands/ticks", {
      method: "POST",
      headers: { accept: "text/event-stream" },
    });
    await Promise.allSettled([live.text()]);
    expect((await as(server, cookie, "/session")).status).toBe(401);
  });

  test("ends when its token is removed", async () => {
    const server = await start({ limits: { tokensFileCheckMs: 0 } });
    const { token, record } = await addToken(server.tokensFile, { owner: "eve" });
    const cookie = await signIn(server, token);
    await removeToken(server.tokensFile, record.id);
    expect((await as(server, cookie, "/session")).status).toBe(401);
  });

  test("with a token that is gone counts against nobody: others of the same address go on", async () => {
    const server = await start({ limits: { tokensFileCheckMs: 0 }, exemptLocalSources: false });
    const { token, record } = await addToken(server.tokensFile, { owner: "eve" });
    const cookie = await signIn(server, token);
    await removeToken(server.tokensFile, record.id);
    for (let count = 0; count < 10; count++) expect((await as(server, cookie, "/runs")).status).toBe(401);
    expect((await server.ask("/runs")).status).toBe(200);
  });

  test("with a token that is gone is no guess where only the metrics are asked for", async () => {
    const server = await start({ limits: { tokensFileCheckMs: 0 }, exemptLocalSources: false });
    const { token, record } = await addToken(server.tokensFile, { owner: "eve" });
    const cookie = await signIn(server, token);
    await removeToken(server.tokensFile, record.id);
    for (let count = 0; count < 10; count++) expect((await as(server, cookie, "/metrics")).status).toBe(401);
    expect((await server.ask("/runs")).status).toBe(200);
    const wrong = { authorization: "Bearer wrong" };
    expect((await server.ask("/metrics", { headers: wrong })).status).toBe(401);
    expect(server.server.metrics()).toContain("iscep_failed_tokens_total 1");
  });

  test("does not count for a page of another origin, even a listed one", async () => {
    const server = await start({ http: { origins: ["http://localhost:3000"] } });
    const cookie = await signIn(server);
    const origin = "http://localhost:3000";
    for (const [path, method] of [
      ["/commands/hello", "POST"],
      ["/session", "GET"],
      ["/runs", "GET"],
    ] as const) {
      const answer = await as(server, cookie, path, { method, headers: { origin } });
      expect([path, answer.status]).toEqual([path, 401]);
    }
    for (const method of ["POST", "DELETE"]) {
      expect((await as(server, cookie, "/session", { method, headers: { origin } })).status).toBe(403);
    }
    expect((await as(server, cookie, "/session")).status).toBe(200);
    const own = { origin, authorization: `Bearer ${tokens.alice}` };
    expect((await as(server, cookie, "/commands/hello", { method: "POST", headers: own })).status).toBe(200);
  });

  test("of others is not pushed out by one who signs in again and again", async () => {
    const server = await start({ limits: { maxBrowserSessions: 5 } });
    const alice = await signIn(server);
    for (let count = 0; count < 10; count++) await signIn(server, tokens.bob);
    expect((await as(server, alice, "/session")).status).toBe(200);
  });
});

test("on a server without tokens everybody is told that none is needed", async () => {
  const server = await startHttp({ tokens: false, commands: [hello] });
  const answer = await fetch(`${server.origin}/session`);
  expect(await answer.json()).toMatchObject({ owner: "anonymous", open: true });
  const headers = { "content-type": "application/json" };
  const signedIn = await fetch(`${server.origin}/session`, { method: "POST", body: '{"token":"any"}', headers });
  expect([signedIn.status, signedIn.headers.get("set-cookie")]).toEqual([200, null]);
});

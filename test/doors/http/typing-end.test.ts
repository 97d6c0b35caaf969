/** How typing ends, who else may type, and terminals. */
import { describe, expect, test } from "vitest";
import { defineScript } from "iscep";
import { watchForLeaks } from "../../support/leaks.js";
import { hasTerminals } from "../../support/on-terminal.js";
import { tokens } from "../../support/servers.js";
import { until } from "../../support/until.js";
import { start, json, open, ofBytes, type, typed, ended, outputOf } from "../../support/http-typing.js";

watchForLeaks();

test("another client that takes the input over is told to whoever types here", async () => {
  const server = await start();
  const run = await open(server, "copy", { headers: { "idempotency-key": "k" } });
  expect(await typed(server, run, "one\n")).toEqual([200, 4]);
  await until(async () => (await outputOf(server, run)) === "one\n");
  let goOn = (): void => {};
  const typedHere = new Promise<void>((resolve) => (goOn = resolve));
  const client = await server.client();
  const taker = client.run(
    "copy",
    {},
    {
      idempotencyKey: "k",
      stdin: (async function* () {
        yield "one\nTWO\n";
        await typedHere;
      })(),
    },
  );
  await until(async () => (await outputOf(server, run)) === "one\nTWO\n");
  const refused = await type(server, run, "three\n");
  expect([refused.status, await json(refused)]).toMatchObject([
    409,
    { run, detail: expect.stringContaining("another caller has taken over the standard input") as string },
  ]);
  expect((await json(server.ask(`/runs/${run}`)))["input"]).toBeUndefined();
  goOn();
  expect(await taker.value).toMatchObject({ stdout: "one\nTWO\n" });
});

describe("the end", () => {
  test("a sign-out closes the input that the session has opened, and the run ends after the grace", async () => {
    const server = await start({ limits: { callerGraceMs: 50 } });
    const ofPage = { origin: server.origin, "content-type": "application/json" };
    const body = JSON.stringify({ token: tokens.alice });
    const signedIn = await fetch(`${server.origin}/session`, { method: "POST", body, headers: ofPage });
    const cookie = (signedIn.headers.get("set-cookie") ?? "").split(";", 1)[0] ?? "";
    const started = await fetch(`${server.origin}/commands/copy?stdin=open`, {
      method: "POST",
      headers: { origin: server.origin, cookie, prefer: "respond-async" },
    });
    const run = String((await json(started))["run"]);
    // The owner may type with another proof of who they are, too.
    expect(await typed(server, run, "x")).toEqual([200, 1]);
    const typedByPage = await fetch(`${server.origin}/runs/${run}/stdin?offset=1`, {
      method: "POST",
      body: "y",
      headers: { origin: server.origin, cookie, ...ofBytes },
    });
    expect(await json(typedByPage)).toEqual({ offset: 2 });
    await fetch(`${server.origin}/session`, { method: "DELETE", headers: { cookie, origin: server.origin } });
    expect((await type(server, run, "z")).status).toBe(409);
    await until(async () => (await json(server.ask(`/runs/${run}`)))["status"] === "cancelled");
    expect((await type(server, run, "z")).status).toBe(409);
  });

  test("a live reader who leaves ends the run after the grace, and one who stays does not", async () => {
    const server = await start({ limits: { callerGraceMs: 200 } });
    const live = (): Promise<Response> =>
      server.ask("/commands/copy?stdin=open", { method: "POST", headers: { accept: "text/event-stream" } });
    const begin = async (): Promise<{ run: string; leave: () => Promise<void> }> => {
      const reader = (await live()).body?.getReader();
      const { value } = (await reader?.read()) ?? {};
      const run = /"run":"([^"]+)"/.exec(Buffer.from(value ?? []).toString())?.[1] ?? "";
      return { run, leave: async () => reader?.cancel() };
    };
    const [{ run: followed }, { run: left, leave }] = await Promise.all([begin(), begin()]);
    await leave();
    await until(async () => (await json(server.ask(`/runs/${left}`)))["status"] === "cancelled");
    expect(await typed(server, followed, "still here\n", "?end")).toEqual([200, 11]);
    expect(await ended(server, followed)).toMatchObject({ value: { stdout: "still here\n" } });
  });

  test("a caller who may not see the run does not keep it alive", async () => {
    const server = await start({ limits: { callerGraceMs: 500 } });
    const headers = { accept: "text/event-stream" };
    const reader = (await server.ask("/commands/copy?stdin=open", { method: "POST", headers })).body?.getReader();
    const { value } = (await reader?.read()) ?? {};
    const run = /"run":"([^"]+)"/.exec(Buffer.from(value ?? []).toString())?.[1] ?? "";
    await reader?.cancel();
    const ofOther = { authorization: `Bearer ${tokens.bob}` };
    await until(async () => {
      const seen = await server.ask(`/runs/${run}/events`, { method: "HEAD", headers: ofOther });
      expect(seen.status).toBe(404);
      return (await json(server.ask(`/runs/${run}`)))["status"] === "cancelled";
    });
  });
});

describe.skipIf(!hasTerminals)("a terminal", () => {
  const sizes = defineScript({
    name: "sizes",
    terminal: true,
    run: [
      "/bin/sh",
      "-c",
      'stty size; echo "$TERM"; until [ "$(stty size)" = "20 90" ]; do sleep 0.05; done; read -r line; echo "got $line"',
    ],
  });

  test("has the size of its caller, and follows it", async () => {
    const server = await start({ commands: [sizes] });
    const run = await open(server, "sizes", { query: "&columns=101&rows=31&term=xterm-256color" });
    await until(async () => (await outputOf(server, run)).includes("31 101\r\nxterm-256color"));
    const resize = (body: object): Promise<Response> =>
      server.ask(`/runs/${run}/terminal`, {
        method: "PUT",
        body: JSON.stringify(body),
        headers: { "content-type": "application/json" },
      });
    expect((await resize({ columns: 0, rows: 1 })).status).toBe(400);
    expect((await resize({ columns: 90, rows: 20 })).status).toBe(204);
    await typed(server, run, "line\r");
    await until(async () => (await outputOf(server, run)).includes("got line"));
    expect(await ended(server, run)).toMatchObject({ status: "completed" });
    expect((await resize({ columns: 90, rows: 20 })).status).toBe(409);
  });
});

/** Standard input of a call, and callers who go away. */
import { rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { defineCommand, defineScript } from "iscep";
import { startHttp, type HttpServer } from "../../support/http.js";
import { tokens } from "../../support/servers.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { until } from "../../support/until.js";

let starts = 0;

let aborted: string[] = [];

let release: (() => void) | undefined;

const commands = [
  defineCommand({ name: "add", args: z.object({ a: z.int(), b: z.int() }), run: ({ a, b }) => a + b }),
  defineCommand({ name: "nothing", run: () => {} }),
  defineCommand({
    name: "count",
    args: z.object({ by: z.int().optional() }),
    run: ({ by = 1 }) => (starts += by),
  }),
  defineCommand({
    name: "held",
    run: (_, { signal }) =>
      new Promise((resolve) => {
        release = () => resolve("released");
        signal.addEventListener("abort", () => {
          aborted.push((signal.reason as Error).message);
          resolve("aborted");
        });
      }),
  }),
  defineCommand({
    name: "fail",
    run: () => {
      throw new Error("the disk is full");
    },
  }),
  defineScript({ name: "exits", run: ["/bin/sh", "-c", "echo out; echo err >&2; exit 3"] }),
  defineScript({ name: "size", stdin: true, run: ["/bin/sh", "-c", "wc -c"] }),
  defineScript({ name: "copy", stdin: true, run: ["/bin/sh", "-c", "cat"] }),
];

async function start(options: Parameters<typeof startHttp>[0] = {}): Promise<HttpServer> {
  starts = 0;
  aborted = [];
  release = undefined;
  return startHttp({ commands, ...options });
}

async function json(response: Response | Promise<Response>): Promise<Record<string, unknown>> {
  return (await (await response).json()) as Record<string, unknown>;
}

describe("standard input", () => {
  const bytes = Buffer.alloc(300_000, "0123456789\n");

  test("as application/octet-stream, with arguments in the query", async () => {
    const server = await start();
    const headers = { "content-type": "application/octet-stream" };
    const answer = await server.ask("/commands/size", { method: "POST", body: bytes, headers });
    expect(await json(answer)).toMatchObject({ value: { stdout: "300000\n" } });
    const wrong = await server.ask("/commands/size?args=%7B%22x%22%3A1%7D", { method: "POST", body: bytes, headers });
    expect([wrong.status]).not.toContain(200);
  });

  test("as multipart, behind the arguments", async () => {
    const server = await start();
    const form = new FormData();
    form.set("args", "{}");
    form.set("stdin", new Blob([bytes]), "file.txt");
    const answer = await server.ask("/commands/size", { method: "POST", body: form });
    expect(await json(answer)).toMatchObject({ value: { stdout: "300000\n" } });
  });

  test.each<[string, (form: FormData) => void]>([
    ["has another part", (form) => form.set("file", "x")],
    ["has its input first", (form) => (form.set("stdin", "x"), form.set("args", "{}"))],
    ["has arguments that are no JSON", (form) => form.set("args", "{")],
    ["has two parts with arguments", (form) => (form.append("args", "{}"), form.append("args", "{}"))],
  ])("a form that %s is refused", async (_, fill) => {
    const server = await start();
    const form = new FormData();
    fill(form);
    const answer = await server.ask("/commands/size", { method: "POST", body: form });
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.headers.get("content-type")).toBe("application/problem+json");
  });

  test("flows while it comes: the run reads before the request is over", async () => {
    const server = await start();
    const raw = await server.bytes();
    raw.send(
      "POST /commands/copy HTTP/1.1",
      "Host: localhost",
      `Authorization: Bearer ${tokens.alice}`,
      "Content-Type: application/octet-stream",
      "Accept: text/event-stream",
      "Transfer-Encoding: chunked",
      "",
      "6",
      "first\n",
      "",
    );
    await raw.until(/first/);
    raw.send("7", "second\n", "0", "", "");
    expect(await raw.until(/event: end/)).toContain("second");
  });

  test("a run whose caller leaves in the middle of it ends after the grace", async () => {
    const server = await start({ limits: { callerGraceMs: 100 } });
    const raw = await server.bytes();
    raw.send(
      "POST /commands/copy HTTP/1.1",
      "Host: localhost",
      `Authorization: Bearer ${tokens.alice}`,
      "Content-Type: application/octet-stream",
      "Content-Length: 100",
      "",
      "first",
    );
    const newest = async () => ((await json(server.ask("/runs")))["runs"] as { run: string; status: string }[])[0];
    await until(async () => (await newest())?.status === "running");
    raw.socket.destroy();
    await expect.poll(async () => (await newest())?.status, { timeout: 20_000 }).toBe("cancelled");
    const ended = await json(server.ask(`/runs/${(await newest())?.run}`));
    expect(ended).toMatchObject({
      error: { message: "the caller left before all of the standard input had come, and it did not come back" },
    });
  });

  // Behind the answer nobody reads the request any more, and a run would take the part that it has for the whole.
  test.each([
    ["bytes", "application/octet-stream", "", ""],
    [
      "a form",
      "multipart/form-data; boundary=x",
      '--x\r\nContent-Disposition: form-data; name="stdin"\r\n\r\n',
      "\r\n--x--\r\n",
    ],
  ])("an asynchronous call has all of its input when it is answered, as %s", async (_, type, before, behind) => {
    // It reads late, and does not end before its caller has the answer.
    const script = 'sleep 0.2; wc -c; until [ -e "$0" ]; do sleep 0.02; done';
    const answered = path.join(temporaryFolder(), "answered");
    const windows = { streamWindowBytes: 4_096, connectionWindowBytes: 4_096, maxDataBytes: 1_024, callerGraceMs: 1 };
    const server = await start({
      commands: [defineScript({ name: "slow", stdin: true, run: ["/bin/sh", "-c", script, answered] })],
      limits: windows,
    });
    // The last piece fills the window when the run has not read yet.
    for (const bytes of [1, 4_095, 4_096, 4_097, 300_000]) {
      const raw = await server.bytes();
      raw.send(
        "POST /commands/slow HTTP/1.1",
        "Host: localhost",
        `Authorization: Bearer ${tokens.alice}`,
        "Prefer: respond-async",
        `Content-Type: ${type}`,
        `Content-Length: ${before.length + bytes + behind.length}`,
        "",
        before + "x".repeat(bytes) + behind,
      );
      const [, location = ""] = /location: (\S+)/i.exec(await raw.until(/^HTTP\/1.1 202 [^]*\r\n\r\n/)) ?? [];
      raw.socket.destroy();
      writeFileSync(answered, "");
      const ended = await json(server.ask(location, { headers: { prefer: "wait=20" } }));
      rmSync(answered);
      expect(ended).toMatchObject({ status: "completed", value: { stdout: `${bytes}\n` } });
    }
  });

  test("an asynchronous call that is cut before it has all of its input says so, and no part is taken for the whole", async () => {
    const server = await start({ limits: { callerGraceMs: 1 } });
    const raw = await server.bytes();
    raw.send(
      "POST /commands/size HTTP/1.1",
      "Host: localhost",
      `Authorization: Bearer ${tokens.alice}`,
      "Prefer: respond-async",
      "Content-Type: application/octet-stream",
      "Content-Length: 100",
      "",
      "a part",
    );
    const newest = async () => ((await json(server.ask("/runs")))["runs"] as { run: string; status: string }[])[0];
    await until(async () => (await newest())?.status === "running");
    raw.socket.destroy();
    await until(async () => (await newest())?.status === "cancelled");
    expect(raw.text).toBe("");
    expect(await json(server.ask(`/runs/${(await newest())?.run}`))).toMatchObject({
      error: { message: expect.stringMatching(/before all of the standard input had come/) as string },
    });
  });

  test("a run that does not read holds the caller back, and not our memory", async () => {
    const server = await start({
      commands: [defineScript({ name: "deaf", stdin: true, run: ["/bin/sh", "-c", "sleep 60"] })],
    });
    const raw = await server.bytes();
    raw.send(
      "POST /commands/deaf HTTP/1.1",
      "Host: localhost",
      `Authorization: Bearer ${tokens.alice}`,
      "Content-Type: application/octet-stream",
      "Content-Length: 1000000000",
      "",
      "",
    );
    const piece = Buffer.alloc(256 * 1024);
    const before = process.memoryUsage().rss;
    let sentBytes = 0;
    // It stops when the buffers of the system are full.
    for (let isFull = false; !isFull && sentBytes < 200 * 1024 * 1024;) {
      const taken = new Promise<boolean>((resolve) => raw.socket.write(piece, () => resolve(false)));
      isFull = await Promise.race([taken, sleep(1_000, true)]);
      sentBytes += piece.length;
    }
    expect(sentBytes).toBeLessThan(64 * 1024 * 1024);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024);
    raw.socket.destroy();
  });
});

describe("a caller who goes away", () => {
  const leave = async (server: HttpServer, ...headers: string[]): Promise<void> => {
    const raw = await server.bytes();
    raw.send(
      "POST /commands/held HTTP/1.1",
      "Host: localhost",
      `Authorization: Bearer ${tokens.alice}`,
      "Content-Length: 0",
      ...headers,
      "",
      "",
    );
    await until(() => release !== undefined);
    raw.socket.destroy();
    await raw.closed;
  };

  test.each([[], ["Accept: text/event-stream"]])(
    "has their run cancelled after the grace, as in version 2 %s",
    async (...headers) => {
      const server = await start({ limits: { callerGraceMs: 100 } });
      await leave(server, ...headers);
      await until(() => aborted.length > 0);
      expect(aborted).toEqual(["the caller left, or read no further, and it did not come back"]);
    },
  );

  test("finds it again within the grace", async () => {
    const server = await start({ limits: { callerGraceMs: 20_000 } });
    await leave(server);
    const { runs } = (await json(server.ask("/runs?status=running"))) as { runs: { run: string }[] };
    const ended = server.ask(`/runs/${runs[0]?.run}`, { headers: { prefer: "wait=20" } });
    release?.();
    expect(await json(ended)).toMatchObject({ status: "completed", value: "released" });
  });

  test("loses nothing when they asked for an asynchronous answer", async () => {
    const server = await start({ limits: { callerGraceMs: 50 } });
    await leave(server, "Prefer: wait=60");
    await sleep(200);
    expect(aborted).toEqual([]);
    release?.();
  });
});

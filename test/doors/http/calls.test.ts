import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { defineCommand, defineScript } from "iscep";
import { startHttp, statusesOf, type HttpServer } from "../../support/http.js";
import { tokens } from "../../support/servers.js";

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

describe("commands", () => {
  test("are listed with their schemas, as over version 2, and one by one", async () => {
    const server = await start();
    const client = await server.client();
    const listed = await json(server.ask("/commands"));
    expect(listed).toEqual({ commands: await client.list() });
    expect(await json(server.ask("/commands/add"))).toMatchObject({ name: "add", args: { type: "object" } });
    const unknown = await server.ask("/commands/none");
    expect(unknown.status).toBe(404);
    expect(await unknown.json()).toMatchObject({ code: "command_not_found", status: 404 });
  });
});

describe("a call", () => {
  test("waits for its value", async () => {
    const server = await start();
    const answer = await server.post("/commands/add", { a: 1, b: 2 });
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe("application/json");
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(await answer.json()).toMatchObject({ status: "completed", value: 3 });
    expect(await json(server.ask("/commands/nothing", { method: "POST" }))).toMatchObject({ value: null });
  });

  test("that did not complete is a problem with its code, its sentence and its outcome", async () => {
    const server = await start();
    const failed = await server.post("/commands/exits");
    expect(failed.status).toBe(500);
    expect(failed.headers.get("content-type")).toBe("application/problem+json");
    const problem = await json(failed);
    expect(problem).toMatchObject({
      type: "/docs#error-failed",
      title: "The command ran and failed.",
      status: 500,
      code: "failed",
      detail: expect.stringContaining("exit code 3"),
      run: expect.stringMatching(/^[0-9a-f-]{36}$/),
      outcome: { status: "failed", exitCode: 3, value: { stdout: "out\n", stderr: "err\n" } },
    });
    // Only the output of a script tells why it failed, and only the log tells it of a function.
    expect(JSON.stringify(problem)).not.toContain("error.log");
    const thrown = await json(server.post("/commands/fail"));
    expect(thrown).toMatchObject({ code: "failed", outcome: { status: "failed" } });
    expect(thrown["action"]).toContain("error.log");
    expect(JSON.stringify(thrown)).not.toContain("the disk is full");
  });

  test.each<[string, unknown, number, string]>([
    ["arguments of another type", { a: "x", b: 2 }, 422, "invalid_arguments"],
    ["an argument that there is not", { a: 1, b: 2, c: 3 }, 422, "invalid_arguments"],
    ["an argument that is missing", { a: 1 }, 422, "invalid_arguments"],
    ["a list", [1, 2], 422, "invalid_arguments"],
    ["null", null, 422, "invalid_arguments"],
  ])("with %s is refused in the words of the server", async (_, args, status, code) => {
    const server = await start();
    const answer = await server.post("/commands/add", args);
    expect(answer.status).toBe(status);
    expect(await answer.json()).toMatchObject({ code, status, action: expect.any(String) as unknown });
  });

  test.each<[string, string, Record<string, string>, number]>([
    ["that is no JSON", "{", { "content-type": "application/json" }, 400],
    [
      "with a number that JavaScript would change",
      '{"a":9007199254740993,"b":1}',
      { "content-type": "application/json" },
      400,
    ],
    ["of a form", "a=1&b=2", { "content-type": "application/x-www-form-urlencoded" }, 415],
    ["of plain text, which any page may send", '{"a":1,"b":2}', { "content-type": "text/plain" }, 415],
  ])("with a body %s is refused", async (_, body, headers, status) => {
    const server = await start();
    const answer = await server.ask("/commands/add", { method: "POST", body, headers });
    expect(answer.status).toBe(status);
    expect(answer.headers.get("content-type")).toBe("application/problem+json");
    // The sentences of the codes speak of options and ports, which is no help here.
    expect(await json(answer)).toMatchObject({
      type: `/docs#status-${status}`,
      title: expect.stringContaining("body") as string,
      detail: expect.stringContaining("the body") as string,
    });
  });

  test.each([
    ["POST", "/commands/add?a=1", /no parameter "a"; arguments stand in the body/],
    ["GET", "/runs?stauts=failed", /no filter "stauts"/],
    ["GET", "/runs/RUN/events?from=1", /no parameter "from"; there is offset/],
    ["GET", "/runs/RUN/output?chanel=stdout", /no parameter "chanel"; there is offset, channel, follow/],
  ])("or question is not answered as if a part of it were not there: %s %s", async (method, path, words) => {
    const server = await start();
    const { run } = await json(server.post("/commands/exits"));
    const answer = await server.ask(path.replace("RUN", String(run)), { method });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ code: "usage", detail: expect.stringMatching(words) as string });
  });
});

describe("Prefer", () => {
  test("respond-async: 202 with the address of the run, which goes on without its caller", async () => {
    const server = await start();
    const answer = await server.post("/commands/held", {}, { prefer: "respond-async" });
    expect(answer.status).toBe(202);
    const { run } = await json(answer);
    expect(answer.headers.get("location")).toBe(`/runs/${String(run)}`);
    expect(answer.headers.get("retry-after")).toBe("1");
    expect(answer.headers.get("preference-applied")).toBe("respond-async");
    const address = `/runs/${String(run)}`;
    expect(await json(server.ask(address))).toMatchObject({ run, status: "running", command: "held" });
    release?.();
    expect(await json(server.ask(address, { headers: { prefer: "wait=20" } }))).toMatchObject({
      status: "completed",
      value: "released",
    });
  });

  test("wait=N: the value when it comes in time, else 202", async () => {
    const server = await start();
    const quick = await server.post("/commands/add", { a: 1, b: 2 }, { prefer: "wait=20" });
    expect([quick.status, (await json(quick))["value"]]).toEqual([200, 3]);
    const slow = await server.post("/commands/held", {}, { prefer: "respond-async, wait=1" });
    expect(slow.status).toBe(202);
    release?.();
  });

  test("to wait for a run that others follow too stops nothing when the time is over", async () => {
    const server = await start();
    const { run } = await json(server.post("/commands/held", {}, { prefer: "respond-async" }));
    const waited = await json(server.ask(`/runs/${String(run)}`, { headers: { prefer: "wait=1" } }));
    expect(waited).toMatchObject({ status: "running" });
    expect(aborted).toEqual([]);
    release?.();
  });

  test("respond-async: a call that is refused is a problem, and no run", async () => {
    const server = await start();
    const answer = await server.post("/commands/add", { a: "x" }, { prefer: "respond-async" });
    expect(answer.status).toBe(422);
  });
});

describe("Idempotency-Key", () => {
  test.each(["0190-key", '"0190-key"'])("%s: a repetition gets the same run, and starts nothing", async (key) => {
    const server = await start();
    const first = await json(server.post("/commands/count", {}, { "idempotency-key": key }));
    const second = await json(server.post("/commands/count", {}, { "idempotency-key": "0190-key" }));
    expect(second).toEqual(first);
    expect(first).toMatchObject({ value: 1, run: expect.any(String) as unknown });
    expect(starts).toBe(1);
  });

  test("with other arguments or another command it is 422, and nothing starts", async () => {
    const server = await start();
    await server.post("/commands/count", { by: 1 }, { "idempotency-key": "k" });
    const other = await server.post("/commands/count", { by: 2 }, { "idempotency-key": "k" });
    expect(other.status).toBe(422);
    expect(await json(other)).toMatchObject({
      detail: expect.stringContaining("belongs to a call with other arguments"),
    });
    expect((await server.post("/commands/add", { a: 1, b: 1 }, { "idempotency-key": "k" })).status).toBe(422);
    expect(starts).toBe(1);
  });

  test("a key that is too long is refused", async () => {
    const server = await start();
    expect((await server.post("/commands/count", {}, { "idempotency-key": "k".repeat(257) })).status).toBe(400);
  });
});

test("a run longer than the timeout of calls is still answered", async () => {
  const server = await start({ limits: { callTimeoutMs: 50 } });
  const answer = server.post("/commands/held");
  await sleep(1_300);
  release?.();
  expect((await answer).status).toBe(200);
});

test("many requests over one connection, one after the other", async () => {
  const server = await start();
  const raw = await server.bytes();
  for (let n = 1; n <= 5; n++) {
    const body = JSON.stringify({ a: n, b: 0 });
    raw.send(
      "POST /commands/add HTTP/1.1",
      "Host: localhost",
      `Authorization: Bearer ${tokens.alice}`,
      "Content-Type: application/json",
      `Content-Length: ${body.length}`,
      "",
      body,
    );
    await raw.until(new RegExp(`"value":${n}`));
  }
  expect(statusesOf(raw.text)).toEqual([200, 200, 200, 200, 200]);
});

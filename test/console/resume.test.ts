/** The console's way to follow a run, over connections that break anywhere (script-server#94, dkron#493). */
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { defineCommand, Server } from "iscep";
import { httpDoor } from "iscep/http";
import { startRun as startConsoleRun } from "../../console/src/api/calls.js";
import { postTyped, putTerminalSize } from "../../console/src/api/typing.js";
import { pauseMs } from "../../console/src/api/pauses.js";
import { followRun, type RunListener } from "../../console/src/api/run-events.js";
import { Problem } from "../../console/src/api/problem.js";
import { EarlyEvents } from "../../console/src/state/early-events.js";
import { TypedInput } from "../../console/src/state/typed-input.js";
import { cleanUp, later } from "../support/cleanup.js";
import { faultProxy, type FaultProxy } from "../support/fault-proxy.js";
import { rounds } from "../support/rounds.js";

afterEach(cleanUp);

const pieces = Array.from({ length: 200 }, (_, index) =>
  Buffer.from(index % 5 === 0 ? [0xff, index, 0xe2, 0x82] : `piece ${index}: ä€😀 ${"x".repeat(index * 7)}\n`),
);
const expected = Buffer.concat(pieces);

const print = defineCommand({
  name: "print",
  async run(_args, { output, progress }) {
    for (const [index, piece] of pieces.entries()) {
      await output.write(index % 3 === 0 ? "stderr" : "stdout", piece);
      progress(index / pieces.length);
    }
    return "printed";
  },
});

const fails = defineCommand({
  name: "fails",
  run() {
    throw new Error("at once");
  },
});

const reads = defineCommand({
  name: "reads",
  async run(_args, { stdin }) {
    let bytes = 0;
    for await (const chunk of stdin) bytes += chunk.length;
    return bytes;
  },
});

const keeps = defineCommand({
  name: "keeps",
  async run(_args, { stdin }) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of stdin) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  },
});

/** A page's fetch knows paths only; here they lead through a proxy that harms what passes. */
async function openProxy(limits: Partial<Record<"maxRetainedOutputBytes", number>> = {}): Promise<FaultProxy> {
  const server = new Server({
    commands: [print, fails, reads, keeps],
    listen: [],
    tokens: false,
    limits,
    doors: [httpDoor({ listen: [{ host: "127.0.0.1", port: 0 }] })],
  });
  const { doorUrls } = await server.listen();
  later(() => server.close());
  const proxy = await faultProxy(Number(new URL(doorUrls[0] ?? "").port));
  const { fetch } = globalThis;
  globalThis.fetch = (path, options) =>
    // A connection of its own for each request, as the harm is that of connections.
    fetch(`http://127.0.0.1:${proxy.port}${path as string}`, {
      ...options,
      headers: { ...options?.headers, connection: "close" },
    });
  later(() => (globalThis.fetch = fetch));
  return proxy;
}

async function startRun(): Promise<string> {
  const answer = await fetch("/commands/print", { method: "POST", headers: { prefer: "respond-async" } });
  const { run } = (await answer.json()) as { readonly run: string };
  return run;
}

interface Heard {
  readonly bytes: Buffer;
  readonly gaps: readonly (readonly [number, number])[];
  readonly ends: readonly unknown[];
}

async function follow(run: string): Promise<Heard> {
  const parts: Uint8Array[] = [];
  const gaps: [number, number][] = [];
  const ends: unknown[] = [];
  const listener: RunListener = {
    output: (_channel, bytes) => void parts.push(bytes.slice()),
    progress: () => {},
    queued: () => {},
    end: (outcome) => void ends.push(outcome["status"]),
    connection: () => {},
    gap: (from, to) => void gaps.push([from, to]),
  };
  await followRun({ run, offset: 0, signal: new AbortController().signal, pause: () => Promise.resolve() }, listener);
  return { bytes: Buffer.concat(parts), gaps, ends };
}

test("each byte comes once, wherever the connections are cut", async () => {
  const proxy = await openProxy();
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: expected.length }), { maxLength: 6 }),
      fc.boolean(),
      async (cuts, reset) => {
        proxy.harm = {};
        const run = await startRun();
        const from = proxy.connections;
        proxy.harm = (connection) => {
          const cutAt = cuts[connection - from];
          return cutAt === undefined ? {} : { toClient: { cutAt, reset } };
        };
        const heard = await follow(run);
        expect(heard.bytes.equals(expected)).toBe(true);
        expect(heard).toMatchObject({ gaps: [], ends: ["completed"] });
      },
    ),
    { numRuns: rounds(25, 100, 1_000) },
  );
});

test("of output that has to wait only a part is kept, and the rest comes later", async () => {
  const proxy = await openProxy();
  const run = await startRun();
  const before = proxy.connections;
  const early = new EarlyEvents(20_000);
  const parts: Uint8Array[] = [];
  const gaps: unknown[] = [];
  let waitingBytes = 0;
  let isConnected = true;
  const followed = followRun(
    { run, offset: 0, signal: new AbortController().signal, pause: () => Promise.resolve() },
    {
      output(_channel, bytes) {
        waitingBytes += bytes.length;
        early.take(() => void parts.push(bytes), bytes.length);
      },
      progress: () => {},
      queued: () => {},
      end: () => {},
      connection: (isOpen) => void (isConnected = isOpen),
      gap: (...gap) => void gaps.push(gap),
      get hold() {
        return early.hold;
      },
    },
  );
  await expect.poll(() => isConnected, { interval: 2 }).toBe(false);
  expect([proxy.connections, parts.length, waitingBytes < expected.length]).toEqual([before + 1, 0, true]);
  early.release();
  await followed;
  expect(Buffer.concat(parts).equals(expected)).toBe(true);
  expect([isConnected, gaps]).toEqual([true, []]);
});

test("output that is no longer kept is told as a gap, and the rest comes", async () => {
  await openProxy({ maxRetainedOutputBytes: 20_000 });
  const run = await startRun();
  await expect
    .poll(async () => ((await (await fetch(`/runs/${run}`)).json()) as { status: string }).status)
    .toBe("completed");
  const { bytes, gaps, ends } = await follow(run);
  expect(gaps).toHaveLength(1);
  const [[from, to] = [0, 0]] = gaps;
  expect(from).toBe(0);
  expect(to).toBeGreaterThan(0);
  expect(bytes.equals(expected.subarray(to))).toBe(true);
  expect(ends).toEqual(["completed"]);
});

test("a run that fails at once has its page as any other; a call that is refused has none", async () => {
  await openProxy();
  const run = await startConsoleRun("fails", {}, "key");
  const { bytes, ends } = await follow(run);
  expect([bytes.length, ends]).toEqual([0, ["failed"]]);
  const refused = await startConsoleRun("fails", { name: 1 }, "other").catch((error: unknown) => error);
  expect((refused as Problem).facts).toMatchObject({ status: 422, code: "invalid_arguments" });
});

test("standard input of a browser reaches a run whose answer does not wait for its end", async () => {
  await openProxy();
  for (const length of [0, 5, 10, 70_000, 5, 300_000, 5, 5]) {
    const parts = new FormData();
    parts.append("args", new Blob(["{}"]));
    parts.append("stdin", new Blob(["x".repeat(length)]));
    // A request with a cookie has a client of its own, which goes with the answer.
    const headers = { prefer: "respond-async", cookie: "any=1" };
    const answer = await fetch("/commands/reads", { method: "POST", body: parts, headers });
    const { run } = (await answer.json()) as { readonly run: string };
    await expect
      .poll(async () => (await fetch(`/runs/${run}`)).json())
      .toMatchObject({ status: "completed", value: length });
  }
});

test("what is typed reaches the command once, wherever the connections are cut", async () => {
  const proxy = await openProxy();
  let count = 0;
  const cut = fc.record({ cutAt: fc.integer({ min: 0, max: 700 }), reset: fc.boolean() });
  const harm = fc.record({ toServer: cut, toClient: cut }, { requiredKeys: [] });
  const texts = fc.array(fc.string({ unit: "grapheme", maxLength: 30 }), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(texts, fc.array(harm, { maxLength: 6 }), async (typed, harms) => {
      proxy.harm = {};
      const run = await startConsoleRun("keeps", {}, `typed ${count++}`, {});
      const from = proxy.connections;
      proxy.harm = (connection) => harms[connection - from] ?? {};
      const input = new TypedInput({
        post: (piece) => postTyped(run, "page", piece),
        fetchIsOpen: () => Promise.resolve(true),
        pause: () => Promise.resolve(),
      });
      for (const text of typed) {
        input.type(text);
        await new Promise((resolve) => setImmediate(resolve));
      }
      input.end();
      await expect.poll(() => input.state.value.kind, { interval: 2, timeout: 20_000 }).toBe("ended");
      proxy.harm = {};
      const answer = await fetch(`/runs/${run}`, { headers: { prefer: "wait=10" } });
      expect(await answer.json()).toMatchObject({ status: "completed", value: typed.join("") });
    }),
    { numRuns: rounds(12, 100, 1_000) },
  );
});

test("what is typed where nothing comes back is told as not arrived", async () => {
  const sockets = new Set<Socket>();
  const silent = createServer((socket) => void sockets.add(socket.on("error", () => {})));
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  later(async () => {
    silent.close();
    for (const socket of sockets) socket.destroy();
    await once(silent, "close");
  });
  const { fetch } = globalThis;
  const { port } = silent.address() as AddressInfo;
  globalThis.fetch = (path, options) => fetch(`http://127.0.0.1:${port}${path as string}`, options);
  later(() => (globalThis.fetch = fetch));
  const input = new TypedInput({
    post: (piece) => postTyped("run", "page", piece, 50),
    fetchIsOpen: () => Promise.resolve(true),
    pause: () => Promise.resolve(),
  });
  later(() => input.close());
  input.type("lost");
  await expect.poll(() => input.state.value.kind).toBe("unreachable");
  expect(input.waitingBytes.value).toBe(4);
  const refused = await putTerminalSize("run", { columns: 80, rows: 24 }, 50).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(Problem);
  expect((refused as Problem).facts).toMatchObject({ status: 0, code: "connect_failed" });
});

test("a run that there is not is refused for good, in the words of the server", async () => {
  await openProxy();
  const failed = await follow("01900000-0000-7000-8000-000000000000").catch((error: unknown) => error);
  expect(failed).toBeInstanceOf(Problem);
  expect((failed as Problem).facts).toMatchObject({ status: 404, code: "run_not_found" });
});

test("pauses grow, and are not the same for all", () => {
  const pauses = Array.from({ length: 12 }, (_, attempt) => pauseMs(attempt, 1));
  expect(pauses.slice(0, 4)).toEqual([400, 800, 1_600, 3_200]);
  expect(pauses.at(-1)).toBe(15_000);
  expect(pauseMs(3, 0)).toBeLessThan(pauseMs(3, 1));
});

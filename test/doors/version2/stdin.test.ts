import { createHash } from "node:crypto";
import { PassThrough, Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { defineCommand } from "iscep";
import { watchForLeaks } from "../../support/leaks.js";
import { later } from "../../support/cleanup.js";
import { gate, originalTasks } from "../../support/commands.js";
import { faultProxy } from "../../support/fault-proxy.js";
import { startServer, tokens } from "../../support/servers.js";
import { connect, type ConnectOptions } from "iscep";
import { collect, patternBytes } from "../../support/output.js";
import { recorder } from "../../support/raw-session.js";
import { errorOf } from "../../support/error-of.js";

watchForLeaks();

const MiB = 1024 * 1024;
const patience = { limits: { reconnectMinDelayMs: 5, reconnectMaxDelayMs: 50 } };

/** Gives back what it reads, byte for byte. */
const cat = defineCommand({
  name: "cat",
  run: async (_args, { stdin, output }) => {
    let bytes = 0;
    for await (const chunk of stdin) {
      bytes += chunk.length;
      await output.write("stdout", chunk);
    }
    return bytes;
  },
});

const digest = defineCommand({
  name: "digest",
  run: async (_args, { stdin }) => {
    const hash = createHash("sha256");
    for await (const chunk of stdin) hash.update(chunk);
    return hash.digest("hex");
  },
});

/** Reads a chunk each time that it is let through. */
function slowReader() {
  const state = { started: 0, read: 0, chunks: 0, aborted: 0 };
  let letThrough: (() => void)[] = [];
  let open = false;
  const command = defineCommand({
    name: "slow",
    run: async (_args, { stdin, signal }) => {
      state.started++;
      signal.addEventListener("abort", () => state.aborted++);
      for await (const chunk of stdin) {
        state.read += chunk.length;
        state.chunks++;
        if (!open) {
          await new Promise<void>((resolve) => {
            letThrough.push(resolve);
            signal.addEventListener("abort", () => resolve());
          });
        }
        if (signal.aborted) throw signal.reason;
      }
      return state.read;
    },
  });
  return {
    command,
    state,
    openUp() {
      open = true;
      for (const resolve of letThrough) resolve();
      letThrough = [];
    },
  };
}

/** So many bytes of the pattern, and how far it was read. */
function source(bytes: number, piece: number) {
  const state = { read: 0, returned: false };
  async function* pieces(): AsyncGenerator<Uint8Array, void, void> {
    try {
      for (let at = 0; at < bytes; at += piece) {
        const length = Math.min(piece, bytes - at);
        state.read = at + length;
        yield patternBytes(at, length);
        if (at % (piece * 50) === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    } finally {
      state.returned = true;
    }
  }
  return { pieces: pieces(), state };
}

async function open(url: string, options: ConnectOptions = {}) {
  const client = await connect(url, { token: tokens.alice, protocol: 2, ...options });
  later(() => client.close());
  return client;
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

describe("standard input reaches the run byte for byte", () => {
  test.each([false, true])("and streams through it (TLS: %s)", async (tls) => {
    const client = await (await startServer({ commands: [cat], tls })).client();
    const bytes = 3 * MiB;
    const run = client.run("cat", {}, { stdin: source(bytes, 10_007).pieces });
    const { all } = await collect(run);
    expect(all.equals(patternBytes(0, bytes))).toBe(true);
    expect(await run.value).toBe(bytes);
  });

  test("from whatever holds it", async () => {
    const client = await (await startServer({ commands: [digest] })).client();
    const large = patternBytes(0, 2 * MiB);
    async function* mixed() {
      yield "ü€𝄞";
      yield new Uint8Array();
      yield "";
      yield new Uint8Array([0, 255]);
    }
    const sources = [
      ["", Buffer.alloc(0)],
      ["text ü", Buffer.from("text ü")],
      [large, large],
      [Readable.from([large.subarray(0, 7), large.subarray(7)]), large],
      [new PassThrough().end(large), large],
      [mixed(), Buffer.concat([Buffer.from("ü€𝄞"), Buffer.from([0, 255])])],
    ] as const;
    for (const [stdin, whole] of sources) expect(await client.run("digest", {}, { stdin }).value).toBe(sha256(whole));
  });

  test("in single bytes", async () => {
    const client = await (await startServer({ commands: [digest] })).client();
    const run = client.run("digest", {}, { stdin: source(5_000, 1).pieces });
    expect(await run.value).toBe(sha256(patternBytes(0, 5_000)));
  });

  test("and many at once each get their own", async () => {
    const limits = { connectionWindowBytes: 40_000, streamWindowBytes: 16_000, maxDataBytes: 3_000 };
    const client = await (await startServer({ commands: [digest], limits })).client();
    const runs = Array.from({ length: 20 }, (_, index) =>
      client.run("digest", {}, { stdin: source(100_000 + index, 1_000 + index).pieces }),
    );
    const values = await Promise.all(runs.map(({ value }) => value));
    expect(values).toEqual(runs.map((_, index) => sha256(patternBytes(0, 100_000 + index))));
  });

  test("a run that was given none reads its end at once", async () => {
    const client = await (await startServer({ commands: [cat] })).client();
    expect(await client.run("cat", {}).value).toBe(0);
    expect(await client.call("cat", {})).toBe(0);
  });
});

describe("a slow command", () => {
  test("pauses its source, and nobody else", async () => {
    const slow = slowReader();
    const server = await startServer({ commands: [slow.command, digest, ...originalTasks] });
    const client = await server.client();
    const { pieces, state } = source(20 * MiB, 64 * 1024);
    const run = client.run("slow", {}, { stdin: pieces });
    let before = -1;
    while (before !== state.read || state.read === 0) {
      before = state.read;
      for (let count = 0; count < 50; count++) await client.call("add", { a: count, b: 1 });
    }
    // A window at the server, and one chunk ahead.
    expect(state.read).toBeLessThanOrEqual(256 * 1024 + 2 * 64 * 1024);
    const other = client.run("digest", {}, { stdin: source(3 * MiB, 64 * 1024).pieces });
    expect(await other.value).toBe(sha256(patternBytes(0, 3 * MiB)));
    slow.openUp();
    expect(await run.value).toBe(20 * MiB);
  });

  test("that reads no further lets its source stand, and ends as it will", async () => {
    const leave = gate("leave");
    const command = defineCommand({
      name: "first",
      run: async (args, context) => {
        for await (const chunk of context.stdin) {
          expect(chunk.length).toBeGreaterThan(0);
          break;
        }
        return leave.command.run(args, context);
      },
    });
    const client = await (await startServer({ commands: [command] })).client();
    const { pieces, state } = source(50 * MiB, 64 * 1024);
    const run = client.run("first", {}, { stdin: pieces });
    await leave.started(1);
    for (let count = 0; count < 200; count++) await client.ping();
    expect(state.read).toBeLessThan(1 * MiB);
    leave.open();
    expect(await run.outcome).toMatchObject({ status: "completed" });
    await expect.poll(() => state.returned).toBe(true);
    // What was still on its way broke no rule.
    expect(await client.call("first", {}, { timeoutMs: 50 }).catch((error: unknown) => error)).toMatchObject({
      code: "timeout",
    });
    leave.open();
  });
});

describe("the source", () => {
  test("that fails cancels the run, and the outcome says so", async () => {
    const slow = slowReader();
    const client = await (await startServer({ commands: [slow.command] })).client();
    const broken = new Error("disk on fire");
    async function* failing() {
      yield "some";
      await new Promise((resolve) => setImmediate(resolve));
      throw broken;
    }
    const run = client.run("slow", {}, { stdin: failing() });
    expect(await run.outcome).toMatchObject({
      status: "cancelled",
      error: { code: "cancelled", message: expect.stringContaining("disk on fire"), cause: broken },
    });
    const wrong = client.run("slow", {}, { stdin: Readable.from([1]) });
    expect(await wrong.outcome).toMatchObject({
      status: "cancelled",
      error: { message: expect.stringContaining("number") },
    });
    const before = slow.state.read;
    const destroyed = new PassThrough();
    destroyed.write("x");
    const third = client.run("slow", {}, { stdin: destroyed });
    await expect.poll(() => slow.state.read).toBeGreaterThan(before);
    destroyed.destroy(new Error("pulled out"));
    expect(await third.outcome).toMatchObject({
      status: "cancelled",
      error: { message: expect.stringContaining("pulled out") },
    });
  });

  test("is closed when the run ends, is rejected, or never began, even while it waits", async () => {
    const ignores = defineCommand({ name: "ignores", run: async () => sleep(10) });
    const client = await (await startServer({ commands: [ignores] })).client();
    const silent = new PassThrough();
    expect(await client.run("ignores", {}, { stdin: silent }).outcome).toMatchObject({ status: "completed" });
    await expect.poll(() => silent.destroyed).toBe(true);
    const unread = new PassThrough();
    expect(await client.run("missing", {}, { stdin: unread }).outcome).toMatchObject({ status: "rejected" });
    expect(unread.destroyed).toBe(true);
    const { pieces, state } = source(10 * MiB, 64 * 1024);
    expect(await client.run("ignores", {}, { stdin: pieces }).outcome).toMatchObject({ status: "completed" });
    await expect.poll(() => state.returned).toBe(true);
    const early = new PassThrough();
    const run = client.run("ignores", {}, { stdin: early, signal: AbortSignal.abort() });
    expect(await run.outcome).toMatchObject({ status: "cancelled" });
    expect(early.destroyed).toBe(true);
    await client.close();
    const late = new PassThrough();
    expect(await client.run("ignores", {}, { stdin: late }).outcome).toMatchObject({ status: "rejected" });
    expect(late.destroyed).toBe(true);
  });
});

describe("a lost connection", () => {
  test.each([2_000, 30_000, 123_457, 299_000])(
    "after %d bytes loses no byte of it, and sends none twice",
    async (cutAt) => {
      const server = await startServer({ commands: [cat] });
      const proxy = await faultProxy(server.port!, (connection) =>
        connection < 3 ? { toServer: { cutAt: cutAt + connection * 40_000, reset: connection === 1 } } : {},
      );
      const client = await open(proxy.url, patience);
      const bytes = 400_000;
      const run = client.run("cat", {}, { stdin: source(bytes, 3_000).pieces });
      const { all } = await collect(run);
      expect(all.equals(patternBytes(0, bytes))).toBe(true);
      expect(await run.outcome).toEqual({ status: "completed", value: bytes });
      expect(proxy.connections).toBeGreaterThan(1);
    },
  );

  test("while the command is far behind keeps memory within one window", async () => {
    const slow = slowReader();
    const server = await startServer({ commands: [slow.command] });
    const wire = await recorder(server.port);
    const client = await open(wire.url, patience);
    const { pieces, state } = source(4 * MiB, 64 * 1024);
    const run = client.run("slow", {}, { stdin: pieces });
    await run.id;
    for (let cuts = 0; cuts < 4; cuts++) {
      for (let count = 0; count < 20; count++) await client.ping();
      wire.cut();
      await client.ping();
    }
    // With a full window for each connection it would be five of them.
    expect(state.read).toBeLessThanOrEqual(256 * 1024 + 2 * 64 * 1024);
    slow.openUp();
    expect(await run.value).toBe(4 * MiB);
  });

  test("for good cancels a run that has part of its input, even when it is detached", async () => {
    const slow = slowReader();
    const server = await startServer({ commands: [slow.command], limits: { callerGraceMs: 40 } });
    const client = await open(server.url);
    const run = client.run("slow", {}, { stdin: source(4 * MiB, 64 * 1024).pieces, detach: true });
    await run.id;
    await expect.poll(() => slow.state.read).toBeGreaterThan(0);
    await client.close();
    await expect.poll(() => slow.state.aborted).toBe(1);
  });

  test("leaves a detached run alone that has all of it", async () => {
    const slow = slowReader();
    const server = await startServer({ commands: [slow.command], limits: { callerGraceMs: 30 } });
    const client = await open(server.url);
    const run = client.run("slow", {}, { stdin: "all of it", detach: true });
    const id = await run.id;
    await expect.poll(() => slow.state.read).toBe(9);
    await client.ping();
    await client.close();
    await sleep(80);
    expect(slow.state.aborted).toBe(0);
    slow.openUp();
    expect(await (await open(server.url)).attach(id).value).toBe(9);
  });

  test("and a key: the call that is made again goes on where the first one stopped", async () => {
    const slow = slowReader();
    const server = await startServer({ commands: [slow.command] });
    const first = await open(server.url);
    const options = { idempotencyKey: "upload" };
    const begun = first.run("slow", {}, { ...options, stdin: source(2 * MiB, 64 * 1024).pieces });
    await begun.id;
    await expect.poll(() => slow.state.read).toBeGreaterThan(0);
    await first.close();
    expect(await begun.outcome).toMatchObject({ status: "lost" });
    const again = (await open(server.url)).run("slow", {}, { ...options, stdin: source(2 * MiB, 10_000).pieces });
    expect(await again.id).toBe(await begun.id);
    slow.openUp();
    expect(await again.value).toBe(2 * MiB);
    expect(slow.state.started).toBe(1);
    const third = (await open(server.url)).run("slow", {}, { ...options, stdin: "not needed" });
    expect(await third.value).toBe(2 * MiB);
  });
});

test("the caller who joins a run takes its input over, and the other's is no longer heard", async () => {
  const slow = slowReader();
  const server = await startServer({ commands: [slow.command] });
  const [one, two] = [await open(server.url), await open(server.url)];
  const options = { idempotencyKey: "k" };
  const first = one.run("slow", {}, { ...options, stdin: source(2 * MiB, 64 * 1024).pieces });
  await first.id;
  await expect.poll(() => slow.state.read).toBeGreaterThan(0);
  const second = two.run("slow", {}, { ...options, stdin: source(2 * MiB, 64 * 1024).pieces });
  await second.id;
  slow.openUp();
  expect(await second.value).toBe(2 * MiB);
  expect(await first.value).toBe(2 * MiB);
  // Neither broke a rule.
  expect(await Promise.all([one.echo(1), two.echo(2)])).toEqual([1, 2]);
});

test("a call of a run that takes no input, joined with some, is refused", async () => {
  const slow = gate();
  const client = await (await startServer({ commands: [slow.command] })).client();
  const first = client.run("gate", {}, { idempotencyKey: "k" });
  await first.id;
  const joined = client.run("gate", {}, { idempotencyKey: "k", stdin: "x" });
  expect(await joined.outcome).toMatchObject({ status: "rejected", error: { code: "invalid_arguments" } });
  expect(await errorOf(joined.id)).toMatchObject({ code: "invalid_arguments" });
  slow.open();
  expect(await first.outcome).toMatchObject({ status: "completed" });
});

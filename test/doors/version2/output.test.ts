import { describe, expect, test } from "vitest";
import { connect, defineCommand } from "iscep";
import { watchForLeaks } from "../../support/leaks.js";
import { later } from "../../support/cleanup.js";
import { gate, originalTasks } from "../../support/commands.js";
import { startServer, tokens } from "../../support/servers.js";
import { collect, patternBytes, writer } from "../../support/output.js";
import { recorder } from "../../support/raw-session.js";
import * as threadCommands from "./modules/thread-commands.mjs";
import { errorOf } from "../../support/error-of.js";
import { until } from "../../support/until.js";

watchForLeaks();

const MiB = 1024 * 1024;

test("both channels come in order, with offsets, while the run goes on", async () => {
  let goOn = (): void => {};
  const heard = new Promise<void>((resolve) => (goOn = resolve));
  const talk = defineCommand({
    name: "talk",
    run: async (_args, { output }) => {
      void output.write("stdout", "out 1\n");
      void output.write("stderr", "err 1\n");
      await heard;
      void output.write("stdout", "out 2\n");
      return "done";
    },
  });
  const client = await (await startServer({ commands: [talk] })).client({ protocol: 2 });
  const run = client.run("talk", {});
  const chunks: unknown[] = [];
  for await (const { channel, offset, bytes } of run.output) {
    chunks.push([channel, offset, Buffer.from(bytes).toString()]);
    // Only once both were seen here does the command go on: they came while it ran.
    if (chunks.length === 2) goOn();
  }
  expect(chunks).toEqual([
    ["stdout", 0, "out 1\n"],
    ["stderr", 6, "err 1\n"],
    ["stdout", 12, "out 2\n"],
  ]);
  expect(await run.value).toBe("done");
});

test("binary bytes and UTF-8 cut anywhere arrive as they were", async () => {
  const text = "ü€𝄞".repeat(5_000);
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  const mixed = defineCommand({
    name: "mixed",
    run: async (_args, { output }) => {
      await output.write("stderr", bytes);
      const encoded = Buffer.from(text);
      for (let at = 0; at < encoded.length; at += 7) await output.write("stdout", encoded.subarray(at, at + 7));
    },
  });
  const client = await (await startServer({ commands: [mixed], tls: true })).client({ protocol: 2 });
  const { stdout, stderr } = await collect(client.run("mixed", {}));
  expect(stderr.equals(bytes)).toBe(true);
  expect(stdout.toString()).toBe(text);
});

test("10 MiB come whole to a reader that takes its time, and the writer waits for it", async () => {
  const { command, state } = writer();
  const limits = { streamWindowBytes: 128 * 1024, maxRetainedOutputBytes: 256 * 1024 };
  const server = await startServer({ commands: [...originalTasks, command], limits });
  const client = await server.client({ protocol: 2, limits });
  const bytes = 10 * MiB;
  const run = client.run("write", { bytes, piece: 10_000 });
  let at = 0;
  let furthest = 0;
  for await (const chunk of run.output) {
    expect(chunk.offset).toBe(at);
    if (!Buffer.from(chunk.bytes).equals(patternBytes(at, chunk.bytes.length))) throw new Error(`wrong at ${at}`);
    at += chunk.bytes.length;
    furthest = Math.max(furthest, state.written - at);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(at).toBe(bytes);
  // A window at the reader, one at the writer, and what the sockets of one machine are on the way with.
  expect(furthest).toBeLessThan(limits.streamWindowBytes * 2 + 32 * 1024);
  expect(await run.value).toBe(bytes);
});

test("a reader that stands still stops its writer, and nobody else", async () => {
  const { command, state } = writer();
  const limits = { writeStallTimeoutMs: 60_000 };
  const server = await startServer({ commands: [...originalTasks, command], limits });
  const client = await server.client({ protocol: 2 });
  const run = client.run("write", { bytes: 10 * MiB, piece: 64 * 1024 });
  const reader = run.output[Symbol.asyncIterator]();
  const first = await reader.next();
  let before = -1;
  while (before !== state.written) {
    before = state.written;
    for (let count = 0; count < 50; count++) await client.call("add", { a: count, b: 1 });
  }
  expect(state.written).toBeLessThan(1 * MiB);
  // Another run's output on the same connection flows on, far beyond the window.
  const other = await collect(client.run("write", { bytes: 3 * MiB, piece: 64 * 1024 }));
  expect(other.all.equals(patternBytes(0, 3 * MiB))).toBe(true);
  const read = [first.value?.bytes ?? Buffer.alloc(0)];
  for (let next = await reader.next(); next.done !== true; next = await reader.next()) read.push(next.value.bytes);
  expect(Buffer.concat(read).equals(patternBytes(0, 10 * MiB))).toBe(true);
});

test("readers that stand still, more of them than the connection's window holds, hold up nobody else", async () => {
  const { command } = writer();
  const limits = { maxRuns: 100, writeStallTimeoutMs: 60_000 };
  const client = await (await startServer({ commands: [...originalTasks, command], limits })).client();
  const readers = await Promise.all(
    Array.from({ length: 12 }, async () => {
      const run = client.run("write", { bytes: 2 * MiB, piece: 64 * 1024 });
      const reader = run.output[Symbol.asyncIterator]();
      await reader.next();
      return { run, reader };
    }),
  );
  for (let count = 0; count < 100; count++) await client.call("add", { a: count, b: 1 });
  const other = await collect(client.run("write", { bytes: 3 * MiB, piece: 64 * 1024 }));
  expect(other.all.equals(patternBytes(0, 3 * MiB))).toBe(true);
  for (const { reader } of readers) await reader.return?.();
  for (const { run } of readers) expect(await run.value).toBe(2 * MiB);
});

describe("output that nobody reads", () => {
  test("does not hold its run up, and who reads later gets all of it", async () => {
    const { command, state } = writer();
    const limits = { maxRetainedOutputBytes: 8 * MiB };
    const client = await (await startServer({ commands: [command], limits })).client();
    const run = client.run("write", { bytes: 5 * MiB, piece: 64 * 1024 });
    expect(await run.outcome).toEqual({ status: "completed", value: 5 * MiB });
    expect(state.written).toBe(5 * MiB);
    expect((await collect(run)).all.equals(patternBytes(0, 5 * MiB))).toBe(true);
  });

  test("is taken up while the run still goes on", async () => {
    const { command, state } = writer();
    const limits = { maxRetainedOutputBytes: 4 * MiB };
    const server = await startServer({ commands: [command, ...originalTasks], limits });
    const wire = await recorder(server.port);
    const client = await connect(wire.url, { token: tokens.alice });
    later(() => client.close());
    const run = client.run("write", { bytes: 2 * MiB, piece: 16 * 1024, pauseMs: 2 });
    const progress: unknown[] = [];
    run.onProgress((fraction) => progress.push(fraction));
    const sentBytes = (): number => wire.toClient.reduce((sum, chunk) => sum + chunk.length, 0);
    // With seven eighths of its window it stops asking for output, and nothing more comes, though the command writes on.
    await until(() => sentBytes() > 224 * 1024);
    await until(() => state.written > 1.5 * MiB);
    await client.ping();
    expect(sentBytes()).toBeLessThan(400 * 1024);
    expect((await collect(run)).all.equals(patternBytes(0, 2 * MiB))).toBe(true);
    expect(await run.value).toBe(2 * MiB);
    expect(wire.connections).toBe(1);
  });

  test("that the server has forgotten is told so, after what there is", async () => {
    const { command } = writer();
    const limits = { maxRetainedOutputBytes: 100_000 };
    const client = await (await startServer({ commands: [command], limits })).client();
    const run = client.run("write", { bytes: 5 * MiB, piece: 10_000 });
    expect(await run.value).toBe(5 * MiB);
    let at = 0;
    const reading = (async () => {
      for await (const chunk of run.output) {
        expect(chunk.offset).toBe(at);
        expect(Buffer.from(chunk.bytes).equals(patternBytes(at, chunk.bytes.length))).toBe(true);
        at += chunk.bytes.length;
      }
    })();
    expect(await errorOf(reading)).toMatchObject({ code: "output_gone", details: { start: expect.any(Number) } });
    expect(at).toBeGreaterThan(100_000);
  });

  test("of many runs at once holds up none of them", async () => {
    const { command } = writer();
    const limits = { maxRuns: 50, maxRetainedOutputBytes: 2 * MiB };
    const client = await (await startServer({ commands: [command], limits })).client();
    const runs = Array.from({ length: 20 }, () => client.run("write", { bytes: MiB, piece: 64 * 1024 }));
    for (const run of runs) expect(await run.value).toBe(MiB);
    const outputs = await Promise.all(runs.map((run) => collect(run)));
    for (const { all } of outputs) expect(all.equals(patternBytes(0, MiB))).toBe(true);
  });

  test("of a run that comes back over another connection does not hold it up either", async () => {
    const { command } = writer();
    const server = await startServer({ commands: [command], limits: { maxRetainedOutputBytes: 8 * MiB } });
    const wire = await recorder(server.port);
    const client = await connect(wire.url, { token: tokens.alice, limits: { reconnectMinDelayMs: 5 } });
    later(() => client.close());
    const run = client.run("write", { bytes: 3 * MiB, piece: 32 * 1024, pauseMs: 1 });
    await run.id;
    for (let cuts = 0; cuts < 3; cuts++) {
      await client.ping();
      wire.cut();
      await client.ping();
    }
    expect(await run.value).toBe(3 * MiB);
    expect((await collect(run)).all.equals(patternBytes(0, 3 * MiB))).toBe(true);
  });
});

test("a handle at the end of its scope cancels its run, and leaves alone what is detached or only watched", async () => {
  const slow = gate();
  const client = await (await startServer({ commands: [slow.command] })).client();
  const detached = client.run("gate", {}, { detach: true });
  const id = await detached.id;
  let ended: Promise<unknown>;
  {
    await using run = client.run("gate", {});
    await using _detached = detached;
    await using watched = client.attach(id);
    await Promise.all([run.id, watched.id]);
    ended = run.outcome;
  }
  expect(await ended).toMatchObject({ status: "cancelled" });
  expect(slow.state).toMatchObject({ started: 2, aborted: 1 });
  slow.open();
  expect(await detached.value).toBe("through");
});

test("a reader that leaves in the middle lets the run go on", async () => {
  const { command } = writer();
  const client = await (await startServer({ commands: [...originalTasks, command] })).client({ protocol: 2 });
  const run = client.run("write", { bytes: 3 * MiB, piece: 64 * 1024 });
  for await (const chunk of run.output) if (chunk.offset >= 0) break;
  expect(await run.outcome).toMatchObject({ status: "completed", value: 3 * MiB });
});

test("a command in a worker thread speaks too", async () => {
  const client = await (await startServer({ commands: [threadCommands.speak] })).client({ protocol: 2 });
  const run = client.run("speak", {});
  const seen: unknown[] = [];
  run.onProgress((...progress) => seen.push(progress));
  const { stdout, stderr } = await collect(run);
  expect(seen).toEqual([[0.25, "begun"]]);
  const lines = Array.from({ length: 100 }, (_, line) => `line ${line} ü\n`);
  expect(stdout.toString()).toBe(`${lines.filter((_, line) => line % 2 === 0).join("")}not waited for`);
  expect(stderr.toString()).toBe(lines.filter((_, line) => line % 2 === 1).join(""));
  expect(await run.value).toBe("spoken");
});

test("attach follows from an offset, while it runs and after its end, as often as one likes", async () => {
  const { command } = writer();
  const bytes = 300_000;
  const server = await startServer({ commands: [command] });
  const [client, other] = [await server.client({ protocol: 2 }), await server.client({ protocol: 2 })];
  const run = client.run("write", { bytes, piece: 1_000, pauseMs: 1 });
  const id = await run.id;
  const [first, second, third] = await Promise.all([
    collect(run),
    collect(other.attach(id)),
    collect(client.attach(id, { offset: 0 })),
  ]);
  for (const { all } of [first, second, third]) expect(all.equals(patternBytes(0, bytes))).toBe(true);
  const again = other.attach(id, { offset: 123_456 });
  expect((await collect(again, 123_456)).all.equals(patternBytes(123_456, bytes - 123_456))).toBe(true);
  expect(await again.outcome).toEqual({ status: "completed", value: bytes });
  expect((await collect(other.attach(id, { offset: bytes }), bytes)).all).toHaveLength(0);
  expect(await other.attach(id, { offset: bytes + 1 }).outcome).toMatchObject({
    status: "rejected",
    error: { code: "invalid_arguments" },
  });
  const record = { run: id, command: "write", status: "completed", outputBytes: bytes };
  expect(await other.runs()).toMatchObject({ runs: [record] });
  expect(await other.runs({ run: id })).toMatchObject({ runs: [record] });
  expect(await errorOf(other.runs({ run: "no such run" }))).toMatchObject({ code: "run_not_found" });
});

test("output that is no longer kept is told so, with the offset from which it is", async () => {
  const { command } = writer();
  const server = await startServer({ commands: [command], limits: { maxRetainedOutputBytes: 100_000 } });
  const client = await server.client({ protocol: 2 });
  const run = client.run("write", { bytes: MiB, piece: 10_000 });
  await collect(run);
  const error = await errorOf(client.attach(await run.id).value);
  expect(error).toMatchObject({ code: "output_gone", details: { start: expect.any(Number) } });
  const start = Number(error.details["start"]);
  expect(start).toBeLessThanOrEqual(MiB - 100_000);
  const { all } = await collect(client.attach(await run.id, { offset: start }), start);
  expect(all.equals(patternBytes(start, MiB - start))).toBe(true);
});

test("a run of somebody else and one that never was answer alike", async () => {
  const slow = gate();
  const server = await startServer({ commands: [slow.command] });
  const [alice, bob] = [await server.client({ protocol: 2 }), await server.client({ protocol: 2, token: tokens.bob })];
  const run = alice.run("gate", {});
  const foreign = await run.id;
  const never = "01900000-0000-7000-8000-000000000000";
  const answers = await Promise.all(
    [foreign, never].map(async (id) => [
      (await errorOf(bob.attach(id).value)).toJSON(),
      (await errorOf(bob.cancel(id))).toJSON(),
    ]),
  );
  expect(answers[0]).toEqual(answers[1]);
  expect(answers[0]).toMatchObject([{ code: "run_not_found" }, { code: "run_not_found" }]);
  expect(await bob.runs()).toEqual({ runs: [] });
  expect(slow.state.aborted).toBe(0);
  slow.open();
  expect(await run.value).toBe("through");
});

test("one turn of many small writes is few packets", async () => {
  const chatter = defineCommand({
    name: "chatter",
    run: (_args, { output }) => {
      for (let count = 0; count < 1_000; count++) void output.write("stdout", "0123456789");
    },
  });
  const client = await (await startServer({ commands: [chatter] })).client({ protocol: 2 });
  const run = client.run("chatter", {});
  let chunks = 0;
  for await (const chunk of run.output) chunks += Math.sign(chunk.bytes.length);
  expect(chunks).toBeLessThanOrEqual(3);
});

test("all output comes also where the value of the command cannot be sent", async () => {
  const command = defineCommand({
    name: "odd",
    run: async (_args, { output }) => {
      for (let piece = 0; piece < 20; piece++) await output.write("stdout", Buffer.alloc(32 * 1024, "x"));
      return Number.NaN;
    },
  });
  const server = await startServer({ commands: [command] });
  const client = await server.client({ protocol: 2 });
  const run = client.run("odd", {});
  expect((await collect(run)).all).toHaveLength(20 * 32 * 1024);
  expect(await run.outcome).toMatchObject({ status: "failed", error: { code: "failed" } });
});

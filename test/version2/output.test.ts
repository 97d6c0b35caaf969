import { expect, test } from "vitest";
import { defineCommand } from "iscep";
import { watchForLeaks } from "../house/leaks.js";
import { gate, originalTasks } from "../support/commands.js";
import { startServer, tokens } from "../support/servers.js";
import { collect, errorOf, patternBytes, writer } from "./commands.js";
import * as threadCommands from "./modules/thread-commands.mjs";

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
  const server = await startServer({ commands: [...originalTasks, command] });
  const client = await server.client({ protocol: 2 });
  const run = client.run("write", { bytes: 10 * MiB, piece: 64 * 1024 });
  await run.id;
  let before = -1;
  while (before !== state.written) {
    before = state.written;
    for (let count = 0; count < 50; count++) await client.call("add", { a: count, b: 1 });
  }
  expect(state.written).toBeLessThan(1 * MiB);
  // Another run's output on the same connection flows on, far beyond the window.
  const other = await collect(client.run("write", { bytes: 3 * MiB, piece: 64 * 1024 }));
  expect(other.all.equals(patternBytes(0, 3 * MiB))).toBe(true);
  const whole = await collect(run);
  expect(whole.all.equals(patternBytes(0, 10 * MiB))).toBe(true);
});

test("a reader that leaves in the middle lets the run go on", async () => {
  const { command } = writer();
  const client = await (await startServer({ commands: [...originalTasks, command] })).client({ protocol: 2 });
  const run = client.run("write", { bytes: 3 * MiB, piece: 64 * 1024 });
  for await (const chunk of run.output) if (chunk.offset >= 0) break;
  expect(await run.outcome).toMatchObject({ status: "completed", value: 3 * MiB });
});

test("progress comes with its message, and within 0 and 1", async () => {
  const steps = gate();
  const command = defineCommand({
    name: "steps",
    run: async (args, context) => {
      await steps.command.run({}, context);
      context.progress(0.5, "half");
      context.progress(7);
      return args;
    },
  });
  const client = await (await startServer({ commands: [command] })).client({ protocol: 2 });
  const run = client.run("steps", {});
  const seen: unknown[] = [];
  run.onProgress((...progress) => seen.push(progress));
  await steps.started(1);
  steps.open();
  await run.outcome;
  expect(seen).toEqual([
    [0.5, "half"],
    [1, undefined],
  ]);
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
  expect(await other.runs()).toMatchObject([{ run: id, command: "write", status: "completed", outputBytes: bytes }]);
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
  expect(await bob.runs()).toEqual([]);
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

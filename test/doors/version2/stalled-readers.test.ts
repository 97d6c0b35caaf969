/** A reader that has used up its credit and grants no more holds neither the run nor its place for ever. */
import { expect, test } from "vitest";
import { z } from "zod";
import { defineCommand, type ConcurrencyDefinition } from "iscep";
import { watchForLeaks } from "../../support/leaks.js";
import { originalTasks } from "../../support/commands.js";
import { messages, notification, rawSession, request, type RawSession } from "../../support/raw-session.js";
import { startServer } from "../../support/servers.js";

watchForLeaks();

const KiB = 1024;

/** Writes without end until it is stopped. */
function endless(concurrency?: ConcurrencyDefinition) {
  const state = { begun: 0, running: 0, stopped: 0, written: 0 };
  const command = defineCommand({
    name: "endless",
    args: z.object({ bytes: z.int().optional() }),
    ...(concurrency === undefined ? {} : { concurrency }),
    run: async ({ bytes = Number.MAX_SAFE_INTEGER }, { output, signal }) => {
      state.begun++;
      state.running++;
      const piece = Buffer.alloc(16 * KiB);
      for (let at = 0; at < bytes && !signal.aborted; at += piece.length) {
        await output.write("stdout", piece);
        state.written += piece.length;
        await new Promise((resolve) => setImmediate(resolve));
      }
      state.running--;
      if (signal.aborted) state.stopped++;
      return "end";
    },
  });
  return { command, state };
}

const limits = { streamWindowBytes: 64 * KiB, writeStallTimeoutMs: 200, callerGraceMs: 100 };

async function granting(session: RawSession, until: () => boolean, pauseMs: number): Promise<void> {
  while (!until()) {
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    session.send(
      messages(
        notification("window", { stream: 0, bytes: 16 * KiB }),
        notification("window", { stream: 1, bytes: 16 * KiB }),
      ),
    );
  }
}

test("whoever reads but grants nothing is as one that left, and its place is free", async () => {
  const { command, state } = endless();
  const server = await startServer({
    tokens: false,
    commands: [...originalTasks, command],
    limits: { ...limits, maxRuns: 4 },
  });
  const sessions = await Promise.all(Array.from({ length: 4 }, () => rawSession(server)));
  for (const session of sessions)
    session.send(messages(request(1, "call", { command: "endless", args: {}, output: 0 })));
  await expect.poll(() => state.begun).toBe(4);
  for (const session of sessions) {
    expect(await session.response(1)).toMatchObject({ error: { data: { status: "cancelled" } } });
  }
  await expect.poll(() => state.stopped).toBe(4);
  expect(await (await server.client()).call("add", { a: 1, b: 2 })).toBe(3);
});

test("a detached run goes on without its stalled reader", async () => {
  const { command } = endless();
  const server = await startServer({ tokens: false, commands: [command], limits });
  const session = await rawSession(server);
  const args = { bytes: 4_096 * KiB };
  session.send(messages(request(1, "call", { command: "endless", args, output: 0, detach: true })));
  expect(await session.response(1)).toMatchObject({ result: { value: "end", output: 4_096 * KiB } });
});

test("a slow reader that grants now and then keeps its run", async () => {
  const { command, state } = endless();
  const server = await startServer({
    tokens: false,
    commands: [command],
    limits: { ...limits, writeStallTimeoutMs: 1_000 },
  });
  const session = await rawSession(server);
  session.send(messages(request(1, "call", { command: "endless", args: {}, output: 0 })));
  // This is twice as long as a stall may last.
  const startMs = performance.now();
  await granting(session, () => performance.now() - startMs > 2_000, 50);
  expect([state.running, state.stopped]).toEqual([1, 0]);
  session.send(messages(request(2, "cancel", { call: 1 })));
  await session.response(1);
});

test("who comes back within the grace goes on where it was, as far as the output is kept", async () => {
  const { command, state } = endless();
  const server = await startServer({
    tokens: false,
    commands: [command],
    limits: { ...limits, callerGraceMs: 60_000, maxRetainedOutputBytes: 8_192 * KiB },
  });
  const session = await rawSession(server);
  const bytes = 1_024 * KiB;
  session.send(messages(request(1, "call", { command: "endless", args: { bytes }, output: 0 })));
  // Let go, the command writes on to its end.
  await expect.poll(() => state.written).toBe(bytes);
  const data = () =>
    session.packets.filter(({ type }) => type === 9).reduce((sum, one) => sum + one.content.length - 13, 0);
  expect(data()).toBe(64 * KiB);
  await granting(session, () => data() === bytes, 1);
  expect(await session.response(1)).toMatchObject({ result: { value: "end", output: bytes } });
});

test("a call reads its own output where a run may have one reader, and runs that joined it are none", async () => {
  const { command, state } = endless({ limit: 1, whenFull: "join" });
  const server = await startServer({ tokens: false, commands: [command], limits: { maxRunReaders: 1 } });
  const [first, second] = [await rawSession(server), await rawSession(server)];
  const isStarted = (session: RawSession, call: number) => (): boolean =>
    session.messages.some((message) => (message["params"] as { call?: number } | undefined)?.call === call);
  const call = request(1, "call", { command: "endless", args: {}, output: 0, detach: true });
  first.send(messages(call));
  await first.until(isStarted(first, 1));
  second.send(messages(call));
  await second.until(isStarted(second, 1));
  expect(state.running).toBe(1);
  // The caller comes back over another connection.
  const started = first.messages.find((message) => message["method"] === "started");
  const { run } = (started?.["params"] ?? {}) as { run?: string };
  await first.destroy();
  const back = await rawSession(server);
  back.send(messages(request(1, "attach", { run, offset: 0 })));
  await back.until(isStarted(back, 1));
  await Promise.all([second, back].map((session) => session.destroy()));
  const client = await server.client({ protocol: 2 });
  for (const { run: id } of (await client.runs()).runs) await client.cancel(id);
  await expect.poll(() => state.stopped).toBe(1);
});

test("one run has so many readers at once, and one more when one of them has left", async () => {
  const { command, state } = endless();
  const server = await startServer({ tokens: false, commands: [command], limits: { maxRunReaders: 3 } });
  const client = await server.client({ protocol: 2 });
  const run = client.run("endless", {}, { detach: true, output: false });
  const id = await run.id;
  const session = await rawSession(server);
  const attach = (call: number): RawSession => session.send(messages(request(call, "attach", { run: id, offset: 0 })));
  const started = (call: number) => () =>
    session.messages.some((message) => (message["params"] as { call?: number } | undefined)?.call === call);
  for (const call of [1, 2, 3]) attach(call);
  await session.until(started(3));
  attach(4);
  expect(await session.response(4)).toMatchObject({ error: { data: { code: "busy", status: "rejected" } } });
  session.send(messages(notification("leave", { stream: 1 })));
  attach(5);
  await session.until(started(5));
  await session.destroy();
  await client.cancel(id);
  await expect.poll(() => state.stopped).toBe(1);
});

test("a repeated call that is refused for want of a reader's place does not let the run go on", async () => {
  const { command, state } = endless();
  const server = await startServer({ tokens: false, commands: [command], limits: { maxRunReaders: 1 } });
  const [first, second] = [await rawSession(server), await rawSession(server)];
  const call = { command: "endless", args: {}, output: 0, idempotencyKey: "once" };
  first.send(messages(request(1, "call", call)));
  await first.until(() => first.messages.some((message) => message["method"] === "started"));
  second.send(messages(request(1, "call", { ...call, detach: true })));
  expect(await second.response(1)).toMatchObject({ error: { data: { code: "busy", status: "rejected" } } });
  first.send(messages(request(2, "cancel", { call: 1 })));
  await expect.poll(() => state.stopped, { timeout: 20_000 }).toBe(1);
});

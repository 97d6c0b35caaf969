/** A peer that does not read its answers: nothing more is done for it, and it gets all of them when it reads. */
import { expect, test } from "vitest";
import { z } from "zod";
import { defineCommand } from "iscep";
import { watchForLeaks } from "../../support/leaks.js";
import { gate, originalTasks } from "../../support/commands.js";
import { messages, rawSession, request } from "../../support/raw-session.js";
import { startServer, type TestServer } from "../../support/servers.js";

watchForLeaks();

const MiB = 1024 * 1024;
/** The tests are about peers that read late, and not about those that are given up. */
const patience = { writeStallTimeoutMs: 60_000 };

/** Answers with a text of a size, and counts how often. */
function large() {
  const state = { answered: 0 };
  const command = defineCommand({
    name: "large",
    args: z.object({ bytes: z.int() }),
    run: ({ bytes }) => {
      state.answered++;
      return "x".repeat(bytes);
    },
  });
  return { command, state };
}

/** So many calls of somebody else, one after the other: what the server would do by itself meanwhile it has done then. */
async function honestCalls(server: TestServer, count: number): Promise<void> {
  const client = await server.client();
  for (let call = 0; call < count; call++) expect(await client.call("add", { a: call, b: 1 })).toBe(call + 1);
  await client.close();
}

test("its requests are read no further, and all are answered when it reads", async () => {
  const { command, state } = large();
  const server = await startServer({ tokens: false, commands: [...originalTasks, command], limits: patience });
  const session = await rawSession(server);
  session.socket.pause();
  const count = 60;
  for (let id = 1; id <= count; id++)
    session.send(messages(request(id, "call", { command: "large", args: { bytes: MiB } })));
  await honestCalls(server, 100);
  // The windows of the server, and what the system keeps for both ends.
  expect(state.answered).toBeLessThan(40);
  session.socket.resume();
  await session.response(count);
  expect(session.messages.map(({ id }) => id)).toEqual(Array.from({ length: count }, (_, index) => index + 1));
  expect(state.answered).toBe(count);
});

test("a thousand requests in one packet are worked off between those of others", async () => {
  const { command } = large();
  const server = await startServer({ tokens: false, commands: [...originalTasks, command] });
  const session = await rawSession(server);
  const [count, bytes] = [500, 30_000];
  const calls = Array.from({ length: count }, (_, index) =>
    request(index + 1, "call", { command: "large", args: { bytes } }),
  );
  const honest = await server.client();
  session.send(messages(...calls));
  expect(await honest.call("add", { a: 1, b: 2 })).toBe(3);
  expect(session.messages.length).toBeLessThan(count);
  await session.response(count);
  expect(session.messages).toHaveLength(count);
});

test("a value that many wait for is held once, and comes to each that reads", async () => {
  const slow = gate();
  const { command } = large();
  const late = defineCommand({
    name: "late",
    run: async () => {
      await slow.command.run({}, { signal: new AbortController().signal } as never);
      return "x".repeat(2 * MiB);
    },
  });
  const server = await startServer({ tokens: false, commands: [...originalTasks, command, late] });
  const session = await rawSession(server);
  session.send(messages(request(1, "call", { command: "late", detach: true })));
  await slow.started(1);
  await session.until(() => session.messages.some(({ method }) => method === "started"));
  const { run } = session.messages.find(({ method }) => method === "started")!["params"] as { run: string };
  session.socket.pause();
  const watchers = 200;
  session.send(messages(...Array.from({ length: watchers }, (_, index) => request(index + 2, "attach", { run }))));
  await honestCalls(server, 20);
  const before = process.memoryUsage().rss;
  slow.open();
  await honestCalls(server, 100);
  expect(process.memoryUsage().rss - before).toBeLessThan(150 * MiB);
  // Its other half would be another 400 MB for this process alone.
  await session.destroy();
});

test("who does not read output can still cancel, and news of progress is not kept", async () => {
  const state = { told: 0, stopped: false };
  const enough = 20_000;
  const chatty = defineCommand({
    name: "chatty",
    run: async (_args, { output, progress, signal }) => {
      signal.addEventListener("abort", () => (state.stopped = true));
      while (!signal.aborted) {
        for (let count = 0; count < 100; count++) progress(0.5, `${state.told++} ${"p".repeat(1_000)}`);
        void output.write("stdout", Buffer.alloc(50_000));
        await new Promise((resolve) => setImmediate(resolve));
        if (state.told > enough) await new Promise((resolve) => signal.addEventListener("abort", resolve));
      }
    },
  });
  const server = await startServer({ tokens: false, commands: [...originalTasks, chatty], limits: patience });
  const session = await rawSession(server);
  session.socket.pause();
  session.send(messages(request(1, "call", { command: "chatty", output: 0 })));
  await expect.poll(() => state.told, { timeout: 20_000 }).toBeGreaterThan(enough);
  session.send(messages(request(2, "cancel", { call: 1 })));
  session.socket.resume();
  await session.response(2);
  await expect.poll(() => state.stopped).toBe(true);
  await session.response(1);
  expect(session.messages.filter(({ method }) => method === "progress").length).toBeLessThan(state.told / 2);
});

/**
 * Callers whose standard input breaks the rules, written by hand: each is told why, and other callers do not notice.
 */
import { describe, expect, test } from "vitest";
import { defineCommand } from "iscep";
import { watchForLeaks } from "../../support/leaks.js";
import { gate, originalTasks } from "../../support/commands.js";
import { startServer } from "../../support/servers.js";
import { patternBytes } from "../../support/output.js";
import { data, messages, rawSession, request, type RawSession } from "../../support/raw-session.js";

watchForLeaks();

const windowBytes = 10_000;
const limits = { streamWindowBytes: windowBytes, connectionWindowBytes: 25_000, maxDataBytes: 5_000 };

async function start() {
  const slow = gate();
  /** Reads all of its input once it is let through. */
  const reads = defineCommand({
    name: "reads",
    run: async (args, context) => {
      await slow.command.run({ ...(args as object) }, context);
      let bytes = 0;
      for await (const chunk of context.stdin) bytes += chunk.length;
      return bytes;
    },
  });
  const server = await startServer({ tokens: false, commands: [...originalTasks, reads, slow.command], limits });
  return { slow, server, session: await rawSession(server) };
}

/** Calls, and waits until the server has said from where on it takes input. */
async function begin(session: RawSession, id: number, params: object = {}): Promise<Record<string, unknown>> {
  session.send(messages(request(id, "call", { command: "reads", args: {}, stdin: true, ...params })));
  return started(session, id);
}

async function started(session: RawSession, id: number): Promise<Record<string, unknown>> {
  const find = () =>
    session.messages.find(
      ({ method, params }) => method === "started" && (params as Record<string, unknown>)["call"] === id,
    );
  await session.until(() => find() !== undefined);
  return find()?.["params"] as Record<string, unknown>;
}

async function expectAlive(server: Awaited<ReturnType<typeof start>>["server"]): Promise<void> {
  const session = await rawSession(server);
  session.send(messages(request(1, "call", { command: "noargs", args: {} })));
  expect(await session.response(1)).toMatchObject({ result: { value: "ok" } });
}

describe("gets a goaway with its reason, and the server goes on:", () => {
  const cases: Record<string, readonly [packets: () => Buffer[], reason: RegExp]> = {
    "an offset that skips": [() => [data(1, 0, 5, patternBytes(0, 10))], /goes on at offset 0/],
    "an offset that goes back": [
      () => [data(1, 0, 0, patternBytes(0, 10)), data(1, 0, 5, patternBytes(5, 10))],
      /goes on at offset 10/,
    ],
    "an end in the wrong place": [() => [data(1, 0, 3, Buffer.alloc(0))], /goes on at offset 0/],
    "more than the window of the stream": [
      () => [0, 1, 2].map((count) => data(1, 0, count * 4_000, patternBytes(0, 4_000))),
      /window/,
    ],
    "a packet that is larger than allowed": [() => [data(1, 0, 0, Buffer.alloc(5_001))], /5000/],
    "data behind the end": [
      () => [data(1, 0, 0, Buffer.alloc(0)), data(1, 0, 0, patternBytes(0, 1))],
      /behind the end/,
    ],
    "data for a call that was made without": [
      () => [messages(request(2, "call", { command: "gate", args: {} })), data(2, 0, 0, patternBytes(0, 1))],
      /takes no standard input/,
    ],
    "data for a call that never was": [() => [data(77, 0, 0, patternBytes(0, 1))], /takes no standard input/],
    "an end for a call that never was": [() => [data(77, 0, 0, Buffer.alloc(0))], /takes no standard input/],
    "data of output": [() => [data(1, 2, 0, patternBytes(0, 1))], /standard input/],
  };

  test.each(Object.entries(cases))("%s", async (_name, [packets, reason]) => {
    const { server, session, slow } = await start();
    await begin(session, 1);
    session.send(...packets());
    expect(await session.goaway()).toMatchObject({ code: "protocol", message: expect.stringMatching(reason) });
    await expectAlive(server);
    slow.open();
  });

  test("more than the window of the connection, over several streams", async () => {
    const { server, session, slow } = await start();
    for (const id of [1, 2, 3]) await begin(session, id);
    for (const id of [1, 2, 3]) {
      for (const at of [0, 5_000]) session.send(data(id, 0, at, patternBytes(at, 5_000)));
    }
    expect(await session.goaway()).toMatchObject({ code: "protocol", message: expect.stringMatching(/window/) });
    await expectAlive(server);
    slow.open();
  });

  test("more data for a run that has ended than was ever granted to it", async () => {
    const { server, session } = await start();
    const { run } = await begin(session, 1);
    session.send(data(1, 0, 0, patternBytes(0, 4_000)), messages(request(2, "cancel", { run })));
    await session.response(1);
    // What may have been on its way is passed over, and counts for no other call.
    session.send(data(1, 0, 4_000, patternBytes(0, 5_000)), data(1, 0, 9_000, patternBytes(0, 1_000)));
    session.send(messages(request(3, "echo", { value: "still here" })));
    expect(await session.response(3)).toMatchObject({ result: { value: "still here" } });
    session.send(data(1, 0, 10_000, patternBytes(0, 1)));
    expect(await session.goaway()).toMatchObject({ code: "protocol", message: expect.stringMatching(/has ended/) });
    await expectAlive(server);
  });
});

test("data on its way to a run that ends breaks no rule, whatever the order, and is granted again", async () => {
  const { session } = await start();
  for (let id = 1; id <= 100; id += 2) {
    const { run } = await begin(session, id);
    // 10,000 bytes each: without grants the connection's window would be used up by the third.
    session.send(
      messages(request(id + 1, "cancel", { run })),
      data(id, 0, 0, patternBytes(0, 5_000)),
      data(id, 0, 5_000, patternBytes(0, 5_000)),
      data(id, 0, 10_000, Buffer.alloc(0)),
    );
    await session.response(id);
    session.send(messages(request(1_000 + id, "ping")), messages(request(2_000 + id, "echo", { value: 1 })));
    await session.response(2_000 + id);
  }
  expect(session.messages.some(({ method }) => method === "goaway")).toBe(false);
});

test("what is wrong in one request is answered, and the session goes on", async () => {
  const { session, slow } = await start();
  session.send(
    messages(
      request(1, "call", { command: "reads", args: {}, stdin: 1 }),
      request(2, "attach", { run: "x", stdin: "yes" }),
      request(3, "call", { command: "gate", args: {} }),
    ),
  );
  for (const id of [1, 2]) {
    expect(await session.response(id)).toMatchObject({ error: { data: { code: "invalid_arguments" } } });
  }
  const { run, stdin } = await started(session, 3);
  expect(stdin).toBeUndefined();
  session.send(messages(request(4, "attach", { run, stdin: true })));
  expect(await session.response(4)).toMatchObject({
    error: { data: { code: "invalid_arguments", status: "rejected" } },
  });
  slow.open();
});

test("an attach is told where input goes on, and a window less what is still unread", async () => {
  const { server, session, slow } = await start();
  const first = await begin(session, 1);
  expect(first).toMatchObject({ stdin: 0, stdinWindow: windowBytes });
  session.send(data(1, 0, 0, patternBytes(0, 4_000)), messages(request(2, "ping")));
  await session.response(2);
  await session.destroy();
  const second = await rawSession(server);
  second.send(messages(request(1, "attach", { run: first["run"], stdin: true })));
  expect(await started(second, 1)).toMatchObject({ run: first["run"], stdin: 4_000, stdinWindow: windowBytes - 4_000 });
  // A third one takes over; the second is no longer heard, and breaks no rule by what it sent before it could know.
  const third = await rawSession(server);
  third.send(messages(request(1, "attach", { run: first["run"], stdin: true })));
  await started(third, 1);
  second.send(data(1, 0, 4_000, patternBytes(0, 5_000)), messages(request(2, "echo", { value: 1 })));
  expect(await second.response(2)).toMatchObject({ result: { value: 1 } });
  third.send(data(1, 0, 4_000, patternBytes(4_000, 1_000)), data(1, 0, 5_000, Buffer.alloc(0)));
  slow.open();
  expect(await third.response(1)).toMatchObject({ result: { value: 5_000 } });
  expect(await second.response(1)).toMatchObject({ result: { value: 5_000 } });
});

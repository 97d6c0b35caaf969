import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { watchForLeaks } from "../../support/leaks.js";
import { gate, originalTasks } from "../../support/commands.js";
import { errorOf, rawPacket, Type } from "../../support/raw-packets.js";
import { startServer, tokens, type TestServer } from "../../support/servers.js";
import { patternBytes, writer } from "../../support/output.js";
import {
  DATA,
  data,
  helloPacket,
  HELLO,
  messages,
  MESSAGES,
  nonce,
  notification,
  packet2,
  rawSession,
  request,
} from "../../support/raw-session.js";

watchForLeaks();

async function start(options: Parameters<typeof startServer>[0] = {}): Promise<TestServer> {
  return startServer({ tokens: false, commands: [...originalTasks, writer().command], ...options });
}

async function expectAlive(server: TestServer): Promise<void> {
  const session = await rawSession(server);
  session.send(messages(request(1, "call", { command: "noargs", args: {} })));
  expect(await session.response(1)).toMatchObject({ result: { value: "ok" } });
  await session.destroy();
}

const repeat = (count: number, make: (index: number) => unknown) => Array.from({ length: count }, (_, i) => make(i));

describe("gets a goaway with its reason, and the server goes on:", () => {
  let server: TestServer;

  const cases: Record<string, { readonly packets: () => Buffer[]; readonly code: string; readonly message: RegExp }> = {
    "a flood of pings": {
      packets: () => [messages(...repeat(20, (i) => request(i + 1, "ping")))],
      code: "busy",
      message: /ping/,
    },
    "a flood of unknown requests": {
      packets: () => [messages(...repeat(150, (i) => request(i + 1, `new${i}`)))],
      code: "busy",
      message: /does not know/,
    },
    "a flood of unknown notifications": {
      packets: () => repeat(150, () => messages(notification("news"))) as Buffer[],
      code: "busy",
      message: /does not know/,
    },
    "a flood of calls and cancels": {
      packets: () =>
        repeat(300, (i) =>
          messages(
            request(2 * i + 1, "call", { command: "sleep", args: { seconds: 9, tag: "" } }),
            request(2 * i + 2, "cancel", { call: 2 * i + 1 }),
          ),
        ) as Buffer[],
      code: "busy",
      message: /cancel/,
    },
    "an id twice": {
      packets: () => [
        messages(...repeat(2, () => request(7, "call", { command: "sleep", args: { seconds: 9, tag: "" } }))),
      ],
      code: "protocol",
      message: /id 7/,
    },
    "data for no stream": {
      packets: () => [data(99, 0, 0, Buffer.from("x"))],
      code: "protocol",
      message: /standard input/,
    },
    "data on a channel of the server": {
      packets: () => [data(1, 1, 0, Buffer.from("x"))],
      code: "protocol",
      message: /standard input/,
    },
    "data on no channel": { packets: () => [data(1, 9, 0, Buffer.from("x"))], code: "protocol", message: /channel/ },
    "data shorter than its header": {
      packets: () => [packet2(DATA, Buffer.alloc(5))],
      code: "protocol",
      message: /header/,
    },
    "a grant beyond the window of the connection": {
      packets: () => [messages(notification("window", { stream: 0, bytes: 1 }))],
      code: "protocol",
      message: /window/,
    },
    "a grant beyond the window of a stream": {
      packets: () => [
        messages(request(1, "call", { command: "sleep", args: { seconds: 9, tag: "" }, output: 0 })),
        messages(notification("window", { stream: 1, bytes: 2 ** 40 })),
      ],
      code: "protocol",
      message: /window/,
    },
    "a grant that is no number": {
      packets: () => [messages(notification("window", { stream: 0, bytes: "all" }))],
      code: "invalid_arguments",
      message: /bytes/,
    },
    "a wrong hash": {
      packets: () => {
        const packet = messages(request(1, "ping"));
        packet[packet.length - 1]! ^= 1;
        return [packet];
      },
      code: "protocol",
      message: /hash/,
    },
    "a type turned by one bit": {
      packets: () => {
        const packet = messages(request(1, "ping"));
        packet[5]! ^= 1;
        return [packet];
      },
      code: "protocol",
      message: /hash/,
    },
    "a second HELLO": { packets: () => [packet2(HELLO, "{}")], code: "protocol", message: /type 7/ },
    "a packet of version 1": { packets: () => [packet2(2, "{}")], code: "protocol", message: /type 2/ },
    "a packet of size 0": { packets: () => [Buffer.alloc(4)], code: "protocol", message: /size 0/ },
    "a packet larger than allowed": {
      packets: () => [Buffer.from([0x7f, 0xff, 0xff, 0xff, 0, 8])],
      code: "",
      message: /./,
    },
    "garbage after HELLO": { packets: () => [patternBytes(7, 5_000)], code: "", message: /./ },
    "no JSON": { packets: () => [packet2(MESSAGES, "[{")], code: "protocol", message: /JSON/ },
    "an empty array": { packets: () => [packet2(MESSAGES, "[]")], code: "protocol", message: /array/ },
    "an object instead of an array": {
      packets: () => [packet2(MESSAGES, JSON.stringify(request(1, "ping")))],
      code: "protocol",
      message: /array/,
    },
    "a message without a method": {
      packets: () => [messages({ jsonrpc: "2.0", id: 1 })],
      code: "protocol",
      message: /JSON-RPC/,
    },
    "an id that is none": { packets: () => [messages(request("one", "ping"))], code: "protocol", message: /id/ },
    "an id of 0": { packets: () => [messages(request(0, "ping"))], code: "protocol", message: /id/ },
  };

  test.each(Object.entries(cases))("%s", async (_name, { packets, code, message }) => {
    server = await start();
    const session = await rawSession(server);
    session.send(...packets());
    const reason = await session.goaway();
    expect(reason).toMatchObject({ message: expect.stringMatching(message) });
    if (code !== "") expect(reason).toMatchObject({ code });
    await session.destroy();
    await expectAlive(server);
  });
});

test("calls beyond the limit of a connection are busy, and those before go on", async () => {
  const slow = gate();
  const server = await start({ commands: [slow.command], limits: { maxCallsInFlight: 3 } });
  const session = await rawSession(server);
  session.send(messages(...repeat(5, (i) => request(i + 1, "call", { command: "gate", args: {} }))));
  for (const id of [4, 5]) {
    expect(await session.response(id)).toMatchObject({ error: { data: { code: "busy", status: "rejected" } } });
  }
  await slow.started(3);
  slow.open();
  for (const id of [1, 2, 3]) expect(await session.response(id)).toMatchObject({ result: { value: "through" } });
});

test("what is wrong in one request is answered, and the session goes on", async () => {
  const server = await start();
  const session = await rawSession(server);
  const wrong = [
    request(1, "call", {}),
    request(2, "call", { command: 7 }),
    request(3, "call", { command: "noargs", timeoutMs: 0 }),
    request(4, "call", { command: "noargs", timeoutMs: "soon" }),
    request(5, "call", { command: "noargs", output: -1 }),
    request(6, "call", { command: "noargs", idempotencyKey: "" }),
    request(7, "call", { command: "noargs", detach: 1 }),
    request(8, "call", { command: "noargs", args: {}, output: 5 }),
    request(9, "attach", {}),
    request(10, "cancel", { run: "x", call: 1 }),
    request(11, "cancel", { call: 77 }),
    request(12, "attach", { run: "no such run" }),
    request(13, "nothing"),
  ];
  session.send(messages(...wrong));
  for (const { id } of wrong)
    expect(await session.response(Number(id))).toMatchObject({ error: { data: { code: expect.any(String) } } });
  session.send(messages(request(20, "call", { command: "noargs", args: {}, newField: 1 })));
  expect(await session.response(20)).toMatchObject({ result: { value: "ok" } });
  expect(session.messages.filter(({ id }) => id !== undefined)).toHaveLength(wrong.length + 1);
});

test("a HELLO that is wrong is an unknown packet, and the conversation goes on in version 1", async () => {
  const server = await start();
  const wrong = [{}, { versions: [2] }, { versions: [3], nonce: nonce() }, { versions: [2], nonce: "short" }, []];
  for (const content of wrong) {
    const peer = await server.raw();
    expect(errorOf(await peer.send(helloPacket(content)).answer())).toBe("protocol: unknown packet type 7");
    const echo = rawPacket(Type.echo, { auth_token: tokens.alice, response: { echo: 1 } });
    expect((await peer.send(echo).answer()).type).toBe(Type.echo);
  }
  await expectAlive(server);
});

test("a peer that grants no output holds at most its window", async () => {
  const { command, state } = writer();
  const server = await start({ commands: [...originalTasks, command], limits: { writeStallTimeoutMs: 60_000 } });
  const session = await rawSession(server);
  session.send(
    messages(request(1, "call", { command: "write", args: { bytes: 50_000_000, piece: 60_000 }, output: 0 })),
  );
  await expect.poll(() => state.written, { interval: 5 }).toBeGreaterThan(256 * 1024);
  await expectAlive(server);
  const outputBytes = session.packets
    .filter(({ type }) => type === DATA)
    .reduce((n, { content }) => n + content.length - 13, 0);
  // No window was granted again, however much the socket would take.
  expect(outputBytes).toBeLessThanOrEqual(256 * 1024);
  expect(state.written).toBeLessThan(600_000);
});

const json = fc.jsonValue({ maxDepth: 3 });
const method = fc.constantFrom(
  "call",
  "attach",
  "cancel",
  "list",
  "runs",
  "ping",
  "authenticate",
  "window",
  "resize",
  "x",
);
const id = fc.oneof(fc.integer({ min: 1, max: 6 }), fc.integer(), json);
const params = fc.oneof(
  json,
  fc.record(
    {
      command: fc.oneof(fc.constantFrom("add", "any", "sleep", "write", "fail"), json),
      args: fc.oneof(fc.constant({ a: 1, b: 2 }), fc.constant({ bytes: 100_000, piece: 9_000 }), json),
      output: fc.oneof(fc.constant(0), json),
      timeoutMs: fc.oneof(fc.integer({ min: 1, max: 50 }), json),
      idempotencyKey: fc.oneof(fc.constant("k"), json),
      run: fc.oneof(fc.constant("r"), json),
      call: fc.oneof(fc.integer({ min: 0, max: 6 }), json),
      stream: fc.oneof(fc.integer({ min: 0, max: 6 }), json),
      terminal: fc.oneof(fc.constant({ rows: 2, columns: 3, term: "xterm" }), json),
      rows: fc.oneof(fc.integer({ min: 0, max: 70_000 }), json),
      columns: fc.oneof(fc.integer({ min: 0, max: 70_000 }), json),
      bytes: fc.oneof(fc.integer({ min: 0, max: 100_000 }), json),
    },
    { requiredKeys: [] },
  ),
);
const message = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ jsonrpc: fc.constant("2.0"), id, method, params }, { requiredKeys: ["jsonrpc"] }),
  },
  { weight: 1, arbitrary: json },
);
const packet = fc.oneof(
  { weight: 6, arbitrary: fc.array(message, { maxLength: 6 }).map((list) => messages(...list)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.integer({ min: 0, max: 10 }), fc.uint8Array({ maxLength: 50 }))
      .map(([type, bytes]) => packet2(type, Buffer.from(bytes))),
  },
);

test("whatever comes after HELLO, the server goes on, and answers no request twice", async () => {
  const server = await start({ limits: { maxRuns: 1_000, callerGraceMs: 10 } });
  await fc.assert(
    fc.asyncProperty(fc.array(packet, { minLength: 1, maxLength: 8 }), async (packets) => {
      const session = await rawSession(server);
      session.send(...packets);
      session.socket.end();
      await session.goaway();
      const asked = packets.length * 6;
      expect(session.messages.filter((answer) => answer["id"] !== undefined).length).toBeLessThanOrEqual(asked);
      await session.destroy();
    }),
    { numRuns: 150 },
  );
  await expectAlive(server);
});

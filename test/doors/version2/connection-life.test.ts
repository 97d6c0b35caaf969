/** What a client does about connections that break: it tells, waits longer and longer, and never says more than it knows. */
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import fc from "fast-check";
import { expect, test } from "vitest";
import { connect, isIscepError, type Client, type ConnectOptions } from "iscep";
import { BackOff } from "#iscep/client/version2/back-off";
import { defaultLimits } from "#iscep/limits/limits";
import { watchForLeaks } from "../../support/leaks.js";
import { later } from "../../support/cleanup.js";
import { gate, originalTasks } from "../../support/commands.js";
import { rawServer, type RawPeer } from "../../support/raw-peer.js";
import { startServer, tokens } from "../../support/servers.js";
import { collect, writer } from "../../support/output.js";
import { HELLO, messages, nonce, notification, packet2, RawSession, recorder } from "../../support/raw-session.js";
import { errorOf } from "../../support/error-of.js";
import { ownPort } from "../../support/own-port.js";
import { until } from "../../support/until.js";

watchForLeaks();

const patience = { limits: { reconnectMinDelayMs: 5, reconnectMaxDelayMs: 50 } };

async function open(url: string, options: ConnectOptions = {}) {
  const client = await connect(url, { token: tokens.alice, ...options });
  later(() => client.close());
  return client;
}

function told(client: Client): string[] {
  const events: string[] = [];
  client.on("reconnecting", (reason) => events.push(`reconnecting: ${isIscepError(reason) ? reason.code : "?"}`));
  client.on("connected", () => events.push("connected"));
  client.on("closed", () => events.push("closed"));
  return events;
}

const limits = { maxPacketBytes: 65_536, maxDataBytes: 4_096, maxCallsInFlight: 8 };
const windows = { streamWindowBytes: 4_096, connectionWindowBytes: 4_096 };

function hello(changes: object = {}): Buffer {
  const content = { version: 2, nonce: nonce(), authentication: "none", limits: { ...limits, ...windows, ...changes } };
  return packet2(HELLO, JSON.stringify(content));
}

/** A server of version 2 by hand: greets, and then does what the test says. */
async function handmade(serve: (session: RawSession, index: number) => void, greeting = hello) {
  const sessions: RawSession[] = [];
  const server = createServer((socket) => {
    const session = new RawSession(socket);
    sessions.push(session);
    socket.once("data", () => {
      session.send(greeting());
      serve(session, sessions.length - 1);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  later(async () => {
    const closed = once(server, "close");
    server.close();
    await Promise.all(sessions.map((session) => session.destroy()));
    await closed;
  });
  return { url: `iscep+tcp://127.0.0.1:${(server.address() as AddressInfo).port}`, sessions };
}

test("a lost connection and its return are told, while something waits for them", async () => {
  const slow = gate();
  const server = await startServer({ commands: [...originalTasks, slow.command] });
  const wire = await recorder(server.port);
  const client = await open(wire.url, patience);
  const events = told(client);
  const quiet = client.on("connected", () => events.push("never"));
  quiet();
  const run = client.run("gate", {});
  await run.id;
  wire.cut();
  expect(await client.echo("there again")).toBe("there again");
  expect(events).toEqual(["reconnecting: lost", "connected"]);
  slow.open();
  expect(await run.outcome).toMatchObject({ status: "completed" });
  await client.close();
  await client.close();
  expect(events).toEqual(["reconnecting: lost", "connected", "closed"]);
});

test("a server that lets in and hangs up at once is asked less and less often", async () => {
  const server = await handmade((session, index) => {
    if (index === 0) {
      const run = "01890a5d-ac96-774b-bcce-b302099a8057";
      void session
        .until(() => session.messages.length > 0)
        .then(() => {
          session.send(messages(notification("started", { call: session.messages[0]?.["id"], run })));
          setTimeout(() => session.socket.end(), 10);
        });
    } else session.socket.end();
  });
  const client = await open(server.url, { limits: { reconnectMinDelayMs: 10, reconnectMaxDelayMs: 1_000 } });
  const run = client.run("any", {});
  await run.id;
  const fromMs = performance.now();
  await until(() => server.sessions.length >= 7);
  // It comes back at once, then after at least half of 10, 20, 40, 80 and 160 ms. Without a pause it would be some milliseconds.
  expect(performance.now() - fromMs).toBeGreaterThan(150);
  await client.close();
  expect(await run.outcome).toMatchObject({ status: "lost" });
});

test("a server that breaks the protocol again and again is left alone after a few tries", async () => {
  const server = await handmade((session) => {
    void session
      .until(() => session.messages.length > 0)
      .then(() => {
        const call = Number(session.messages[0]?.["id"]);
        const run = "01890a5d-ac96-774b-bcce-b302099a8057";
        // First something that is right, as a server would send whose command is at fault.
        session.send(messages(notification("started", { call, run })), data(call, 1, 0), data(call, 1, 9));
      });
  });
  const client = await open(server.url, { limits: { reconnectMinDelayMs: 5, reconnectMaxDelayMs: 20 } });
  const events = told(client);
  expect(await client.run("any", {}).outcome).toMatchObject({ status: "lost", error: { cause: { code: "protocol" } } });
  expect(server.sessions).toHaveLength(3);
  expect(events.filter((event) => event === "reconnecting: protocol")).toHaveLength(2);
  // What its caller asks for anew is tried once.
  expect(await client.run("any", {}).outcome).toMatchObject({ status: "lost" });
  expect(server.sessions).toHaveLength(4);
});

test("the pause before a client comes back grows, and is never longer than it may be", () => {
  const milliseconds = fc.integer({ min: 1, max: 60_000 });
  fc.assert(
    fc.property(milliseconds, milliseconds, fc.integer({ min: 1, max: 40 }), (min, max, times) => {
      const limits = { reconnectMinDelayMs: Math.min(min, max), reconnectMaxDelayMs: max };
      const backOff = new BackOff(limits);
      const delays = Array.from({ length: times }, () => backOff.nextDelayMs());
      expect(delays[0]).toBe(0);
      expect(Math.max(...delays)).toBeLessThanOrEqual(max);
      for (const delayMs of delays.slice(1)) expect(delayMs).toBeGreaterThanOrEqual(limits.reconnectMinDelayMs / 2);
      backOff.reset();
      expect(backOff.nextDelayMs()).toBe(0);
    }),
  );
});

test("a client that is closed while the last output of a run is on its way ends that output", async () => {
  const server = await handmade((session) => {
    void session
      .until(() => session.messages.length > 0)
      .then(() => {
        const id = Number(session.messages[0]?.["id"]);
        session.send(data(id, 1, 0), messages({ jsonrpc: "2.0", id, result: { value: 1, run: "r", output: 2 } }));
      });
  });
  const client = await open(server.url);
  const run = client.run("any", {});
  expect(await run.value).toBe(1);
  const read = errorOf(collect(run));
  await client.close();
  expect(await read).toMatchObject({ code: "lost" });
});

test("a client that is closed while it waits to come back leaves at once", async () => {
  const slow = gate();
  const port = await ownPort();
  const server = await startServer({ port, commands: [slow.command], limits: { callerGraceMs: 10 } });
  const client = await open(server.url, { limits: { reconnectMinDelayMs: 60_000, reconnectMaxDelayMs: 60_000 } });
  const run = client.run("gate", {});
  await run.id;
  await server.server.close({ graceMs: 0 });
  const call = errorOf(client.call("gate", {}));
  expect(await call).toMatchObject({ code: "connect_failed" });
  const startedMs = performance.now();
  await client.close();
  expect(performance.now() - startedMs).toBeLessThan(10_000);
  expect((await run.outcome).status).toMatch(/^(?:lost|cancelled)$/);
});

test("a cancel while the connection is lost reaches the run when it is there again", async () => {
  const slow = gate();
  const server = await startServer({ commands: [slow.command], limits: { callerGraceMs: 60_000 } });
  const wire = await recorder(server.port);
  const client = await open(wire.url, patience);
  const run = client.run("gate", {});
  await run.id;
  client.on("reconnecting", () => run.cancel());
  wire.cut();
  expect(await run.outcome).toMatchObject({ status: "cancelled" });
  expect(slow.state).toMatchObject({ started: 1, aborted: 1 });
});

test("a call with a key that is refused when it is sent again is lost: the first one may have run", async () => {
  const server = await handmade((session, index) => {
    void session
      .until(() => session.messages.length > 0)
      .then(() => {
        if (index === 0) {
          session.socket.end();
          return;
        }
        const { id } = session.messages[0] ?? {};
        const error = { code: -32016, message: "full", data: { code: "busy", status: "rejected" } };
        session.send(messages({ jsonrpc: "2.0", id, error }));
      });
  });
  const client = await open(server.url, patience);
  const run = client.run("any", {}, { idempotencyKey: "k" });
  expect(await run.outcome).toMatchObject({ status: "lost" });
  expect(server.sessions).toHaveLength(2);
});

test.each(["protocol", "invalid_arguments", "too_large"])(
  "a client that is sent away with %s each time does not come back without end",
  async (code) => {
    const server = await handmade((session) => {
      void session
        .until(() => session.messages.length > 0)
        .then(() => {
          const { id } = session.messages[0] ?? {};
          session.send(messages(notification("started", { call: id, run: "r" })));
          session.send(messages(notification("goaway", { code, message: "a wrong size" })));
          session.socket.end();
        });
    });
    const client = await open(server.url, patience);
    const outcome = await client.run("any", {}, { timeoutMs: 40_000 }).outcome;
    expect(outcome).toMatchObject({ status: "lost", error: { message: expect.stringContaining("a wrong size") } });
    expect(server.sessions).toHaveLength(defaultLimits.maxProtocolFaults);
  },
);

test("a client does not fetch without end what is too large for it", async () => {
  const server = await startServer({ commands: originalTasks });
  const wire = await recorder(server.port);
  const client = await open(wire.url, { limits: { ...patience.limits, maxPacketBytes: 65_536 } });
  const outcome = await client.run("big", { n: 100_000 }, { timeoutMs: 40_000 }).outcome;
  expect(outcome).toMatchObject({ status: "lost", error: { message: expect.stringContaining("maxPacketBytes") } });
  expect(wire.connections).toBe(defaultLimits.maxProtocolFaults);
});

test.each(["maxPacketBytes", "maxDataBytes", "maxCallsInFlight", "streamWindowBytes", "connectionWindowBytes"])(
  "a server whose %s is beyond all reason is not believed",
  async (name) => {
    const server = await handmade(
      () => {},
      () => hello({ [name]: 2 ** 40 }),
    );
    expect(await errorOf(connect(server.url))).toMatchObject({ code: "protocol" });
    await server.sessions[0]?.closed;
  },
);

test.each<[string, (id: number) => Buffer[]]>([
  ["a window of nothing", () => [messages(notification("window", { stream: 0 }))]],
  ["a window beyond its size", () => [messages(notification("window", { stream: 0, bytes: 1 }))]],
  [
    "standard input that goes on nowhere",
    (id) => [messages(notification("started", { call: id, run: "r", stdin: -1 }))],
  ],
  [
    "a window of standard input that is larger than it may be",
    (id) => [messages(notification("started", { call: id, run: "r", stdin: 0, stdinWindow: 2 ** 30 }))],
  ],
  ["data of standard input", (id) => [data(id, 0, 0)]],
  ["output that skips", (id) => [data(id, 1, 7)]],
  ["output that comes twice", (id) => [data(id, 1, 0), data(id, 1, 0)]],
])("a server that sends %s is not listened to any further", async (_name, packets) => {
  const server = await handmade((session) => {
    void session
      .until(() => session.messages.length > 0)
      .then(() => {
        session.send(...packets(Number(session.messages[0]?.["id"])));
      });
  });
  const client = await open(server.url, { limits: { reconnectTimeoutMs: 0 } });
  const run = client.run("any", {}, { stdin: "some" });
  await server.sessions[0]?.closed;
  await client.close();
  expect(await run.outcome).toMatchObject({ status: "lost" });
});

function data(stream: number, channel: number, offset: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(stream);
  header[4] = channel;
  header.writeBigUInt64BE(BigInt(offset), 5);
  return packet2(9, Buffer.concat([header, Buffer.from("x")]));
}

test("a list of runs is read with suspicion", async () => {
  const record = { run: "r", command: "c", owner: "o", startedAtMs: 1, status: "running", outputBytes: 0 };
  const lists = [
    {},
    { runs: {} },
    { runs: [1] },
    { runs: [{ ...record, status: "flying" }] },
    { runs: [{ ...record, startedAtMs: "now" }] },
    { runs: [{ ...record, exitCode: "0" }] },
    { runs: [], next: "r" },
    { runs: [record], next: "another" },
    { runs: [record], next: 5 },
  ];
  let list: unknown = { runs: [record], next: "r" };
  const server = await handmade((session) => {
    let answered = 0;
    session.socket.on("data", () => {
      for (; answered < session.messages.length; answered++) {
        session.send(messages({ jsonrpc: "2.0", id: session.messages[answered]?.["id"], result: list }));
      }
    });
  });
  const client = await open(server.url);
  expect(await client.runs()).toEqual({ runs: [record], next: "r" });
  expect(await errorOf(client.runs({ after: "r" }))).toMatchObject({ code: "protocol" });
  for (list of lists) expect(await errorOf(client.runs())).toMatchObject({ code: "protocol" });
});

test("version 1 tells of its connection as well", async () => {
  const peers: RawPeer[] = [];
  const server = await rawServer(async (peer) => {
    peers.push(peer);
    await peer.next();
    await peer.destroy();
  });
  const client = await open(server.url, { protocol: 1 });
  const events = told(client);
  const calls = [client.call("a", {}), client.call("b", {})].map(errorOf);
  expect(await Promise.all(calls)).toMatchObject([{ code: "lost" }, { code: "lost" }]);
  await client.close();
  await Promise.resolve();
  expect(events).toEqual(["reconnecting: lost", "connected", "closed"]);
});

test("output that comes before the run is known, and is sent again from its beginning, is read once", async () => {
  const { command } = writer();
  const server = await startServer({ commands: [command] });
  const wire = await recorder(server.port);
  const client = await open(wire.url, patience);
  const run = client.run("write", { bytes: 300_000, piece: 20_000, pauseMs: 1 }, { idempotencyKey: "k" });
  await run.id;
  wire.cut();
  expect((await collect(run)).all).toHaveLength(300_000);
});

/** A client never breaks a rule of its server by itself, whatever the program does that uses it. */
import { expect, test } from "vitest";
import { defineCommand, defineScript } from "iscep";
import { decodeServerHello, encodeServerHello } from "#iscep/session/version2-hello";
import { defaultLimits } from "#iscep/limits/limits";
import { PacketReader } from "#iscep/wire/packet";
import { watchForLeaks } from "../../support/leaks.js";
import { gate } from "../../support/commands.js";
import { startServer } from "../../support/servers.js";
import { errorOf } from "../../support/error-of.js";
import { packet2 } from "../../support/raw-session.js";

watchForLeaks();

/** JavaScript may give this, whatever the types say. */
function untyped(value: unknown): never {
  return value as never;
}

function hang() {
  const state = { started: 0, aborted: 0 };
  const command = defineCommand({
    name: "hang",
    run: (_args, { signal }) =>
      new Promise((_resolve, reject) => {
        state.started++;
        signal.addEventListener("abort", () => {
          state.aborted++;
          reject(new Error("stopped"));
        });
      }),
  });
  return { command, state };
}

test.each([
  ["its signal", 400, undefined],
  ["its signal, where the server allows few", 30, 4],
])("calls that are aborted at once by %s cost no other call its answer", async (_name, calls, maxEarlyCancels) => {
  const slow = gate();
  const { command, state } = hang();
  const limits = { maxRuns: 1_000, ...(maxEarlyCancels === undefined ? {} : { maxEarlyCancels }) };
  const server = await startServer({ commands: [slow.command, command], limits });
  const client = await server.client();
  const broken: unknown[] = [];
  client.on("reconnecting", (reason) => broken.push(reason));
  const others = Array.from({ length: 12 }, () => client.call("gate", {}));
  const aborted = Array.from({ length: calls }, async () => {
    const controller = new AbortController();
    const call = errorOf(client.call("hang", {}, { signal: controller.signal }));
    // So that it is sent first.
    await new Promise<void>((resolve) => setImmediate(resolve));
    controller.abort();
    return (await call).code;
  });
  expect(new Set(await Promise.all(aborted))).toEqual(new Set(["cancelled"]));
  // What is held back until it is no longer early reaches the server all the same.
  while (state.aborted < state.started || state.started < calls) await client.echo("there");
  expect(state).toEqual({ started: calls, aborted: calls });
  slow.open();
  expect(await Promise.all(others)).toHaveLength(12);
  expect(broken).toEqual([]);
});

test("runs that time out at their client while the server is asked to stop them do not pile up there", async () => {
  const { command, state } = hang();
  const server = await startServer({ commands: [command], limits: { maxCallsInFlight: 4 } });
  const client = await server.client({ limits: { answerGraceMs: 0 } });
  const codes: string[] = [];
  for (let round = 0; round < 20; round++) {
    const controller = new AbortController();
    const calls = Array.from({ length: 4 }, () => errorOf(client.call("hang", {}, { signal: controller.signal })));
    const started = state.started + 4;
    while (state.started < started) await new Promise<void>((resolve) => setImmediate(resolve));
    controller.abort();
    codes.push(...(await Promise.all(calls)).map(({ code }) => code));
  }
  // With a place given away before the server has given it back, some of these would be `busy`.
  expect(new Set(codes)).toEqual(new Set(["cancelled"]));
});

test("a size that no terminal has is not told, and a name that is no text is refused, to the call that has it", async () => {
  const slow = gate();
  const sits = defineScript({ name: "sits", run: ["cat"], terminal: true });
  const server = await startServer({ commands: [slow.command, sits] });
  const client = await server.client();
  const broken: unknown[] = [];
  client.on("reconnecting", (reason) => broken.push(reason));
  const other = client.call("gate", {});
  await slow.started(1);
  let endInput = (): void => {};
  const person = new Promise<string>((resolve) => (endInput = () => resolve("\u0004")));
  async function* typing() {
    yield await person;
  }
  const run = client.run("sits", {}, { stdin: typing(), terminal: { rows: 24, columns: 80 } });
  await run.id;
  const sizes = [0, -1, 1.5, 65_536, Number.NaN, undefined, "24"];
  for (const size of sizes) {
    run.resize(untyped({ rows: size, columns: 80 }));
    run.resize(untyped({ rows: 24, columns: size }));
  }
  for (const wrong of [() => 1, Symbol("no text"), 1]) {
    const name = untyped(wrong);
    const options = [{ idempotencyKey: name }, { traceparent: name }];
    for (const option of options) {
      expect(await errorOf(client.call("gate", {}, option))).toMatchObject({ code: "usage" });
      expect(await client.run("gate", {}, option).outcome).toMatchObject({
        status: "rejected",
        error: { code: "usage" },
      });
    }
    expect(await errorOf(client.call(name, {}))).toMatchObject({ code: "usage" });
    expect(await client.run(name, {}).outcome).toMatchObject({ status: "rejected", error: { code: "usage" } });
  }
  await client.echo("all of this was read");
  endInput();
  expect(await run.outcome).toMatchObject({ status: "completed" });
  slow.open();
  expect(await other).toBe("through");
  expect(broken).toEqual([]);
});

test("output that was discarded before its call was sent holds no command back", async () => {
  const slow = gate();
  let written = (): void => {};
  const isWritten = new Promise<void>((resolve) => (written = resolve));
  const writes = defineCommand({
    name: "writes",
    run: async (_args, { output }) => {
      for (let count = 0; count < 20; count++) await output.write("stdout", "x".repeat(30_000));
      written();
    },
  });
  const limits = { maxCallsInFlight: 1, writeStallTimeoutMs: 600_000 };
  const server = await startServer({ commands: [slow.command, writes], limits });
  const client = await server.client();
  const first = client.call("gate", {});
  await slow.started(1);
  await client.run("writes", {}, { detach: true })[Symbol.asyncDispose]();
  slow.open();
  await first;
  await expect(isWritten).resolves.toBeUndefined();
});

test("a server of before, which says nothing of cancels and pings, is taken to have the defaults", () => {
  const told = {
    version: 2,
    nonce: Buffer.alloc(32).toString("base64url"),
    agent: "",
    authentication: "none",
    limits: {
      maxPacketBytes: 1,
      maxDataBytes: 1,
      maxCallsInFlight: 1,
      streamWindowBytes: 1,
      connectionWindowBytes: 1,
    },
  } as const;
  const reader = new PacketReader(defaultLimits.maxPacketBytes);
  reader.receive(packet2(7, JSON.stringify(told)));
  const packet = reader.next();
  const { maxEarlyCancels, minPingIntervalMs } = defaultLimits;
  expect(packet && decodeServerHello(packet, defaultLimits)).toEqual({
    ...told,
    limits: { ...told.limits, maxEarlyCancels, minPingIntervalMs },
  });
  const own = { ...told, limits: { ...told.limits, maxEarlyCancels: 0, minPingIntervalMs: 0 } };
  reader.receive(encodeServerHello(own));
  const second = reader.next();
  expect(second && decodeServerHello(second, defaultLimits)).toEqual(own);
});

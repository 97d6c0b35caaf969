import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { connect, defineCommand, defineScript, type ConnectOptions } from "iscep";
import { watchForLeaks } from "../../support/leaks.js";
import { later } from "../../support/cleanup.js";
import { gate } from "../../support/commands.js";
import { faultProxy } from "../../support/fault-proxy.js";
import { startServer, tokens } from "../../support/servers.js";
import { collect, patternBytes, writer } from "../../support/output.js";
import { recorder } from "../../support/raw-session.js";
import { errorOf } from "../../support/error-of.js";
import { inTime } from "../../support/in-time.js";
import { until } from "../../support/until.js";

watchForLeaks();

async function open(url: string, options: ConnectOptions = {}) {
  const client = await connect(url, { token: tokens.alice, protocol: 2, ...options });
  later(() => client.close());
  return client;
}

const patience = { limits: { reconnectMinDelayMs: 5, reconnectMaxDelayMs: 50 } };

describe("output is whole, no byte lost or twice,", () => {
  // Before the answer to HELLO is through there is nothing to come back to; it has some 350 bytes.
  test.each([1_000, 5_000, 40_000, 123_457, 299_000, 300_500])(
    "when the connection is cut after %d bytes, and once more later",
    async (cutAt) => {
      const { command } = writer();
      const server = await startServer({ commands: [command] });
      const proxy = await faultProxy(server.port!, (connection) =>
        connection < 2 ? { toClient: { cutAt: cutAt + connection * 50_000, reset: connection === 1 } } : {},
      );
      const client = await open(proxy.url, patience);
      const bytes = 300_000;
      const run = client.run("write", { bytes, piece: 3_000 });
      const { all } = await collect(run);
      expect(all.equals(patternBytes(0, bytes))).toBe(true);
      expect(await run.outcome).toEqual({ status: "completed", value: bytes });
      expect(proxy.connections).toBeGreaterThan(1);
    },
  );

  test("when it is cut while the reader is far behind: windows begin anew", async () => {
    const { command } = writer();
    const bytes = 4 * 1024 * 1024;
    // However long it takes to come back, while the command writes on.
    const server = await startServer({ commands: [command], limits: { maxRetainedOutputBytes: bytes } });
    const wire = await recorder(server.port);
    const client = await open(wire.url, patience);
    const run = client.run("write", { bytes, piece: 50_000, pauseMs: 1 });
    const seen: Uint8Array[] = [];
    let cuts = 0;
    let at = 0;
    for await (const chunk of run.output) {
      expect(chunk.offset).toBe(at);
      at += chunk.bytes.length;
      seen.push(chunk.bytes);
      if (cuts < 3 && at > (cuts + 1) * 500_000) {
        cuts++;
        await sleep(20);
        wire.cut();
        await sleep(20);
      }
    }
    expect(Buffer.concat(seen).equals(patternBytes(0, bytes))).toBe(true);
    expect(wire.connections).toBe(cuts + 1);
    expect(await run.value).toBe(bytes);
  });
});

test("a plain call whose command speaks comes back for its answer alone", async () => {
  const held = gate();
  const speaks = defineCommand({
    name: "speaks",
    run: async (_args, context) => {
      void context.output.write("stdout", patternBytes(0, 1_000_000));
      await held.command.run({}, context);
      void context.output.write("stdout", patternBytes(0, 1_000_000));
      return "spoken";
    },
  });
  const server = await startServer({ commands: [speaks] });
  const wire = await recorder(server.port);
  const client = await open(wire.url, patience);
  const call = client.call("speaks", {});
  await held.started(1);
  await client.ping();
  wire.cut();
  await client.ping();
  held.open();
  expect(await call).toBe("spoken");
  expect(wire.connections).toBe(2);
});

test("the run of a vanished caller is cancelled after the grace", async () => {
  const slow = gate();
  const server = await startServer({ commands: [slow.command], limits: { callerGraceMs: 60 } });
  const client = await open(server.url);
  const run = client.run("gate", {});
  await run.id;
  const startedMs = performance.now();
  await client.close();
  await expect.poll(() => slow.state.aborted, { interval: 5 }).toBe(1);
  expect(performance.now() - startedMs).toBeGreaterThan(45);
  const again = await open(server.url);
  expect(await again.attach(await run.id).outcome).toMatchObject({ status: "cancelled" });
});

test("a caller whose standard input was taken over is told, and does not take it back when it comes back", async () => {
  const copy = defineScript({ name: "copy", stdin: true, run: ["cat"] });
  const server = await startServer({ commands: [copy] });
  const wire = await recorder(server.port);
  const told: unknown[] = [];
  const over = Promise.resolve({ done: true, value: undefined } as const);
  const silent: AsyncIterator<Uint8Array, undefined> = {
    next: () => new Promise(() => {}),
    throw(error: unknown) {
      told.push(error);
      return over;
    },
    return: () => over,
  };
  const client = await open(wire.url, patience);
  const first = client.run("copy", {}, { idempotencyKey: "k", stdin: { [Symbol.asyncIterator]: () => silent } });
  await first.id;
  let goOn = (): void => {};
  const cameBack = new Promise<void>((resolve) => (goOn = resolve));
  const taker = (await open(server.url)).run(
    "copy",
    {},
    {
      idempotencyKey: "k",
      stdin: (async function* () {
        await cameBack;
        yield "mine";
      })(),
    },
  );
  await until(() => told.length > 0, "nobody says it");
  expect(told).toMatchObject([{ message: expect.stringContaining("another caller has taken over") as string }]);
  wire.cut();
  await client.ping();
  goOn();
  expect(await taker.value).toMatchObject({ stdout: "mine" });
  expect(await first.value).toMatchObject({ stdout: "mine" });
});

test("a caller that comes back within the grace has its run again", async () => {
  const vanished = gate("vanished");
  const callerGraceMs = 1_000;
  const { slow, server, run, call } = await inTime(callerGraceMs, async (from) => {
    const slow = gate();
    const server = await startServer({ commands: [slow.command, vanished.command], limits: { callerGraceMs } });
    const wire = await recorder(server.port);
    const client = await open(wire.url, patience);
    const run = client.run("gate", { tag: "same run" });
    const call = client.call("gate", { tag: "call" });
    call.catch(() => {});
    await run.id;
    await client.ping();
    from();
    for (let count = 0; count < 2; count++) {
      wire.cut();
      await client.ping();
    }
    return { slow, server, run, call };
  });
  // The grace of a caller who leaves now ends later than that of the connections that were cut.
  const other = await open(server.url);
  await other.run("vanished", {}).id;
  await other.close();
  await until(() => vanished.state.aborted === 1);
  expect(slow.state).toMatchObject({ started: 2, aborted: 0 });
  slow.open();
  expect(await run.value).toBe("same run");
  expect(await call).toBe("call");
});

test("detach: the run goes on without its client", async () => {
  const slow = gate();
  const server = await startServer({ commands: [slow.command], limits: { callerGraceMs: 20 } });
  const client = await open(server.url);
  const run = client.run("gate", { tag: "alone" }, { detach: true });
  const id = await run.id;
  await client.close();
  await sleep(80);
  expect(slow.state.aborted).toBe(0);
  const other = await open(server.url);
  const attached = other.attach(id);
  await attached.id;
  slow.open();
  expect(await attached.value).toBe("alone");
});

test.each([
  ["with", {}],
  ["without", { output: false }],
])(
  "a detached call %s output that is cancelled after a reconnection stops, unless another wants it",
  async (_, how) => {
    for (const isWanted of [false, true]) {
      const slow = gate();
      const server = await startServer({ commands: [slow.command] });
      const proxy = await faultProxy(server.port!);
      const client = await open(proxy.url, patience);
      const run = client.run("gate", {}, { detach: true, ...how });
      const id = await run.id;
      const attached = isWanted ? (await open(server.url)).attach(id) : undefined;
      await attached?.id;
      proxy.cut();
      await until(() => proxy.connections === 2);
      await client.list();
      run.cancel();
      expect(await run.outcome).toMatchObject({
        status: "cancelled",
        error: { message: isWanted ? expect.stringMatching(/goes on/) : expect.not.stringMatching(/goes on/) },
      });
      expect(slow.state.aborted).toBe(isWanted ? 0 : 1);
      slow.open();
      if (isWanted) expect(await attached?.value).toBe("through");
    }
  },
);

test("a call without key whose connection breaks before it is known to have begun is lost, and sent once", async () => {
  const noted: number[] = [];
  const note = defineCommand({
    name: "note",
    args: z.object({ number: z.int() }),
    run: ({ number }) => noted.push(number),
  });
  const server = await startServer({ commands: [note] });
  const proxy = await faultProxy(server.port!, (connection) => (connection === 0 ? { toClient: { cutAt: 700 } } : {}));
  const client = await open(proxy.url, patience);
  // The answers of some of these pass, then comes the cut.
  const calls = Array.from({ length: 20 }, (_, number) => client.call("note", { number }));
  const settled = await Promise.allSettled(calls);
  const lost = settled.filter(({ status }) => status === "rejected");
  expect(lost.length).toBeGreaterThan(0);
  for (const call of lost) expect(call).toMatchObject({ reason: { code: "lost" } });
  await server.logged();
  // On a busy machine the server may see the end before it has begun all of them.
  expect(noted.length).toBeGreaterThanOrEqual(20 - lost.length);
  expect(new Set(noted).size).toBe(noted.length);
});

test("with a key it is sent again, and runs once", async () => {
  const server = await startServer();
  const proxy = await faultProxy(server.port!, (connection) => (connection === 0 ? { toClient: { cutAt: 700 } } : {}));
  const client = await open(proxy.url, patience);
  const calls = Array.from({ length: 20 }, (_, index) =>
    client.call("add", { a: index, b: 1 }, { idempotencyKey: `add ${index}` }),
  );
  expect(await Promise.all(calls)).toEqual(calls.map((_, index) => index + 1));
  const lines = (await server.logged()).split("\n").filter((line) => line.includes('"command":"add"'));
  // One at the start and one at the end of each run that is kept.
  expect(lines.filter((line) => line.includes('"status":"running"'))).toHaveLength(20);
  expect(lines.filter((line) => line.includes('"status":"completed"'))).toHaveLength(20);
});

test("a run whose output is gone when its caller comes back is lost, and never called rejected", async () => {
  const { command, state } = writer();
  const server = await startServer({ commands: [command], limits: { maxRetainedOutputBytes: 10_000 } });
  const proxy = await faultProxy(server.port!, (connection) => {
    if (connection === 0) return { toClient: { cutAt: 30_000 } };
    // It comes back when far more was written than windows allow. So the server has seen its reader go, and keeps nothing for it.
    return state.written < 2_000_000 ? { toServer: { cutAt: 0 } } : {};
  });
  const client = await open(proxy.url, patience);
  const run = client.run("write", { bytes: 3_000_000, piece: 50_000, pauseMs: 0 });
  expect(await errorOf(collect(run))).toMatchObject({ code: "lost" });
  expect(await run.outcome).toMatchObject({ status: "lost" });
});

test("a run whose caller's patience ends while nobody can be asked is lost, and not one that its timeout stopped", async () => {
  const slow = gate();
  const server = await startServer({ commands: [slow.command] });
  // The timeout must not be over before the connection is.
  const timeoutMs = 1_000;
  const run = await inTime(timeoutMs, async () => {
    const proxy = await faultProxy(server.port!);
    const client = await open(proxy.url, { limits: { answerGraceMs: 10, reconnectMinDelayMs: 5 } });
    const begun = client.run("gate", {}, { detach: true, timeoutMs });
    await begun.id;
    proxy.harm = { toServer: { cutAt: 0 } };
    proxy.cut();
    return begun;
  });
  expect(await run.outcome).toMatchObject({ status: "lost", error: { code: "lost" } });
  slow.open();
});

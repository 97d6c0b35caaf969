import { setTimeout as sleep } from "node:timers/promises";
import { createServer, connect as connectSocket } from "node:net";
import { once } from "node:events";
import { threadId } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { connect } from "iscep";
import type { FunctionCommand } from "#iscep/model/command";
import { IscepError } from "#iscep/errors";
import { noInput, RunInput } from "#iscep/runs/streams/input";
import { createRunId } from "#iscep/runs/run/run-id";
import { ThreadPool } from "#iscep/runs/thread/pool";
import { watchForLeaks } from "../support/leaks.js";
import { rounds } from "../support/rounds.js";
import { later } from "../support/cleanup.js";
import * as commands from "./modules/commands.mjs";
import { begins } from "./modules/slow-to-load.mjs";
import { until } from "../support/until.js";

watchForLeaks();

const identity = { owner: "alice", tokenId: "t1" };

function openPool(maxThreads = 4, killGraceMs = 50): ThreadPool {
  const pool = new ThreadPool({ maxThreads, killGraceMs });
  later(() => pool.close(0));
  return pool;
}

/** Nobody listens to what the command writes, nor sends anything. */
const unheard = { output: { write: () => undefined }, progress: () => {}, stdin: noInput };

async function run(
  pool: ThreadPool,
  command: FunctionCommand,
  args: unknown = {},
  signal = new AbortController().signal,
): Promise<unknown> {
  const json = await pool.run(command, args, { runId: createRunId(), identity, signal, ...unheard });
  return json?.parse();
}

async function thrownBy(promise: Promise<unknown>): Promise<Error> {
  const thrown: unknown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(thrown instanceof Error)) throw new Error(`no error was thrown, but ${String(thrown)}`);
  return thrown;
}

/** [how many have begun, whether they may go on] */
function gate(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(8));
}

function begun(shared: Int32Array, count: number): Promise<void> {
  return until(() => Atomics.load(shared, 0) === count, `fewer than ${count} have begun`);
}

function letGo(shared: Int32Array): void {
  Atomics.store(shared, 1, 1);
  Atomics.notify(shared, 1);
}

test("a command runs in another thread, with its arguments and context", async () => {
  const runId = createRunId();
  const signal = new AbortController().signal;
  const result = await openPool().run(commands.echo, { a: [1, null, "ä"] }, { runId, identity, signal, ...unheard });
  expect(result?.parse()).toMatchObject({ args: { a: [1, null, "ä"] }, runId, identity, aborted: false });
  expect(result?.parse()).not.toHaveProperty("threadId", threadId);
});

test("four that block hold up neither each other nor the event loop", async () => {
  const pool = openPool(4);
  const shared = gate();
  let done = 0;
  const results = Promise.all(
    [1, 2, 3, 4].map(async () => {
      const result = await run(pool, commands.block, { gate: shared });
      done++;
      return result;
    }),
  );
  await begun(shared, 4);

  const server = createServer((socket) => socket.pipe(socket)).listen(0, "127.0.0.1");
  later(() => new Promise((resolve) => server.close(resolve)));
  await once(server, "listening");
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("no port");
  const socket = connectSocket(address.port, "127.0.0.1");
  later(() => socket.destroy());
  for (let n = 0; n < 100; n++) {
    socket.write(`${n}`);
    expect(String((await once(socket, "data"))[0])).toBe(`${n}`);
  }
  expect(done).toBe(0);

  letGo(shared);
  expect(new Set(await results).size).toBe(4);
});

test("the fifth takes a thread that another has left", async () => {
  const pool = openPool(1);
  const shared = gate();
  const first = run(pool, commands.block, { gate: shared });
  const second = run(pool, commands.block, { gate: shared });
  await begun(shared, 1);
  letGo(shared);
  expect(await second).toBe(await first);
  expect(Atomics.load(shared, 0)).toBe(2);
});

describe("what ends a thread", () => {
  test("an abort, even in an endless loop; the next call has another thread", async () => {
    const pool = openPool(1);
    for (const reason of [new IscepError("timeout", "late"), new IscepError("cancelled", "enough")]) {
      const shared = gate();
      const controller = new AbortController();
      const ended = thrownBy(run(pool, commands.spin, { gate: shared }, controller.signal));
      await begun(shared, 1);
      controller.abort(reason);
      expect(await ended).toBe(reason);
      expect(await run(pool, commands.plain)).toStrictEqual([null, true, 1.5, "x", { a: [] }]);
    }
  });

  test("an abort is the command's own signal first; it may clean up, and its thread lives on", async () => {
    const pool = openPool(1, 600_000);
    const { threadId: before } = Object(await run(pool, commands.echo));
    const shared = gate();
    const controller = new AbortController();
    const reason = new IscepError("cancelled", "enough");
    const ended = thrownBy(run(pool, commands.polite, { gate: shared }, controller.signal));
    await begun(shared, 1);
    controller.abort(reason);
    expect(await ended).toBe(reason);
    // It has cleaned up, and seen why.
    expect(Atomics.load(shared, 1)).toBe(1);
    expect(await run(pool, commands.echo)).toMatchObject({ threadId: before });
  });

  test("an abort before it began", async () => {
    const pool = openPool(1);
    const reason = new IscepError("cancelled", "at once");
    expect(await thrownBy(run(pool, commands.echo, {}, AbortSignal.abort(reason)))).toBe(reason);
    const controller = new AbortController();
    // If this thread stands still meanwhile, the command has begun, and spins until its own thread is stopped.
    const starting = thrownBy(run(pool, commands.spin, { gate: gate() }, controller.signal));
    setImmediate(() => controller.abort(reason));
    expect(await starting).toBe(reason);
  });

  test("an abort of one leaves the others", async () => {
    const pool = openPool(2);
    const shared = gate();
    const other = run(pool, commands.block, { gate: shared });
    const controller = new AbortController();
    const ended = thrownBy(run(pool, commands.spin, { gate: shared }, controller.signal));
    await begun(shared, 2);
    controller.abort(new IscepError("cancelled"));
    await ended;
    letGo(shared);
    expect(await other).toEqual(expect.any(Number));
  });

  test.each([
    ["process.exit", commands.leave],
    ["an exception that nobody catches", commands.crash],
  ])("%s in a command; the next call has another thread", async (_what, command) => {
    const pool = openPool(1);
    const error = await thrownBy(run(pool, command));
    expect(error).toMatchObject({ name: "IscepError", code: "killed" });
    expect(error.message).toContain(`"${command.name}"`);
    expect(error.cause).toBeInstanceOf(Error);
    expect(await run(pool, commands.plain)).toHaveLength(5);
  });

  test("a close ends what runs, and lets nothing more begin", async () => {
    const pool = openPool(2);
    const shared = gate();
    const ended = thrownBy(run(pool, commands.spin, { gate: shared }));
    await begun(shared, 1);
    await pool.close(0);
    expect(await ended).toMatchObject({ code: "cancelled" });
    expect(await thrownBy(run(pool, commands.plain))).toMatchObject({ code: "closed" });
    await pool.close(0);
  });

  test("a close waits for what runs as long as it was told", async () => {
    const pool = openPool(1);
    const shared = gate();
    const ended = run(pool, commands.block, { gate: shared });
    await begun(shared, 1);
    const closed = pool.close(60_000);
    letGo(shared);
    expect(await ended).toEqual(expect.any(Number));
    await closed;
  });
});

describe("standard input of a command in a thread", () => {
  test("comes whole, and no faster than the command reads it", async () => {
    const input = new RunInput();
    let consumed = 0;
    input.onConsumed((bytes) => (consumed += bytes));
    const pieces = Array.from({ length: 50 }, (_, n) => Buffer.alloc(2_000, n));
    for (const piece of pieces) input.write(piece);
    input.end();
    const shared = gate();
    const ended = openPool(1).run(
      commands.readSlowly,
      { gate: shared },
      { runId: createRunId(), identity, signal: new AbortController().signal, ...unheard, stdin: input },
    );
    await begun(shared, 1);
    // It has asked for one piece, and has not gone on.
    expect(consumed).toBe(2_000);
    letGo(shared);
    expect((await ended)?.parse()).toBe(Buffer.concat(pieces).toString("latin1"));
    expect(consumed).toBe(100_000);
  });

  test("that broke off throws what it broke off with, and is no end", async () => {
    const input = new RunInput();
    input.write(Buffer.from("half"));
    input.fail(new IscepError("lost", "the caller has gone"));
    const error = await thrownBy(
      openPool(1).run(
        commands.readSlowly,
        { gate: undefined },
        { runId: createRunId(), identity, signal: new AbortController().signal, ...unheard, stdin: input },
      ),
    );
    expect(error).toMatchObject({ code: "lost", message: "the caller has gone" });
  });

  test("is empty where none is sent", async () => {
    expect(await run(openPool(1), commands.readSlowly, { gate: undefined })).toHaveLength(0);
  });
});

describe("what a command throws", () => {
  test("an error comes with name, message, code, stack and cause", async () => {
    const error = await thrownBy(run(openPool(), commands.fail));
    expect(error).toMatchObject({
      name: "RangeError",
      message: "too far",
      code: "EFAR",
      cause: { message: "the cause" },
    });
    expect(error.stack).toContain("commands.mjs");
  });

  test("an IscepError keeps its code and details", async () => {
    const error = await thrownBy(run(openPool(), commands.refuse));
    expect(error).toBeInstanceOf(IscepError);
    expect(error).toMatchObject({
      code: "invalid_arguments",
      message: "not this one",
      details: { name: "a" },
      cause: { message: "inner" },
    });
  });

  test("a circle of causes ends", async () => {
    expect((await thrownBy(run(openPool(), commands.circle))).message).toBe("round");
  });

  test("what is no error comes as text", async () => {
    const pool = openPool();
    await expect(run(pool, commands.text)).rejects.toBe("only a text");
    await expect(run(pool, commands.strange)).rejects.toBe("something that has no text");
  });

  test("a result that is no JSON and arguments that cannot be copied are told as such, and the thread lives on", async () => {
    const pool = openPool(1);
    const { threadId: before } = Object(await run(pool, commands.echo));
    const error = await thrownBy(run(pool, commands.func));
    expect(error).toMatchObject({ code: "failed" });
    expect(error.message).toBe(
      "the command ran, and its result could not be sent: result.call: a function has no form in JSON",
    );
    expect(await thrownBy(run(pool, commands.echo, { a: () => 1 }))).toMatchObject({ code: "failed" });
    expect(await run(pool, commands.echo)).toMatchObject({ threadId: before });
  });
});

describe("modules", () => {
  test("of TypeScript", async () => {
    const { typed } = await import("./modules/typed.js");
    const threadModule = new URL("modules/typed.ts", import.meta.url).href;
    expect(await run(openPool(), { ...typed, threadModule })).toStrictEqual({ x: 1, y: 2 });
  });

  test("that start a server at their top level, which only the main thread does", async () => {
    const { afterListening, server, url } = await import("./modules/with-server.mjs");
    later(() => server.close());
    const client = await connect(url);
    later(() => client.close());
    expect(await client.call("answer")).toBe(42);
    expect(await client.call("answer")).toBe(42);

    const pool = openPool(1);
    for (const _time of ["first", "second"]) {
      const error = await thrownBy(run(pool, afterListening));
      expect(error).toMatchObject({ code: "configuration" });
      expect(error.message).toMatch(/"after_listening".*with-server\.mjs.*before the module starts a server/);
    }
  });

  test("that take a while to load are waited for", async () => {
    const { slow } = await import("./modules/slow.mjs");
    expect(await run(openPool(), slow)).toBe("loaded");
  });

  test("that do not define the command at their top level", async () => {
    const { make } = await import("./modules/hidden.mjs");
    const error = await thrownBy(run(openPool(), make()));
    expect(error).toMatchObject({ code: "configuration" });
    expect(error.message).toMatch(/"hidden".*hidden\.mjs.*top level/);
  });

  test("that do not load in a thread, at the first call and the next", async () => {
    const { broken } = await import("./modules/broken.mjs");
    const pool = openPool(1);
    for (const _time of ["first", "second"]) {
      const error = await thrownBy(run(pool, broken));
      expect(error).toMatchObject({ code: "configuration" });
      expect(error.message).toMatch(/"broken".*broken\.mjs.*not in a thread/);
    }
  });
});

test("a thread that is left at any moment of its start leaves no file open", async () => {
  const pool = openPool(4, 100);
  const times = rounds(8, 20, 80);
  for (let leftAfterMs = 0; leftAfterMs < 80; leftAfterMs += 80 / times) {
    const controller = new AbortController();
    // On a fast machine the command has begun by then, and spins until its thread is stopped.
    const running = thrownBy(run(pool, commands.spin, { gate: gate() }, controller.signal));
    await sleep(leftAfterMs);
    controller.abort(new IscepError("cancelled", "left"));
    expect(await running).toMatchObject({ code: "cancelled" });
  }
});

test("a call that is left while its thread loads the command's module never begins", async () => {
  const pool = openPool(1, 100);
  const shared = gate();
  const channel = new BroadcastChannel("slow-to-load");
  const loading = new Promise((resolve) => channel.addEventListener("message", resolve, { once: true }));
  const controller = new AbortController();
  const ended = thrownBy(run(pool, begins, { gate: shared }, controller.signal));
  await loading;
  const reason = new IscepError("timeout", "late");
  controller.abort(reason);
  channel.postMessage("go on");
  expect(await ended).toBe(reason);
  channel.close();
  expect(Atomics.load(shared, 0)).toBe(0);
});

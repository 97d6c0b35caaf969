/** Commands with a limit of their own, over real connections, with functions, threads and processes. */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { defineCommand, defineScript, type Command, type ConcurrencyDefinition } from "iscep";
import type { RunHandle } from "#iscep/client/protocol/run-handle";
import { gate } from "../../support/commands.js";
import { inTime } from "../../support/in-time.js";
import { watchForLeaks } from "../../support/leaks.js";
import { logLines, startServer, tokens, type TestServerOptions } from "../../support/servers.js";
import { collect } from "../../support/output.js";
import * as threadCommands from "./modules/thread-commands.mjs";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { errorOf } from "../../support/error-of.js";

watchForLeaks();

type Work = { readonly world: string; readonly note: string };

/** A backup that says so, and waits until the test lets it go; several of one world at once would show. */
function backup(concurrency: ConcurrencyDefinition<Work>) {
  const open = new Map<string, () => void>();
  const begun: string[] = [];
  const listeners: (() => void)[] = [];
  const reasons: string[] = [];
  const command = defineCommand({
    name: "back_up",
    args: z.object({ world: z.string(), note: z.string().default("") }),
    concurrency,
    run: async ({ world, note }, { output, progress, signal }) => {
      const id = `${world}${note}`;
      begun.push(id);
      for (const listener of listeners.splice(0)) listener();
      await output.write("stdout", `packing ${id}\n`);
      progress(0.5, "packing");
      await new Promise<void>((resolve, reject) => {
        open.set(id, resolve);
        const stop = () => {
          reasons.push((signal.reason as Error).message);
          reject(signal.reason as Error);
        };
        if (signal.aborted) stop();
        else signal.addEventListener("abort", stop);
      });
      await output.write("stderr", "done\n");
      return id;
    },
  });
  return {
    command,
    begun,
    reasons,
    end: (id: string) => open.get(id)?.(),
    async whenBegun(count: number): Promise<void> {
      while (begun.length < count) await new Promise<void>((resolve) => listeners.push(resolve));
    },
  };
}

async function serve(command: Command, limits: TestServerOptions["limits"] = {}) {
  const server = await startServer({ commands: [command], limits: { queuePositionIntervalMs: 10, ...limits } });
  return { server, client: await server.client({ protocol: 2 }) };
}

/** The positions that a call was told, and a wait for one of them. */
function positionsOf(run: RunHandle) {
  const told: number[] = [];
  const waiting: (() => void)[] = [];
  run.onQueued((position) => {
    told.push(position);
    for (const look of waiting.splice(0)) look();
  });
  return {
    told,
    async until(position: number): Promise<void> {
      while (!told.includes(position)) await new Promise<void>((resolve) => waiting.push(resolve));
    },
  };
}

test("queue: one backup a world at a time, and who waits is told its position in the queue", async () => {
  const { command, begun, end, whenBegun } = backup({ limit: 1, key: "{world}" });
  const { client } = await serve(command);
  const runs = ["1", "2", "3"].map((note) => client.run("back_up", { world: "nether", note }));
  const positions = runs.map(positionsOf);
  const other = client.run("back_up", { world: "end" });
  await whenBegun(2);
  await positions[2]?.until(2);
  expect(begun).toEqual(["nether1", "end"]);
  end("end");
  expect(await other.value).toBe("end");
  end("nether1");
  await whenBegun(3);
  await positions[2]?.until(1);
  end("nether2");
  await whenBegun(4);
  end("nether3");
  expect(await Promise.all(runs.map(({ value }) => value))).toEqual(["nether1", "nether2", "nether3"]);
  expect(positions.map(({ told }) => told)).toEqual([[], [1, 0], [2, 1, 0]]);
});

test("the position is told where the server itself is full, too", async () => {
  const { command, end, whenBegun } = backup({ limit: 8 });
  const { client } = await serve(command, { maxRuns: 1 });
  const runs = ["1", "2"].map((note) => client.run("back_up", { world: "end", note }));
  const positions = runs.map(positionsOf);
  await positions[1]?.until(1);
  end("end1");
  await whenBegun(2);
  end("end2");
  await Promise.all(runs.map(({ value }) => value));
  expect(positions.map(({ told }) => told)).toEqual([[], [1, 0]]);
});

test("queue: more than may wait are busy; the timeout counts from the call; a cancel leaves the queue", async () => {
  const { command, begun, end, whenBegun } = backup({ limit: 1, maxQueued: 2 });
  const { client } = await serve(command);
  const first = client.run("back_up", { world: "end" });
  const [cancelled, patient] = ["cancelled", "patient"].map((world) => client.run("back_up", { world }));
  await positionsOf(patient as RunHandle).until(2);
  const refused = await errorOf(client.call("back_up", { world: "refused" }));
  expect(refused).toMatchObject({
    code: "busy",
    message: expect.stringMatching(/at most 1 at once .* at most 2 wait/),
  });
  cancelled?.cancel();
  expect(await cancelled?.outcome).toMatchObject({ status: "cancelled" });
  const late = client.run("back_up", { world: "late" }, { timeoutMs: 50 });
  expect(await late.outcome).toMatchObject({ status: "timeout" });
  end("end");
  await whenBegun(2);
  end("patient");
  expect([await first.value, await patient?.value]).toEqual(["end", "patient"]);
  expect(begun).toEqual(["end", "patient"]);
});

test("reject: busy at once, and not a word of who runs it", async () => {
  const { command, end, whenBegun } = backup({ limit: 1, key: "{world}", whenFull: "reject" });
  const { server, client } = await serve(command);
  const bob = await server.client({ token: tokens.bob });
  const first = client.run("back_up", { world: "end", note: "of alice" });
  await whenBegun(1);
  const error = await errorOf(bob.call("back_up", { world: "end" }));
  expect(error).toMatchObject({ code: "busy", message: expect.stringContaining("at most 1 at once") });
  expect(JSON.stringify([error, error.message])).not.toMatch(/alice|end|[0-9a-f]{8}-/);
  end("endof alice");
  await first.value;
});

test("replace: the running one is cancelled and told why, and the newer one begins when it has ended", async () => {
  const { command, begun, reasons, end, whenBegun } = backup({ limit: 1, key: "{world}", whenFull: "replace" });
  const { client } = await serve(command);
  const runs = ["1", "2", "3"].map((note) => client.run("back_up", { world: "end", note }));
  await whenBegun(2);
  expect(begun).toEqual(["end1", "end3"]);
  for (const run of runs.slice(0, 2)) {
    expect(await run.outcome).toMatchObject({
      status: "cancelled",
      error: { message: expect.stringContaining("a newer call of this command took its place") },
    });
  }
  expect(reasons).toHaveLength(1);
  end("end3");
  expect(await runs[2]?.value).toBe("end3");
});

test("replace: a program that ignores TERM has ended before the newer one begins", async () => {
  const folder = temporaryFolder();
  const file = path.join(folder, "log");
  const code = `
    const { appendFileSync } = require("node:fs");
    const write = (word) => appendFileSync(${JSON.stringify(file)}, word + " " + process.argv[2] + "\\n");
    process.on("SIGTERM", () => setTimeout(() => { write("end"); process.exit(0); }, 150));
    write("begin");
    if (process.argv[2] === "two") { write("end"); process.exit(0); }
    setInterval(() => {}, 1000);`;
  const program = path.join(folder, "watch.cjs");
  writeFileSync(program, code);
  const command = defineScript({
    name: "watch",
    run: [process.execPath, program, "{name}"],
    args: { name: { type: "string" } },
    concurrency: { limit: 1, whenFull: "replace" },
  });
  const { client } = await serve(command, { killGraceMs: 60_000 });
  const first = client.run("watch", { name: "one" });
  while (!existsSync(file)) await sleep(5);
  const second = client.run("watch", { name: "two" });
  expect(await second.outcome).toMatchObject({ status: "completed" });
  expect(await first.outcome).toMatchObject({ status: "cancelled" });
  expect(readFileSync(file, "utf8")).toBe("begin one\nend one\nbegin two\nend two\n");
});

describe("join:", () => {
  const joining = { limit: 1, key: "{world}", whenFull: "join" } as const;

  test("the second caller gets output, progress and outcome of the first run, and nothing runs twice", async () => {
    const { command, begun, end, whenBegun } = backup(joining);
    const { server, client } = await serve(command);
    const first = client.run("back_up", { world: "end" });
    await whenBegun(1);
    const again = await server.client({ protocol: 2 });
    const second = again.run("back_up", { world: "end" });
    const original = await server.client({ protocol: 1 });
    const third = original.call("back_up", { world: "end" });
    const outputs = [collect(first), collect(second)];
    await second.id;
    await again.ping();
    end("end");
    expect(await Promise.all([first.value, second.value, third])).toEqual(["end", "end", "end"]);
    for (const { stdout, stderr } of await Promise.all(outputs)) {
      expect([String(stdout), String(stderr)]).toEqual(["packing end\n", "done\n"]);
    }
    expect(await second.id).not.toBe(await first.id);
    expect(begun).toEqual(["end"]);
    const lines = logLines(await server.logged()).filter((line) => line["command"] === "back_up");
    expect(lines.filter((line) => line["status"] === "completed")).toHaveLength(3);
  });

  test("another owner, other arguments, or a first one that is being cancelled: it waits instead", async () => {
    const { command, begun, end, whenBegun } = backup(joining);
    const { server, client } = await serve(command);
    const bob = await server.client({ protocol: 2, token: tokens.bob });
    const first = client.run("back_up", { world: "end" });
    await whenBegun(1);
    const ofBob = bob.run("back_up", { world: "end" });
    await positionsOf(ofBob).until(1);
    const others = [ofBob, client.run("back_up", { world: "end", note: "x" })];
    await positionsOf(others[1] as RunHandle).until(2);
    const sawOutput: string[] = [];
    void (async () => {
      for await (const { bytes } of others[0]?.output ?? []) sawOutput.push(Buffer.from(bytes).toString());
    })();
    end("end");
    expect(await first.value).toBe("end");
    await whenBegun(2);
    expect(sawOutput.join("")).not.toContain("done");
    end("end");
    await whenBegun(3);
    end("endx");
    expect(await Promise.all(others.map(({ value }) => value))).toEqual(["end", "endx"]);
    expect(begun).toEqual(["end", "end", "endx"]);
  });

  test("who joined may leave alone, and keeps the run alive when its first caller goes", async () => {
    const { command, begun, end, whenBegun } = backup(joining);
    const { server } = await serve(command, { callerGraceMs: 20 });
    const [one, two, three] = await Promise.all([1, 2, 3].map(() => server.client({ protocol: 2 })));
    const first = one?.run("back_up", { world: "end" });
    await whenBegun(1);
    const [leaving, staying] = [two?.run("back_up", { world: "end" }), three?.run("back_up", { world: "end" })];
    await Promise.all([leaving?.id, staying?.id, three?.ping()]);
    leaving?.cancel();
    expect(await leaving?.outcome).toMatchObject({ status: "cancelled" });
    await one?.close();
    expect(await first?.outcome).toMatchObject({ status: "lost" });
    await sleep(60);
    end("end");
    expect(await staying?.value).toBe("end");
    expect(begun).toEqual(["end"]);
  });

  test("a first caller that cancels ends its own run alone: the work goes on until the last one has left", async () => {
    const { command, begun, reasons, end, whenBegun } = backup(joining);
    const { server } = await serve(command);
    const clients = await Promise.all([1, 2, 3].map(() => server.client({ protocol: 2 })));
    const [first, second, third] = clients.map((client) => client.run("back_up", { world: "end" }));
    await whenBegun(1);
    await Promise.all([first?.id, second?.id, third?.id]);
    first?.cancel();
    expect(await first?.outcome).toMatchObject({ status: "cancelled" });
    // A caller who comes now joins as well.
    const fourth = clients[0]?.run("back_up", { world: "end" });
    await fourth?.id;
    fourth?.cancel();
    expect(await fourth?.outcome).toMatchObject({ status: "cancelled" });
    second?.cancel();
    expect(await second?.outcome).toMatchObject({ status: "cancelled" });
    expect(reasons).toEqual([]);
    end("end");
    expect(await third?.outcome).toEqual({ status: "completed", value: "end" });
    expect(String((await collect(third!)).all)).toBe("packing end\ndone\n");
    expect(String((await collect(first!)).all)).toBe("packing end\n");
    expect(begun).toEqual(["end"]);
  });

  test("work that still waits for its turn keeps its place in the queue when its first caller cancels", async () => {
    const { command, begun, end, whenBegun } = backup({ limit: 1, whenFull: "join" });
    const { server, client } = await serve(command);
    const other = client.run("back_up", { world: "other" });
    await whenBegun(1);
    const [first, second] = [client.run("back_up", { world: "end" }), client.run("back_up", { world: "end" })];
    await Promise.all([positionsOf(first).until(1), positionsOf(second).until(1)]);
    first.cancel();
    expect(await first.outcome).toMatchObject({ status: "cancelled" });
    end("other");
    await whenBegun(2);
    end("end");
    expect(await Promise.all([other.value, second.value])).toEqual(["other", "end"]);
    expect(begun).toEqual(["other", "end"]);
    // The place in the queue was given back, once.
    const again = client.run("back_up", { world: "again" });
    await whenBegun(3);
    end("again");
    expect(await again.value).toBe("again");
    await server.server.close();
  });

  test("the time of the first call bounds the work, however many join it", async () => {
    const timeoutMs = 1_000;
    const { reasons, second } = await inTime(timeoutMs, async (from) => {
      const { command, reasons, whenBegun } = backup(joining);
      const { client } = await serve({ ...command, timeoutMs });
      from();
      const first = client.run("back_up", { world: "end" });
      await whenBegun(1);
      const impatient = client.run("back_up", { world: "end" }, { timeoutMs: 20 });
      expect(await impatient.outcome).toMatchObject({ status: "timeout" });
      expect(reasons).toEqual([]);
      const second = client.run("back_up", { world: "end" });
      await second.id;
      first.cancel();
      return { reasons, second };
    });
    expect(await second.outcome).toMatchObject({ status: "timeout" });
    expect(reasons).toHaveLength(1);
  });

  test("when all have gone, the run is cancelled after the grace", async () => {
    const { command, reasons, whenBegun } = backup(joining);
    const { server } = await serve(command, { callerGraceMs: 20 });
    const clients = await Promise.all([1, 2].map(() => server.client({ protocol: 2 })));
    clients[0]?.run("back_up", { world: "end" });
    await whenBegun(1);
    await clients[1]?.run("back_up", { world: "end" }).id;
    for (const client of clients) await client.close();
    const watcher = await server.client({ protocol: 2 });
    const left = async () => (await watcher.runs()).runs.filter(({ status }) => status === "running").length;
    while ((await left()) > 0) await sleep(10);
    expect(reasons).toHaveLength(1);
  });

  test("a slow reader that joined holds the writer back, and gets every byte", async () => {
    const bytes = 3_000_000;
    const held = gate();
    const command = defineCommand({
      name: "write",
      concurrency: { limit: 1, whenFull: "join" },
      run: async (_args, context) => {
        const { output } = context;
        await held.command.run({}, context);
        for (let at = 0; at < bytes; at += 10_000) await output.write("stdout", Buffer.alloc(10_000, at / 10_000));
      },
    });
    const { server, client } = await serve(command);
    const first = client.run("write", {});
    await first.id;
    const second = (await server.client({ protocol: 2 })).run("write", {});
    const slow = (async () => {
      let length = 0;
      for await (const chunk of second.output) {
        for (const [index, byte] of chunk.bytes.entries()) {
          const expected = Math.floor((chunk.offset + index) / 10_000) & 255;
          if (byte !== expected) throw new Error(`byte ${chunk.offset + index} is ${byte}, not ${expected}`);
        }
        length += chunk.bytes.length;
        if (length % 5 === 0) await sleep(1);
      }
      return length;
    })();
    await second.id;
    held.open();
    const { all } = await collect(first);
    expect([all.length, await slow]).toEqual([bytes, bytes]);
    expect(await second.outcome).toEqual(await first.outcome);
  });
});

test("a call with an idempotency key joins its own run, and replaces nothing", async () => {
  const { command, begun, end, whenBegun } = backup({ limit: 1, whenFull: "replace" });
  const { client } = await serve(command);
  const key = { idempotencyKey: "nightly" };
  const calls = [client.call("back_up", { world: "end" }, key)];
  await whenBegun(1);
  calls.push(client.call("back_up", { world: "end" }, key));
  await client.ping();
  end("end");
  expect(await Promise.all(calls)).toEqual(["end", "end"]);
  expect(begun).toEqual(["end"]);
});

describe("callers with the same idempotency key have one run, and", () => {
  const key = { idempotencyKey: "nightly" };

  test.each([true, false])(
    "it goes on for the one who waits when the other goes or cancels (cancels: %s)",
    async (cancels) => {
      const { command, reasons, end, whenBegun } = backup({ limit: 1 });
      const { server } = await serve(command, { callerGraceMs: 20 });
      const [one, two] = await Promise.all([1, 2].map(() => server.client({ protocol: 2 })));
      const first = one?.run("back_up", { world: "end" }, key);
      await whenBegun(1);
      const second = two?.run("back_up", { world: "end" }, { ...key, detach: true });
      expect(await second?.id).toBe(await first?.id);
      if (cancels) first?.cancel();
      else await one?.close();
      expect(await first?.outcome).toMatchObject({ status: cancels ? "cancelled" : "lost" });
      await sleep(60);
      expect(reasons).toEqual([]);
      end("end");
      expect(await second?.value).toBe("end");
    },
  );

  test("it is stopped when the last of them cancels, and by its id for all of them", async () => {
    const { command, reasons, whenBegun } = backup({ limit: 1 });
    const { client } = await serve(command);
    for (const byId of [false, true]) {
      const idempotencyKey = String(byId);
      const runs = [1, 2].map(() => client.run("back_up", { world: "end" }, { idempotencyKey, detach: true }));
      await whenBegun(reasons.length + 1);
      const [id] = await Promise.all(runs.map((run) => run.id));
      if (byId) await client.cancel(id as string);
      else for (const run of runs) run.cancel();
      for (const run of runs) expect(await run.outcome).toMatchObject({ status: "cancelled" });
    }
    expect(reasons).toHaveLength(2);
  });
});

test("a call that waits for its turn is refused when the server closes, and the one that runs ends in peace", async () => {
  const { command, end, whenBegun } = backup({ limit: 1 });
  const { server, client } = await serve(command);
  const runs = ["1", "2"].map((note) => client.run("back_up", { world: "end", note }));
  await whenBegun(1);
  await positionsOf(runs[1] as RunHandle).until(1);
  const closed = server.server.close({ graceMs: 60_000 });
  expect(await runs[1]?.outcome).toMatchObject({ status: "rejected", error: { code: "busy" } });
  end("end1");
  expect(await runs[0]?.value).toBe("end1");
  await closed;
});

describe("no place is lost when a script", () => {
  const concurrency = { limit: 1, maxQueued: 0 };
  test.each([
    ["fails", "process.exit(3)", "failed", 30_000],
    ["is killed", "process.kill(process.pid, 'SIGKILL')", "killed", 30_000],
    ["takes too long", "setInterval(Date, 1000)", "timeout", 400],
  ])("%s", async (_what, code, status, timeoutMs) => {
    const { client } = await serve(
      defineScript({ name: "ends", run: [process.execPath, "-e", code], timeoutMs, concurrency }),
    );
    for (let time = 0; time < 2; time++) expect(await client.run("ends", {}).outcome).toMatchObject({ status });
  });

  test("cannot be started", async () => {
    const program = path.join(temporaryFolder(), "gone");
    writeFileSync(program, "#!/bin/sh\n", { mode: 0o700 });
    const { client } = await serve(defineScript({ name: "ends", run: [program], concurrency }));
    rmSync(program);
    for (let time = 0; time < 2; time++)
      expect(await client.run("ends", {}).outcome).toMatchObject({ status: "failed" });
  });

  test("or a thread is left by its command, or stopped in it", async () => {
    const concurrency = { limit: 1, whenFull: "reject" as const, key: () => "" };
    const leave: Command = { ...threadCommands.leave, concurrency };
    const spin: Command = { ...threadCommands.spin, concurrency };
    const server = await startServer({
      commands: [leave, spin],
      limits: { killGraceMs: 500, lingerTimeoutMs: 10_000 },
    });
    const client = await server.client({ protocol: 2 });
    for (let time = 0; time < 2; time++)
      expect(await client.run("leave", {}).outcome).toMatchObject({ status: "killed" });
    const spun = () => client.run("spin", {}, { timeoutMs: 300 }).outcome;
    expect(await spun()).toMatchObject({ status: "timeout" });
    // The caller has its outcome before the thread has really ended, which is when its place is free.
    let again = await spun();
    while (again.status === "rejected") {
      await sleep(50);
      again = await spun();
    }
    expect(again).toMatchObject({ status: "timeout" });
  });
});

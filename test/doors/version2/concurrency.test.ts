/** Commands with a limit of their own, over real connections, with functions, threads and processes. */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { defineScript, type Command } from "iscep";
import type { RunHandle } from "#iscep/client/protocol/run-handle";
import { watchForLeaks } from "../../support/leaks.js";
import { startServer, tokens } from "../../support/servers.js";
import * as threadCommands from "./modules/thread-commands.mjs";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { errorOf } from "../../support/error-of.js";
import { backup, serve, positionsOf } from "../../support/backup-command.js";

watchForLeaks();

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

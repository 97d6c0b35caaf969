/**
 * Runs outlive their server: killed with SIGKILL, and started again with the same folder. What is killed is a process; the
 * server that comes after it runs here, unless it ends processes of others, for which the test looks again and again.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { later } from "../support/cleanup.js";
import { rounds } from "../support/rounds.js";
import { watchForLeaks } from "../support/leaks.js";
import { tokens } from "../support/servers.js";
import { collect, patternBytes } from "../support/output.js";
import { endsOf, keepingFolder, linesOf, runsOf, startKeeping, startKeepingHere } from "../support/keeping-server.js";
import { processesOf } from "../support/processes.js";
import { errorOf } from "../support/error-of.js";
import { until } from "../support/until.js";

watchForLeaks();

async function gone(runIds: ReadonlySet<string>): Promise<void> {
  await expect.poll(() => processesOf(runIds), { interval: 20 }).toEqual([]);
}

describe("a run that has ended", () => {
  test("is found with its outcome, output and record after a restart in good order", async () => {
    const folder = keepingFolder();
    const first = await startKeeping(folder);
    const client = await first.client();
    const run = client.run("speak", { bytes: 3_000_000, piece: 40_000, pauseMs: 0 });
    await collect(run);
    const script = client.run("brief", {});
    await collect(script);
    const [speakId, scriptId] = [await run.id, await script.id];
    const before = await runsOf(client);
    await client.close();
    await first.stop();

    const second = await startKeepingHere(folder);
    const again = await second.client();
    expect(await runsOf(again)).toEqual(before);
    expect(before).toMatchObject([
      { run: scriptId, command: "brief", owner: "alice", status: "failed", code: "failed", exitCode: 3 },
      { run: speakId, command: "speak", status: "completed", outputBytes: 3_000_000 },
    ]);
    const attached = again.attach(speakId, { offset: 1_234_567 });
    const { all } = await collect(attached, 1_234_567);
    expect(all.equals(patternBytes(1_234_567, 3_000_000 - 1_234_567))).toBe(true);
    expect(await attached.outcome).toEqual({ status: "completed", value: { written: 3_000_000 } });
    const failed = again.attach(scriptId, { offset: 0 });
    expect(await failed.outcome).toMatchObject({
      status: "failed",
      exitCode: 3,
      value: { exitCode: 3, stdout: "out\n", stderr: "err\n" },
    });
  });

  test("is followed by several at once, each from where it likes", async () => {
    const folder = keepingFolder();
    const first = await startKeepingHere(folder);
    const client = await first.client();
    const run = client.run("speak", { bytes: 2_500_000, piece: 999, pauseMs: 0 });
    await collect(run);
    await client.close();
    await first.stop();
    const second = await startKeepingHere(folder);
    const offsets = [0, 1, 999, 65_536, 1_000_000, 2_499_999, 2_500_000];
    const again = await second.client();
    const id = await run.id;
    const parts = await Promise.all(
      offsets.map(async (offset) => (await collect(again.attach(id, { offset }), offset)).all),
    );
    for (const [index, offset] of offsets.entries())
      expect(parts[index]?.equals(patternBytes(offset, 2_500_000 - offset))).toBe(true);
    expect(await errorOf(again.attach(id, { offset: 2_500_001 }).value)).toMatchObject({ code: "invalid_arguments" });
  });

  test("says honestly that its value is gone when that was too large to keep", async () => {
    const folder = keepingFolder();
    const limits = { maxStoredValueBytes: 1_000 };
    const first = await startKeepingHere(folder, { limits });
    const client = await first.client();
    const [small, large] = [client.run("large", { bytes: 900 }), client.run("large", { bytes: 1_100 })];
    const ids = [await small.id, await large.id];
    expect(await large.value).toHaveLength(1_100);
    await client.close();
    await first.stop();
    const again = await (await startKeepingHere(folder, { limits })).client();
    expect(await again.attach(ids[0]!).value).toHaveLength(900);
    expect(await again.attach(ids[1]!).outcome).toMatchObject({
      status: "completed",
      valueError: { code: "value_gone" },
    });
    expect(await errorOf(again.attach(ids[1]!).value)).toMatchObject({
      code: "value_gone",
      details: { status: "completed" },
    });
    expect(await runsOf(again)).toMatchObject([{ status: "completed" }, { status: "completed" }]);
  });

  test("is forgotten when it is too old, or there are too many", async () => {
    const folder = keepingFolder();
    const limits = { maxStoredRuns: 5, maxRetainedRuns: 0 };
    const first = await startKeepingHere(folder, { limits });
    const client = await first.client();
    const ids: string[] = [];
    for (let count = 0; count < 20; count++) {
      const run = client.run("count", { tag: "t", ms: 0 });
      await run.value;
      ids.push(await run.id);
    }
    const kept = readdirSync(first.runsFolder).filter((name) => name.endsWith(".run"));
    expect(kept.sort()).toEqual(ids.slice(-5).map((id) => `${id}.run`));
    await client.close();
    await first.stop();
    await (await startKeepingHere(folder, { limits: { storedRunDays: 0 } })).stop();
    expect(readdirSync(first.runsFolder).filter((name) => name.endsWith(".run"))).toEqual([]);
  });
});

describe("a run that was under way when its server was killed", () => {
  test("is lost, its output so far is kept, and none of its processes lives on", async () => {
    const folder = keepingFolder();
    const first = await startKeeping(folder, { logs: true });
    const client = await first.client();
    const script = client.run("family", {}, { detach: true });
    const speaking = client.run("speak", { bytes: 50_000_000, piece: 1_000, pauseMs: 1 }, { detach: true });
    const plain = client.call("count", { tag: "plain", ms: 60_000 });
    plain.catch(() => {});
    const ids = new Set([await script.id, await speaking.id]);
    let read = 0;
    for await (const { bytes } of speaking.output) {
      read += bytes.length;
      if (read > 100_000) break;
    }
    await expect.poll(() => processesOf(ids).length, { interval: 20 }).toBeGreaterThan(2);
    // The disk is behind what was read.
    const files = (id: string): string[] => readdirSync(first.runsFolder).filter((name) => name.startsWith(`${id}.0`));
    const onDisk = (id: string): number =>
      files(id).reduce((sum, name) => sum + statSync(path.join(first.runsFolder, name)).size, 0);
    const speakingId = await speaking.id;
    await until(() => onDisk(speakingId) > 50_000);
    await client.close();
    await first.kill();
    // One that becomes another program at this moment shows no variables.
    await expect.poll(() => processesOf(ids).length, { interval: 20 }).toBeGreaterThan(2);

    const second = await startKeeping(folder, { logs: true });
    await gone(ids);
    const again = await second.client();
    for (const id of ids) {
      const attached = again.attach(id);
      expect(await attached.outcome).toMatchObject({ status: "lost", error: { code: "lost" } });
    }
    const record = (await runsOf(again)).find(({ command }) => command === "speak");
    expect(record).toMatchObject({ status: "lost", code: "lost" });
    const kept = record?.outputBytes ?? 0;
    expect(kept).toBeGreaterThan(50_000);
    const { all } = await collect(again.attach(await speaking.id, { offset: 12_345 }), 12_345);
    expect(all.equals(patternBytes(12_345, kept - 12_345))).toBe(true);
    await again.close();
    await second.stop();
    const lines = linesOf(second.commandsLog);
    for (const [runId, ends] of endsOf(lines)) expect([runId, ends]).toEqual([runId, ["lost"]]);
    expect(lines.filter(({ status }) => status === "running").map(({ command }) => command)).toContain("family");
  });

  test("is left alone while its server lives, though another shares the folder", async () => {
    const folder = keepingFolder();
    const first = await startKeeping(folder);
    const client = await first.client();
    const script = client.run("family", {}, { detach: true });
    const ids = new Set([await script.id]);
    await expect.poll(() => processesOf(ids).length, { interval: 20 }).toBeGreaterThan(2);
    const second = await startKeepingHere(folder);
    const other = await second.client();
    const followed = other.attach(await script.id);
    expect(await followed.id).toBe(await script.id);
    await expect.poll(() => processesOf(ids).length, { interval: 20 }).toBeGreaterThan(2);
    expect(linesOf(first.commandsLog).filter(({ status }) => status === "lost")).toEqual([]);
    await client.cancel(await script.id);
    expect(await script.outcome).toMatchObject({ status: "cancelled" });
    expect(await followed.outcome).toMatchObject({ status: "cancelled" });
  });
});

test("a run of another container is left alone while its server says that it lives, and is lost when it does not", async () => {
  const folder = keepingFolder();
  const runsFolder = path.join(folder, "runs");
  mkdirSync(runsFolder, { mode: 0o700 });
  const id = "01234567-89ab-7def-8123-456789abcdef";
  const server = "1-100-00000000";
  const start = {
    run: id,
    command: "count",
    owner: "alice",
    tokenId: null,
    source: "",
    startedAtMs: Date.now(),
    server,
  };
  writeFileSync(path.join(runsFolder, `${id}.run`), `${JSON.stringify(start)}\n`, { mode: 0o600 });
  const lease = path.join(runsFolder, `${server}.server`);
  writeFileSync(lease, "");
  const keeping = await startKeepingHere(folder, { limits: { serverLeaseMs: 1_000 } });
  const client = await keeping.client();
  expect(await runsOf(client)).toMatchObject([{ run: id, status: "running" }]);
  // It says so with a clock that is an hour behind, or this machine's clock has jumped. Then it is killed.
  const old = Date.now() / 1_000 - 3_600;
  const startMs = performance.now();
  let second = 0;
  // If this process stands still, this is due before it looks again.
  const alive = setInterval(() => utimesSync(lease, old + ++second, old + second), 20);
  later(() => clearInterval(alive));
  while (performance.now() - startMs < 3_000) {
    await sleep(100);
    expect(await runsOf(client)).toMatchObject([{ run: id, status: "running" }]);
  }
  clearInterval(alive);
  await expect.poll(() => runsOf(client), { interval: 20 }).toMatchObject([{ run: id, status: "lost" }]);
  await expect.poll(() => existsSync(lease), { interval: 20 }).toBe(false);
  await client.close();
  await keeping.stop();
  expect(endsOf(linesOf(keeping.commandsLog)).get(id)).toEqual(["lost"]);
});

test("a function of a server of another container is listed as lost when that server is found to be gone", async () => {
  const folder = keepingFolder();
  const runsFolder = path.join(folder, "runs");
  mkdirSync(runsFolder, { mode: 0o700 });
  const runId = "01234567-89ab-7def-8123-456789abcdef";
  const server = "1-100-00000000";
  const at = new Date().toISOString();
  const about = { runId, command: "count", owner: "alice", tokenId: null, source: "unix", server };
  const line = JSON.stringify({ ...about, start: at, time: at, status: "running" });
  writeFileSync(path.join(runsFolder, "commands.log"), `${line}\n`, { mode: 0o600 });
  const lease = path.join(runsFolder, `${server}.server`);
  writeFileSync(lease, "");
  const keeping = await startKeepingHere(folder);
  const client = await keeping.client();
  expect(await runsOf(client)).toEqual([]);
  rmSync(lease);
  await until(async () => (await runsOf(client)).length > 0);
  expect(await runsOf(client)).toMatchObject([{ run: runId, status: "lost" }]);
  expect(await client.attach(runId).outcome).toMatchObject({ status: "lost" });
});

describe("idempotency keys", () => {
  test("join the run of before the restart: ended, or lost; and never run it twice", async () => {
    const folder = keepingFolder();
    const first = await startKeeping(folder);
    const client = await first.client();
    const ended = client.run("count", { tag: "ended", ms: 0 }, { idempotencyKey: "one" });
    expect(await ended.value).toBe("ended");
    const cut = client.run("count", { tag: "cut", ms: 60_000 }, { idempotencyKey: "two" });
    await cut.id;
    await client.close();
    await first.kill();
    const again = await (await startKeepingHere(folder)).client();
    const joined = again.run("count", { tag: "ended", ms: 0 }, { idempotencyKey: "one" });
    expect(await joined.value).toBe("ended");
    expect(await joined.id).toBe(await ended.id);
    const lost = again.run("count", { tag: "cut", ms: 60_000 }, { idempotencyKey: "two" });
    expect(await lost.outcome).toMatchObject({ status: "lost" });
    expect(await lost.id).toBe(await cut.id);
    expect(readFileSync(path.join(folder, "counted"), "utf8")).toBe("ended\ncut\n");
  });

  test("mean nothing to other owners, nor to another command", async () => {
    const folder = keepingFolder();
    const first = await startKeeping(folder);
    const client = await first.client();
    const run = client.run("count", { tag: "alice", ms: 0 }, { idempotencyKey: "../../same" });
    await run.value;
    await client.close();
    await first.kill();
    const second = await startKeepingHere(folder);
    const other = await second.client({ token: tokens.bob });
    expect(await other.call("count", { tag: "bob", ms: 0 }, { idempotencyKey: "../../same" })).toBe("bob");
    const again = await second.client();
    expect(await again.run("add", { a: 1, b: 2 }, { idempotencyKey: "../../same" }).outcome).toMatchObject({
      status: "rejected",
      error: { code: "invalid_arguments" },
    });
  });
});

test("foreign owners, and tokens that may not run the command, see nothing of a run after the restart", async () => {
  const folder = keepingFolder();
  const first = await startKeepingHere(folder);
  const client = await first.client();
  const run = client.run("count", { tag: "mine", ms: 0 }, { idempotencyKey: "k" });
  await run.value;
  const id = await run.id;
  await client.close();
  await first.stop();
  const second = await startKeepingHere(folder);
  const other = await second.client({ token: tokens.bob });
  expect(await runsOf(other)).toEqual([]);
  for (const work of [other.attach(id).value, other.attach(id, { offset: 0 }).value, other.cancel(id)])
    expect(await errorOf(work)).toMatchObject({ code: "run_not_found" });
  expect(await errorOf(other.cancel("01234567-89ab-7def-8123-456789abcdef"))).toMatchObject({
    code: "run_not_found",
    message: (await errorOf(other.cancel(id))).message,
  });
});

test.each([["with", { idempotencyKey: "joined" }] as const, ["without", {}] as const])(
  "the processes of a run that joined another one %s a key end after a kill, though the first one had ended before",
  async (_, options) => {
    const folder = keepingFolder();
    const first = await startKeeping(folder);
    const client = await first.client();
    const begun = client.run("shared_family", {});
    const id = await begun.id;
    const joined = client.run("shared_family", {}, options);
    const joinedId = await joined.id;
    begun.cancel();
    expect(await begun.outcome).toMatchObject({ status: "cancelled" });
    await until(() => processesOf(id).length > 2);
    await first.kill();
    await client.close();
    const second = await startKeeping(folder);
    await gone(new Set([id]));
    const other = await second.client();
    expect(await other.attach(joinedId).outcome).toMatchObject({ status: "lost" });
    await other.close();
    await second.stop();
  },
);

test("killed at any moment: each run has one outcome, what ended stays as it ended, and no process is left", async () => {
  const times = rounds(3, 12, 200);
  const killGraceMs = 50_000;
  const folder = keepingFolder();
  const known = new Map<string, string>();
  const all = new Set<string>();
  for (let round = 0; round < times; round++) {
    const server = await startKeeping(folder, { logs: true, limits: { killGraceMs } });
    // It does not wait for what the last one left running.
    expect(server.startMs).toBeLessThan(killGraceMs);
    const client = await server.client();
    const runs = [
      client.run("family", {}, { detach: true }),
      client.run("brief", {}),
      client.run("speak", { bytes: 200_000, piece: 5_000, pauseMs: round % 3 }),
      client.run("count", { tag: `round ${round}`, ms: round % 50 }, { idempotencyKey: `round ${round}` }),
      client.run("count", { tag: "plain", ms: 5 }),
    ];
    for (const run of runs) {
      run.id.then((id) => all.add(id)).catch(() => {});
      run.outcome.then(async ({ status }) => status !== "lost" && known.set(await run.id, status)).catch(() => {});
    }
    // At any moment, but for the first time: then something has ended.
    if (round === 0) await Promise.all(runs.slice(1).map(({ outcome }) => outcome));
    await sleep((round * 7919) % 120);
    await server.kill();
    // A client that waits for its server to come back is not what this is about.
    await client.close();
  }
  const last = await startKeeping(folder, { logs: true, limits: { maxRunsPage: 10_000 } });
  await gone(all);
  const client = await last.client();
  const counted = readFileSync(path.join(folder, "counted"), "utf8").split("\n");
  for (let round = 0; round < times; round++)
    expect(counted.filter((line) => line === `round ${round}`).length).toBeLessThanOrEqual(1);
  const offsets = new Map((await runsOf(client)).map(({ run, outputBytes }) => [run, outputBytes]));
  for (const [id, status] of known) {
    // The last of its output may not have been written; how it ended was, before its caller heard of it.
    const offset = offsets.get(id) ?? 0;
    expect([id, await client.attach(id, { offset }).outcome]).toEqual([id, expect.objectContaining({ status })]);
  }
  await client.close();
  await last.stop();
  for (const [runId, ends] of endsOf(linesOf(last.commandsLog))) {
    expect([runId, ends.length]).toEqual([runId, 1]);
    const status = known.get(runId);
    if (status !== undefined) expect([runId, ends]).toEqual([runId, [status]]);
  }
});

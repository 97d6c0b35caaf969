/** Two servers share a runs folder, as they do while one is replaced by the next: what a run's own server says of its end counts. */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { defaultLimits, type Client } from "iscep";
import { anonymous } from "#iscep/model/identity";
import { packetRoom } from "#iscep/runs/run/settle";
import { RunStore } from "#iscep/journal/store";
import { Run } from "#iscep/runs/run/run";
import { endsOf, keepingFolder, linesOf, runsOf, startKeeping, startKeepingHere } from "../support/keeping-server.js";
import { JsonText } from "#iscep/wire/json-text";
import { collect, patternBytes } from "../support/output.js";
import { errorOf } from "../support/error-of.js";
import { tokens } from "../support/servers.js";
import { later } from "../support/cleanup.js";
import { watchForLeaks } from "../support/leaks.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { processesOf } from "../support/processes.js";
import { rounds } from "../support/rounds.js";
import { reader, storedRun } from "../support/stored-run.js";
import { inTime } from "../support/in-time.js";
import { until } from "../support/until.js";

watchForLeaks();

const limits = { otherServersIntervalMs: 50 };

async function recordOf(client: Client, id: string): Promise<string | undefined> {
  return (await runsOf(client)).find(({ run }) => run === id)?.status;
}

function reached(file: string, lines: number): Promise<void> {
  return expect
    .poll(() => (existsSync(file) ? readFileSync(file, "utf8").split("\n").length - 1 : 0), { interval: 10 })
    .toBeGreaterThanOrEqual(lines);
}

describe("a server that lets its runs end, while the next has begun", () => {
  test("has its outcome, value and output told by the next one, also to a call with the key of the run", async () => {
    const folder = keepingFolder();
    const first = await startKeeping(folder, { limits });
    const client = await first.client();
    const args = { tag: "once" };
    const run = client.run("held", args, { idempotencyKey: "key", detach: true });
    const spoken = client.run("speak", { bytes: 200_000, piece: 1_000, pauseMs: 10 }, { detach: true });
    const all = collect(spoken);
    const ids = [await run.id, await spoken.id] as const;
    await reached(path.join(folder, "counted"), 1);
    const drained = first.drain();

    const second = await startKeepingHere(folder, { limits });
    const other = await second.client();
    expect(await recordOf(other, ids[0])).toBe("running");
    const joined = other.run("held", args, { idempotencyKey: "key" });
    const attached = other.attach(ids[1], { offset: 0 });
    const part = collect(attached);
    await Promise.all([joined.id, attached.id]);
    writeFileSync(path.join(folder, "go"), "");
    expect(await joined.outcome).toEqual({ status: "completed", value: "once" });
    expect(await joined.id).toBe(ids[0]);
    expect(await run.outcome).toEqual({ status: "completed", value: "once" });
    expect((await all).all.equals(patternBytes(0, 200_000))).toBe(true);
    expect((await part).all.equals(patternBytes(0, 200_000))).toBe(true);
    expect(await attached.outcome).toEqual({ status: "completed", value: { written: 200_000 } });
    await client.close();
    await drained;
    expect(await recordOf(other, ids[0])).toBe("completed");
    await other.close();
    await second.stop();

    const third = await (await startKeepingHere(folder)).client();
    expect(await third.attach(ids[0]).outcome).toEqual({ status: "completed", value: "once" });
    expect(readFileSync(path.join(folder, "counted"), "utf8")).toBe("once\n");
    for (const ends of endsOf(linesOf(first.commandsLog)).values()) expect(ends).toEqual(["completed"]);
  });

  test("and nobody asks the next one before the end: it says what was written", async () => {
    const folder = keepingFolder();
    const first = await startKeeping(folder, { limits });
    const client = await first.client();
    const run = client.run("held", { tag: "quiet" }, { idempotencyKey: "quiet", detach: true });
    const id = await run.id;
    await reached(path.join(folder, "counted"), 1);
    const second = await startKeepingHere(folder);
    await client.close();
    const drained = first.drain();
    writeFileSync(path.join(folder, "go"), "");
    await drained;
    const other = await second.client();
    expect(await recordOf(other, id)).toBe("completed");
    const again = other.run("held", { tag: "quiet" }, { idempotencyKey: "quiet" });
    expect(await again.outcome).toEqual({ status: "completed", value: "quiet" });
  });

  test("and a run that it begins after the start of the next one is found there by its id", async () => {
    const folder = keepingFolder();
    const first = await startKeeping(folder, { limits });
    const second = await startKeepingHere(folder, { limits });
    const client = await first.client();
    const run = client.run("brief", {});
    await run.outcome;
    const other = await second.client();
    expect(await other.attach(await run.id).outcome).toMatchObject({ status: "failed", exitCode: 3 });
    const id = await run.id;
    expect(await other.runs({ run: id })).toMatchObject({ runs: [{ run: id, status: "failed", exitCode: 3 }] });
    const going = client.run("held", { tag: "going" }, { detach: true, idempotencyKey: "going" });
    expect(await other.runs({ run: await going.id })).toMatchObject({ runs: [{ command: "held", status: "running" }] });
    const bob = await second.client({ token: tokens.bob });
    for (const hidden of [id, await going.id])
      expect(await errorOf(bob.runs({ run: hidden }))).toMatchObject({ code: "run_not_found" });
    writeFileSync(path.join(folder, "go"), "");
    expect(await going.outcome).toMatchObject({ status: "completed" });
  });
});

test("a server that is killed while another shares its folder: who follows its run there is told that it is lost, and its processes end", async () => {
  const folder = keepingFolder();
  const first = await startKeeping(folder, { limits });
  const client = await first.client();
  const script = client.run("family", {}, { detach: true, idempotencyKey: "family" });
  const id = await script.id;
  await expect.poll(() => processesOf(new Set([id])).length, { interval: 20 }).toBeGreaterThan(2);
  const second = await startKeeping(folder, { limits });
  const other = await second.client();
  const attached = other.attach(id);
  await attached.id;
  await Promise.all([first.kill(), client.close()]);
  expect(await attached.outcome).toMatchObject({ status: "lost" });
  await expect.poll(() => processesOf(new Set([id])), { interval: 20 }).toEqual([]);
  expect(await other.run("family", {}, { idempotencyKey: "family" }).outcome).toMatchObject({ status: "lost" });
  await other.close();
  await second.stop();
  expect(endsOf(linesOf(first.commandsLog)).get(id)).toEqual(["lost"]);
});

test("a server of another container whose lease ran out, though it lives: its end beats the guess that the run is lost", async () => {
  const folder = keepingFolder();
  const runsFolder = path.join(folder, "runs");
  mkdirSync(runsFolder, { mode: 0o700 });
  const run = "01234567-89ab-7def-8123-456789abcdef";
  const server = "1-100-00000000";
  const startedAtMs = Date.now();
  const file = path.join(runsFolder, `${run}.run`);
  const start = { run, command: "count", owner: "alice", tokenId: null, source: "", startedAtMs, server };
  writeFileSync(file, `${JSON.stringify(start)}\n`, { mode: 0o600 });
  const keeping = await startKeepingHere(folder, { limits: { ...limits, serverLeaseMs: 50 } });
  const client = await keeping.client();
  await expect.poll(() => readFileSync(file, "utf8").includes('"lost"'), { interval: 20 }).toBe(true);
  expect(await client.attach(run).outcome).toMatchObject({ status: "lost" });
  const end = { endedAtMs: Date.now(), status: "completed", outputBytes: 0, value: "next" };
  appendFileSync(file, `${JSON.stringify(end)}\n"late"\n`);
  expect(await client.attach(run).outcome).toEqual({ status: "completed", value: "late" });
  expect(await recordOf(client, run)).toBe("completed");
  await client.close();
  await keeping.stop();
  const next = await (await startKeepingHere(folder)).client();
  expect(await next.attach(run).outcome).toEqual({ status: "completed", value: "late" });
});

test("the end of a run is told by another server when its output is on the disk, however late that is, and to whoever came when", async () => {
  const { store, run, outcome, another } = await storedRun(path.join(temporaryFolder(), "runs"));
  store.begin(run);
  await run.output.write("stdout", "first, ");
  const next = await another();
  const followed = next.restore(next.get(run.id)!);
  const early = reader(followed);
  // The end is in its file in this moment, and the output is written in a later turn.
  void run.output.write("stdout", "last");
  run.end(outcome);
  run.output.close();
  expect(next.get(run.id)?.end).toBeUndefined();
  expect(followed.outcome).toBeUndefined();
  const late = await another();
  expect(late.get(run.id)?.end).toBeUndefined();
  await store.close();
  for (const server of [next, late]) expect(server.get(run.id)?.end).toMatchObject({ status: "completed" });
  expect(followed.outcome).toEqual(outcome);
  const again = reader(late.restore(late.get(run.id)!));
  await until(() => early.text() === "first, last" && again.text() === "first, last");
});

test("the end of a run whose output never comes to the disk is told all the same", async () => {
  const serverLeaseMs = 1_000;
  const { folder, store, run, next } = await inTime(serverLeaseMs, async () => {
    const made = path.join(temporaryFolder(), "runs");
    const stored = await storedRun(made, { ...defaultLimits, serverLeaseMs });
    stored.store.begin(stored.run);
    const other = await stored.another();
    void stored.run.output.write("stdout", "never written");
    stored.run.end(stored.outcome);
    expect(other.get(stored.run.id)?.end).toBeUndefined();
    return { folder: made, store: stored.store, run: stored.run, next: other };
  });
  await store.close();
  rmSync(path.join(folder, `${run.id}.${"0".repeat(16)}.out`));
  await until(() => next.get(run.id)?.end?.status === "completed");
});

/** What can happen to one run of server A, seen by server B, in any order. */
const moments = ["begin", "output", "end", "open", "look", "follow", "lose", "writeLost", "reopen"] as const;

test("whatever the order in which one server ends a run and another opens, looks, follows or takes it for lost: what is written at last is its end, everywhere", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(...moments), { minLength: 1, maxLength: 14 }),
      fc.string({ minLength: 0, maxLength: 6_000 }),
      async (order, value) => {
        const folder = path.join(temporaryFolder(), "runs");
        const problems: string[] = [];
        const options = { folder, limits: defaultLimits, onProblem: (message: string) => problems.push(message) };
        const a = await RunStore.open(options);
        const outcome = { status: "completed", value: JsonText.of(value, defaultLimits) } as const;
        const run = new Run("count", { ...anonymous, owner: "alice", mayRun: () => true }, "", {
          limits: defaultLimits,
          room: packetRoom(defaultLimits),
          ends: (ended) => a.end(ended, outcome),
          abandoned: () => undefined,
        });
        let b: RunStore | undefined;
        let hasBegun = false;
        const followed: Run[] = [];
        const stores: RunStore[] = [a];
        const open = async (): Promise<RunStore> => {
          const store = await RunStore.open(options);
          stores.push(store);
          return store;
        };
        for (const moment of [...order, "begin", "open", "follow", "end", "look"] as const) {
          const stored = hasBegun ? b?.get(run.id) : undefined;
          if (moment === "begin" && !hasBegun) a.begin(run);
          if (moment === "begin") hasBegun = true;
          if (moment === "output" && hasBegun) void run.output.write("stdout", "some");
          if (moment === "end" && hasBegun) run.end(outcome);
          if (moment === "open") b ??= await open();
          if (moment === "reopen") b = await open();
          if (stored === undefined || b === undefined) continue;
          if (moment === "look") b.elsewhere.look(stored);
          if (moment === "follow") followed.push(b.restore(stored));
          if (moment === "lose" && stored.end === undefined) b.elsewhere.lose(stored, undefined);
          if (moment === "writeLost" && b.elsewhere.isUnwritten(run.id)) b.elsewhere.writeLost(stored);
        }
        await a.close();
        const last = b ?? (await open());
        const stored = last.get(run.id);
        if (stored === undefined) throw new Error("the run is not known");
        expect(last.restore(stored).outcome).toEqual(outcome);
        expect(last.record(run.id)).toMatchObject({ status: "completed", outputBytes: run.outputBytes });
        expect((await open()).record(run.id)).toMatchObject({ status: "completed" });
        for (const one of followed) {
          // A follower was told the end, or that the run was lost while its end was not known.
          if (one.outcome !== undefined) expect(["completed", "lost"]).toContain(one.outcome.status);
        }
        expect(problems).toEqual([]);
        await Promise.all(stores.map((store) => store.close()));
      },
    ),
    { numRuns: rounds(40, 150, 1_500) },
  );
});

test("the file of a run that never began is swept: empty, or half a line", async () => {
  const folder = path.join(temporaryFolder(), "runs");
  mkdirSync(folder, { mode: 0o700 });
  const old = new Date(Date.now() - 120_000);
  const fileOf = (digit: number): string => path.join(folder, `01234567-89ab-7def-8123-45678900000${digit}.run`);
  const texts = ["", '{"run":"0123', "", '{"run":"0123'];
  for (const [index, text] of texts.entries()) {
    writeFileSync(fileOf(index), text);
    if (index < 2) utimesSync(fileOf(index), old, old);
  }
  const store = await RunStore.open({ folder, limits: defaultLimits, onProblem: (message) => expect.fail(message) });
  later(() => store.close());
  // A server may just be writing the first line of the two that are new.
  expect(texts.map((_, index) => statSync(fileOf(index), { throwIfNoEntry: false }) !== undefined)).toEqual([
    false,
    false,
    true,
    true,
  ]);
  expect(store.records()).toEqual([]);
});

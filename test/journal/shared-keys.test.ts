/** A key joins one run, whichever of the servers that share a runs folder is called. */
import { existsSync, readFileSync, readdirSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { declareArguments, defineCommand, defineScript } from "iscep";
import { Registry } from "#iscep/commands/registry";
import { Dispatcher } from "#iscep/dispatcher";
import { KeyLinks } from "#iscep/journal/key-links";
import { RunStore } from "#iscep/journal/store";
import { resolveLimits, type Limits } from "#iscep/limits/limits";
import { anonymous } from "#iscep/model/identity";
import { keepingFolder, startKeeping, startKeepingHere } from "../support/keeping-server.js";
import { later } from "../support/cleanup.js";
import { watchForLeaks } from "../support/leaks.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { until } from "../support/until.js";

watchForLeaks();

const identity = { ...anonymous, owner: "alice", mayRun: () => true };

/** Servers of one folder, without sockets; `begun` has each execution. */
async function serversOf(folder: string, count: number, changes: Partial<Limits> = {}) {
  const limits = resolveLimits(changes);
  const begun: string[] = [];
  const program = path.join(folder, "program");
  writeFileSync(program, `#!/bin/sh\necho "$ISCEP_RUN" >> "${folder}/begun"\n`, { mode: 0o700 });
  const commands = [
    defineCommand({ name: "pay", run: (_, { runId }) => void begun.push(runId) }),
    defineCommand({
      name: "wait",
      concurrency: { limit: 1, whenFull: "join" },
      run: (_, { signal, runId }) => {
        begun.push(runId);
        return new Promise((resolve) => signal.addEventListener("abort", () => resolve(1)));
      },
    }),
    defineCommand({
      name: "checked",
      args: declareArguments({ number: { type: "integer" } }),
      run: (_, { runId }) => void begun.push(runId),
    }),
    defineScript({ name: "script", run: [program] }),
  ];
  const runs = path.join(folder, "runs");
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const store = await RunStore.open({ folder: runs, limits, onProblem: (message) => expect.fail(message) });
      const dispatcher = new Dispatcher({ registry: new Registry(commands), limits, store });
      later(async () => {
        await dispatcher.close(0);
        await store.close();
      });
      const call = (name: string, idempotencyKey: string, args = {}) =>
        dispatcher.start(identity, name, args, { source: "", idempotencyKey, detached: true });
      return { store, dispatcher, call };
    }),
  );
  const [first, second] = servers;
  if (first === undefined || second === undefined) throw new Error("two are needed");
  const scripts = (): string[] =>
    existsSync(path.join(folder, "begun")) ? readFileSync(path.join(folder, "begun"), "utf8").trim().split("\n") : [];
  return { first, second, begun, scripts, runs };
}

test("a call that is sent again to the next server joins the run that the one before it began meanwhile", async () => {
  const folder = keepingFolder();
  const first = await startKeeping(folder);
  const second = await startKeepingHere(folder);
  const client = await first.client();
  const run = client.run("held", { tag: "once" }, { idempotencyKey: "key", detach: true });
  const id = await run.id;
  const other = await second.client();
  const again = other.run("held", { tag: "once" }, { idempotencyKey: "key" });
  expect(await again.id).toBe(id);
  writeFileSync(path.join(folder, "go"), "");
  expect(await run.outcome).toEqual({ status: "completed", value: "once" });
  expect(await again.outcome).toEqual({ status: "completed", value: "once" });
  const ended = other.run("held", { tag: "once" }, { idempotencyKey: "key" });
  expect([await ended.id, await ended.outcome]).toEqual([id, { status: "completed", value: "once" }]);
  expect(readFileSync(path.join(folder, "counted"), "utf8")).toBe("once\n");
});

describe("of two servers that begin a run with one key at the same moment", () => {
  /** The other server begins its run after this one has found that nobody has the key. */
  function both(servers: Awaited<ReturnType<typeof serversOf>>, name: string) {
    const { first, second } = servers;
    const look = second.store.byKey.bind(second.store);
    let other: ReturnType<typeof first.call> | undefined;
    second.store.byKey = (...asked) => {
      const found = look(...asked);
      second.store.byKey = look;
      other = first.call(name, "key");
      return found;
    };
    const late = second.call(name, "key");
    if (other === undefined) throw new Error("nobody asked for the key");
    return { late, other };
  }

  test.each(["pay", "script"])("one executes it, and the other one is busy, then joins (%s)", async (name) => {
    const servers = await serversOf(temporaryFolder(), 2);
    const { second, begun, scripts } = servers;
    const { late, other } = both(servers, name);
    await until(() => late.outcome !== undefined && other.outcome !== undefined);
    expect(late.outcome).toMatchObject({ status: "rejected", error: { code: "busy" } });
    expect(other.outcome).toMatchObject({ status: "completed" });
    expect([...begun, ...scripts()]).toEqual([other.id]);
    expect(second.dispatcher.activeRuns).toBe(0);
    expect(second.dispatcher.turns.taken).toBe(0);
    const joined = second.call(name, "key");
    expect([joined.id, joined.outcome]).toMatchObject([other.id, { status: "completed" }]);
  });

  test("the same for one that would join work of its own server", async () => {
    const servers = await serversOf(temporaryFolder(), 2);
    const { first, second, begun } = servers;
    const own = second.call("wait", "own");
    const { late, other } = both(servers, "wait");
    expect(late.outcome).toMatchObject({ status: "rejected", error: { code: "busy" } });
    expect(begun).toEqual([own.id, other.id]);
    expect([first.dispatcher.activeRuns, second.dispatcher.activeRuns]).toEqual([1, 1]);
    expect(second.dispatcher.find(identity, own.id).outcome).toBeUndefined();
  });
});

test("a refused call has no right to its key, at no server", async () => {
  const { first, second, begun } = await serversOf(temporaryFolder(), 2);
  expect(first.call("checked", "key", { number: "none" }).outcome).toMatchObject({ status: "rejected" });
  expect(second.call("checked", "key", { number: 1 }).outcome).toMatchObject({ status: "completed" });
  expect(first.call("checked", "key", { number: 1 }).outcome).toMatchObject({ status: "completed" });
  expect(begun).toHaveLength(1);
});

test("what is removed leaves its key to the next run, at every server, and no link behind", async () => {
  const { first, second, begun, runs } = await serversOf(temporaryFolder(), 2, { maxStoredRuns: 2 });
  const links = (): string[] => readdirSync(runs).filter((name) => name.endsWith(".key"));
  const ids = ["a", "b", "c", "d"].map((key) => first.call("pay", key).id);
  // What is still being written is not removed.
  await until(() => links().length === 2);
  const again = second.call("pay", "a");
  expect(again.id).not.toBe(ids[0]);
  expect(begun).toHaveLength(5);
  expect(links().map((name) => readlinkSync(path.join(runs, name)))).toContain(`${again.id}.run`);
});

test("a link that was left or forged gives nobody a run of another key", async () => {
  const { first, second, runs } = await serversOf(temporaryFolder(), 2);
  const run = first.call("pay", "one");
  const link = readdirSync(runs).find((name) => name.endsWith(".key"));
  const other = first.call("pay", "two");
  const forged = readdirSync(runs).find((name) => name.endsWith(".key") && name !== link) ?? "";
  rmSync(path.join(runs, forged));
  symlinkSync(`${run.id}.run`, path.join(runs, forged));
  const third = second.call("pay", "two");
  expect([run.id, other.id]).not.toContain(third.id);
  expect(readlinkSync(path.join(runs, forged))).toBe(`${third.id}.run`);
});

test("a key is released only by the run that has it", () => {
  const links = new KeyLinks(temporaryFolder());
  const [a = "", b = ""] = ["a", "b"].map((digit) => `01234567-89ab-7def-8123-00000000000${digit}`);
  expect(links.claim("hash", a, () => false)).toBe(true);
  expect(links.claim("hash", b, (run) => run === a)).toBe(false);
  links.release("hash", b);
  expect(links.runOf("hash")).toBe(a);
  expect(links.claim("hash", b, () => false)).toBe(true);
  links.release("hash", a);
  expect(links.runOf("hash")).toBe(b);
  links.release("hash", b);
  expect(links.runOf("hash")).toBeUndefined();
});

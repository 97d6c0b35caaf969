/** Runs of a folder that another server removes at any moment, and lost runs that must stay until somebody was told. */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { defaultLimits } from "iscep";
import { Registry } from "#iscep/commands/registry";
import { Dispatcher } from "#iscep/dispatcher";
import { FoundRuns } from "#iscep/journal/found-runs";
import { readRunFile } from "#iscep/journal/run-file";
import { anonymous } from "#iscep/model/identity";
import { endsOf, keepingFolder, linesOf, startKeepingHere } from "../support/keeping-server.js";
import { later } from "../support/cleanup.js";
import { watchForLeaks } from "../support/leaks.js";
import { storedRun } from "../support/stored-run.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { until } from "../support/until.js";

watchForLeaks();

const ids = ["1", "2", "3"].map((digit) => `01234567-89ab-7def-8123-00000000000${digit}`);
const gone = "1-100-00000000";

function startOf(run: string): string {
  const start = { run, command: "count", owner: "alice", tokenId: null, source: "", startedAtMs: Date.now() };
  return `${JSON.stringify({ ...start, server: gone })}\n`;
}

describe("a run whose file another server has removed", () => {
  test("before this one saw its end is lost for those who follow it here, and is no longer listed as running", async () => {
    const folder = temporaryFolder();
    const { store, run, another } = await storedRun(folder);
    store.begin(run);
    const next = await another();
    const dispatcher = new Dispatcher({ registry: new Registry([]), limits: defaultLimits, store: next });
    later(() => dispatcher.close(0));
    const alice = { ...anonymous, owner: "alice" };
    const followed = dispatcher.find(alice, run.id);
    const statuses = (): string[] => dispatcher.runs(alice, {}).runs.map(({ status }) => status);
    expect([followed.outcome, statuses()]).toEqual([undefined, ["running"]]);
    rmSync(path.join(folder, `${run.id}.run`));
    for (const stored of next.elsewhere.unfinished()) next.elsewhere.look(stored);
    expect(followed.outcome).toMatchObject({ status: "lost", error: { code: "lost" } });
    expect([next.elsewhere.unfinished(), next.get(run.id), next.size.runs]).toEqual([[], undefined, 0]);
    expect(statuses()).toEqual(["lost"]);
    expect(dispatcher.runs(alice, { run: run.id }).runs).toMatchObject([{ status: "lost", code: "lost" }]);
  });

  test("is no run, and gets no file anew when it is found to be lost", async () => {
    const folder = temporaryFolder();
    expect(readRunFile(path.join(folder, "none"))).toEqual({ start: undefined, end: undefined });
    const { store, run, another } = await storedRun(folder);
    store.begin(run);
    const { elsewhere } = await another();
    const [stored] = elsewhere.unfinished();
    if (stored === undefined) throw new Error("it is not there");
    elsewhere.lose(stored, undefined);
    rmSync(path.join(folder, `${run.id}.run`));
    expect(() => elsewhere.writeLost(stored)).toThrow(expect.objectContaining({ code: "run_not_found" }));
    expect(readdirSync(folder)).toEqual([]);
  });

  test("does not end the start of a server that reads the folder", () => {
    const folder = temporaryFolder();
    for (const id of ids) writeFileSync(path.join(folder, `${id}.run`), startOf(id));
    const files = new FoundRuns(folder);
    const found: string[] = [];
    const steps = files.all(({ start }) => {
      found.push(start.run);
      rmSync(path.join(folder, `${ids[1]}.run`), { force: true });
    });
    for (const _ of steps);
    expect(found).toEqual([ids[0], ids[2]]);
    expect([...files.sweep()]).toEqual([]);
  });
});

describe("a lost run", () => {
  test("stays in a full folder until its end is written and told", async () => {
    const folder = temporaryFolder();
    const { store, run, another } = await storedRun(folder, { ...defaultLimits, maxStoredRuns: 1 });
    store.begin(run);
    const next = await another();
    const begin = async (): Promise<void> => {
      const { run: newer } = await storedRun(temporaryFolder());
      next.begin(newer);
      next.end(newer, { status: "completed", value: undefined });
      newer.output.close();
    };
    const [stored] = next.elsewhere.unfinished();
    if (stored === undefined) throw new Error("it is not there");
    next.elsewhere.lose(stored, undefined);
    await begin();
    await begin();
    expect(next.get(run.id)).toBe(stored);
    expect(next.elsewhere.writeLost(stored)).toMatchObject({ status: "lost" });
    expect(readRunFile(path.join(folder, `${run.id}.run`)).end).toMatchObject({ status: "lost" });
    expect(next.get(run.id)).toBe(stored);
    next.elsewhere.told(run.id);
    await begin();
    expect(next.get(run.id)).toBeUndefined();
    expect(existsSync(path.join(folder, `${run.id}.run`))).toBe(false);
  });

  test("is removed by later runs when a server has told of it", async () => {
    const folder = keepingFolder();
    const runs = path.join(folder, "runs");
    mkdirSync(runs, { mode: 0o700 });
    const [id = ""] = ids;
    writeFileSync(path.join(runs, `${id}.run`), startOf(id), { mode: 0o600 });
    const server = await startKeepingHere(folder, { limits: { maxStoredRuns: 1 } });
    await until(() => endsOf(linesOf(server.commandsLog)).get(id)?.length === 1);
    const client = await server.client();
    await until(async () => {
      await client.run("brief", {}).outcome;
      return !existsSync(path.join(runs, `${id}.run`));
    });
    expect(endsOf(linesOf(server.commandsLog)).get(id)).toEqual(["lost"]);
  });
});

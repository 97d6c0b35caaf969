/** Servers that share a runs folder have the same schedules, and each planned time is started by one of them. */
import { readFileSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { defineCommand, type Logs } from "iscep";
import { Registry } from "#iscep/commands/registry";
import { Dispatcher } from "#iscep/dispatcher";
import { ownProcessMark } from "#iscep/files/process-mark";
import { resolveLimits } from "#iscep/limits/limits";
import { folderClaims } from "#iscep/schedule/folder-claims";
import { Scheduler } from "#iscep/schedule/scheduler";
import { watchForLeaks } from "../support/leaks.js";
import { later } from "../support/cleanup.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { until } from "../support/until.js";

watchForLeaks();

const hour = 3_600_000;
const begin = Date.parse("2026-05-04T01:00:00Z");
const time = { command: "nightly", plannedMs: begin, isAlone: true };
const elsewhere = "1-1-00000000";

/** The file that says who runs it. */
function runningFile(folder: string): string {
  return path.join(folder, readdirSync(folder).find((name) => name.endsWith(".running")) ?? "");
}

test("two servers that have read the same file start each time once", async () => {
  const folder = temporaryFolder();
  const clock = { nowMs: begin };
  let started = 0;
  const servers = [1, 2].map(() => {
    const command = defineCommand({
      name: "nightly",
      schedule: { cron: "0 3,4 * * *", timeZone: "UTC" },
      run: () => ++started,
    });
    const registry = new Registry([command]);
    const limits = resolveLimits();
    const dispatcher = new Dispatcher({ registry, limits });
    const claim = folderClaims(folder, () => false, hour);
    const file = path.join(folder, "schedule.json");
    const scheduler = new Scheduler({ registry, dispatcher, file, limits, claim, now: () => clock.nowMs });
    scheduler.begin();
    later(async () => {
      scheduler.close();
      await dispatcher.close(0);
    });
    return scheduler;
  });
  for (const [index, hours] of [2, 3].entries()) {
    clock.nowMs = begin + hours * hour;
    for (const scheduler of servers) scheduler.look();
    await until(() => started > index);
    await new Promise((resolve) => setImmediate(resolve));
    expect(started).toBe(index + 1);
  }
});

test("a time is claimed only when it is known whether the server of the last run lives", async () => {
  const folder = temporaryFolder();
  const known: { isGone?: boolean } = {};
  const claim = folderClaims(folder, () => known.isGone, hour);
  expect((await claim(time)).kind).toBe("ours");
  writeFileSync(runningFile(folder), elsewhere);
  const next = { ...time, plannedMs: begin + 1 };
  await expect(claim(next)).rejects.toMatchObject({ code: "busy" });
  known.isGone = true;
  expect((await claim(next)).kind).toBe("ours");
});

test("a time is left out while the last run goes on in another server that lives", async () => {
  const folder = temporaryFolder();
  const claim = folderClaims(folder, (server) => server !== elsewhere, hour);
  const first = await claim(time);
  expect(first.kind).toBe("ours");
  expect((await claim(time)).kind).toBe("others");
  writeFileSync(runningFile(folder), elsewhere);
  const next = { ...time, plannedMs: begin + 1 };
  expect(await claim(next)).toEqual({ kind: "underWay", where: elsewhere });
  // What belongs to another server stays.
  if (first.kind === "ours") first.ended();
  expect((await claim({ ...time, plannedMs: begin + 2 })).kind).toBe("underWay");
  expect((await claim({ ...time, plannedMs: begin + 3, isAlone: false })).kind).toBe("ours");
  expect((await claim({ ...next, command: "other" })).kind).toBe("ours");
});

test("a time that is left out does not give away the mark of the run that goes on", async () => {
  const folder = temporaryFolder();
  const clock = { nowMs: begin };
  const runs: (() => void)[] = [];
  const command = defineCommand({
    name: "nightly",
    schedule: { cron: "0 * * * *", timeZone: "UTC" },
    run: () => new Promise<void>((resolve) => runs.push(resolve)),
  });
  const registry = new Registry([command]);
  const limits = resolveLimits();
  const errors: string[] = [];
  const logs: Logs = {
    access: () => {},
    error: ({ message }) => errors.push(message),
    command: () => {},
    close: () => Promise.resolve(),
  };
  const dispatcher = new Dispatcher({ registry, limits });
  const claim = folderClaims(folder, () => false, hour);
  const file = path.join(folder, "schedule.json");
  const scheduler = new Scheduler({ registry, dispatcher, file, limits, logs, claim, now: () => clock.nowMs });
  scheduler.begin();
  later(async () => {
    scheduler.close();
    for (const finish of runs) finish();
    await dispatcher.close(0);
  });
  clock.nowMs = begin + hour;
  scheduler.look();
  await until(() => runs.length === 1);
  const marked = readFileSync(runningFile(folder), "utf8");
  clock.nowMs = begin + 2 * hour;
  scheduler.look();
  await until(() => errors.length === 1);
  await new Promise((resolve) => setImmediate(resolve));
  expect(runs).toHaveLength(1);
  expect(readFileSync(runningFile(folder), "utf8")).toBe(marked);
  // Its own end does.
  runs[0]?.();
  await until(() => !readdirSync(folder).some((name) => name.endsWith(".running")));
});

test("a server that is gone holds up nothing, and a run that has ended neither", async () => {
  const folder = temporaryFolder();
  const claim = folderClaims(folder, () => true, hour);
  const first = await claim(time);
  if (first.kind === "ours") first.ended();
  expect(readdirSync(folder).filter((name) => name.endsWith(".running"))).toEqual([]);
  expect((await claim({ ...time, plannedMs: begin + 1 })).kind).toBe("ours");
  writeFileSync(runningFile(folder), elsewhere);
  expect((await claim({ ...time, plannedMs: begin + 2 })).kind).toBe("ours");
  expect(ownProcessMark()).not.toBe(elsewhere);
});

test("claims that nobody asks for any more are removed, and a folder that is gone prevents no run", async () => {
  const folder = temporaryFolder();
  const claim = folderClaims(folder, () => false, hour);
  for (let count = 0; count < 3; count++) await claim({ ...time, plannedMs: begin + count, isAlone: false });
  const [oldest = ""] = readdirSync(folder).sort();
  utimesSync(path.join(folder, oldest), 1, 1);
  await claim({ ...time, plannedMs: begin + 3, isAlone: false });
  expect(readdirSync(folder)).toHaveLength(3);
  expect(readdirSync(folder)).not.toContain(oldest);
  rmSync(folder, { recursive: true });
  expect((await claim({ ...time, plannedMs: begin + 4 })).kind).toBe("ours");
});

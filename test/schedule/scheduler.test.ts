/** Scheduled commands with a real file, a real dispatcher and real logs; only the clock is the test's. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { defineCommand, type Command, type ErrorEvent, type Logs } from "iscep";
import { Registry } from "#iscep/commands/registry";
import { Dispatcher } from "#iscep/dispatcher";
import { resolveLimits } from "#iscep/limits/limits";
import { Scheduler } from "#iscep/schedule/scheduler";
import { readScheduleFile } from "#iscep/schedule/schedule-file";
import { watchForLeaks } from "../support/leaks.js";
import { later } from "../support/cleanup.js";
import { gate } from "../support/commands.js";
import { temporaryFolder } from "../support/temporary-folder.js";

watchForLeaks();

const minute = 60_000;
const hour = 60 * minute;
const begin = Date.parse("2026-05-04T01:00:00Z");

/** The journal may have a line at the start of a run, too. */
function hasEnded({ status }: { readonly status: string }): boolean {
  return status !== "running";
}

/** A server's scheduler that looks when the test says so, and at the time that it says. */
function plan(commands: readonly Command[], file: string | undefined, startMs = begin) {
  const clock = { nowMs: startMs };
  const errors: ErrorEvent[] = [];
  const runs: Parameters<Logs["command"]>[0][] = [];
  const logs: Logs = {
    access: () => {},
    error: (event) => errors.push(event),
    command: (event) => {
      if (hasEnded(event)) runs.push(event);
    },
    close: () => Promise.resolve(),
  };
  const registry = new Registry(commands);
  const limits = resolveLimits();
  const dispatcher = new Dispatcher({ registry, limits, logs });
  const scheduler = new Scheduler({ registry, dispatcher, file, limits, logs, now: () => clock.nowMs });
  const close = async () => {
    scheduler.close();
    await dispatcher.close(0);
  };
  later(close);
  scheduler.begin();
  return {
    registry,
    errors,
    runs,
    close,
    at(timeMs: number) {
      clock.nowMs = timeMs;
      scheduler.look();
    },
  };
}

function daily(run: () => unknown, { cron = "0 3 * * *", name = "back_up" } = {}): Command {
  return defineCommand({ name, schedule: { cron, timeZone: "UTC" }, run });
}

test("it runs as owner schedule, with its arguments, and stands in the journal like any other run", () => {
  const seen: unknown[] = [];
  const command = defineCommand({
    name: "back_up",
    args: z.object({ world: z.string() }),
    schedule: { cron: "0 3 * * *", timeZone: "UTC", args: { world: "end" } },
    run: (args, { identity }) => void seen.push([args, identity.owner, identity.tokenId]),
  });
  const { at, runs, errors } = plan([command], path.join(temporaryFolder(), "schedule.json"));
  at(begin + 2 * hour - 1);
  expect(seen).toEqual([]);
  at(begin + 2 * hour);
  at(begin + 2 * hour + 1);
  expect(seen).toEqual([[{ world: "end" }, "schedule", null]]);
  expect(runs).toMatchObject([{ command: "back_up", owner: "schedule", source: "schedule", status: "completed" }]);
  expect(errors).toEqual([]);
});

test("what is started is on the disk before it runs, so that a server killed meanwhile starts it once", async () => {
  const file = path.join(temporaryFolder(), "schedule.json");
  const found: unknown[] = [];
  const command = daily(() => found.push(readScheduleFile(file).get("back_up")?.started));
  const first = plan([command], file);
  first.at(begin + 2 * hour);
  expect(found).toEqual([[[begin + 2 * hour, begin + 2 * hour]]]);
  await first.close();
  plan([command], file, begin + 2 * hour + minute).at(begin + 2 * hour + 2 * minute);
  expect(found).toHaveLength(1);
  expect(readdirSync(path.dirname(file))).toEqual(["schedule.json"]);
});

test("a restart over a planned time makes up for it within the window, and says what it gives up", async () => {
  const file = path.join(temporaryFolder(), "schedule.json");
  let count = 0;
  const commands = [daily(() => count++), daily(() => count++, { name: "early", cron: "5 1 * * *" })];
  await plan(commands, file).close();
  const { errors, runs } = plan(commands, file, begin + 2.5 * hour);
  expect(runs).toMatchObject([{ command: "back_up" }]);
  expect(errors).toMatchObject([
    { event: "schedule", command: "early", message: expect.stringContaining("2026-05-04T01:05:00.000Z was missed") },
  ]);
  expect(count).toBe(1);
});

test("without a file it works, and says once what a restart loses", () => {
  let count = 0;
  const { at, errors } = plan([daily(() => count++)], undefined);
  at(begin + 2 * hour);
  at(begin + 26 * hour);
  expect(count).toBe(2);
  expect(errors).toMatchObject([
    { event: "schedule", message: expect.stringContaining("while the server is down are lost") },
  ]);
});

test("a file that cannot be written keeps no backup from running, and is told", () => {
  const folder = temporaryFolder();
  const file = path.join(folder, "gone", "schedule.json");
  mkdirSync(path.dirname(file));
  let count = 0;
  const { at, errors } = plan([daily(() => count++)], file);
  // In place of its folder there is a file now: root, too, cannot write there.
  rmSync(path.dirname(file), { recursive: true });
  writeFileSync(path.dirname(file), "");
  at(begin + 2 * hour);
  at(begin + 2 * hour + minute);
  expect(count).toBe(1);
  expect(errors).toMatchObject([{ event: "schedule", message: expect.stringContaining("cannot be written") }]);
});

describe("a file that cannot be understood stops the start:", () => {
  test.each([
    ["cut short", '{"version":1,"sched'],
    ["of another version", '{"version":2,"schedules":{}}'],
    ["without its list", '{"version":1}'],
    ["with a time that is none", '{"version":1,"schedules":{"x":{"pattern":"a","seenMs":"1","started":[]}}}'],
    ["with half a row", '{"version":1,"schedules":{"x":{"pattern":"a","seenMs":1,"started":[[1]]}}}'],
  ])("%s", (_what, text) => {
    const file = path.join(temporaryFolder(), "schedule.json");
    writeFileSync(file, text);
    expect(() => plan([], file)).toThrow(
      expect.objectContaining({ code: "configuration", message: expect.stringContaining(file) }),
    );
    expect(readFileSync(file, "utf8")).toBe(text);
  });
});

test("where the last run is still under way the next one is left out and told; concurrency decides otherwise", async () => {
  const [plain, queued] = [gate("plain"), gate("queued")];
  const schedule = {
    schedule: {
      next: (afterMs: number) => (Math.floor(afterMs / minute) + 1) * minute,
      cron: "",
      timeZone: "",
      args: {},
      once: true,
    },
  };
  const withQueue = { concurrency: { limit: 1, whenFull: "queue" as const, key: () => "" } };
  const commands: Command[] = [
    { ...plain.command, ...schedule },
    { ...queued.command, ...schedule, ...withQueue },
  ];
  const { at, errors, runs } = plan(commands, path.join(temporaryFolder(), "schedule.json"));
  at(begin + minute);
  at(begin + 2 * minute);
  expect([plain.state.started, queued.state.started]).toEqual([1, 1]);
  expect(errors).toMatchObject([
    { event: "schedule", command: "plain", message: expect.stringContaining("still under way") },
  ]);
  queued.open();
  await queued.started(2);
  plain.open();
  queued.open();
  while (runs.length < 3) await new Promise((resolve) => setImmediate(resolve));
  at(begin + 3 * minute);
  expect([plain.state.started, queued.state.started]).toEqual([2, 3]);
  plain.open();
  queued.open();
  while (runs.length < 5) await new Promise((resolve) => setImmediate(resolve));
});

test("a command that comes while the server runs is scheduled from then on, and one that goes is forgotten", async () => {
  const file = path.join(temporaryFolder(), "schedule.json");
  let count = 0;
  const { registry, at } = plan([], file);
  expect(existsSync(file)).toBe(false);
  registry.register(daily(() => count++));
  while (!existsSync(file)) await new Promise((resolve) => setImmediate(resolve));
  at(begin + 2 * hour);
  expect(count).toBe(1);
  registry.unregister("back_up");
  registry.register(daily(() => count++, { name: "other" }));
  at(begin + 2 * hour + minute);
  expect([...readScheduleFile(file).keys()]).toEqual(["other"]);
});

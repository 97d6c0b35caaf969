/** The commands log is read back: starts and ends of runs, over days, and whatever else stands in it. */
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { defaultLimits, type Limits } from "#iscep/limits/limits";
import { openLogFiles } from "#iscep/logs/files";
import { atOnce } from "#iscep/files/in-turns";
import { readHistory } from "#iscep/logs/history";
import type { CommandEvent } from "#iscep/model/logs";
import { HandClock } from "../support/hand-clock.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const dayMs = 24 * 3_600_000;

async function open(limits: Partial<Limits> = {}) {
  const folder = temporaryFolder();
  const clock = new HandClock(new Date("2026-08-01T12:00:00").getTime());
  const logs = await openLogFiles(folder, { limits: { ...defaultLimits, ...limits }, clock });
  const path = join(folder, "commands.log");
  const event = (runId: string, changes: Partial<CommandEvent> = {}): CommandEvent => ({
    runId,
    command: "backup",
    owner: "alice",
    tokenId: null,
    source: "127.0.0.1",
    startedAtMs: clock.now(),
    durationMs: 0,
    status: "completed",
    outputBytes: 7,
    server: "1-2-00000000",
    args: {},
    ...changes,
  });
  return { folder, path, clock, logs, event, text: () => readFileSync(path, "utf8") };
}

test("a run over midnight has its start in one file and its end in the next", async () => {
  const { path, clock, logs, event } = await open();
  const startedAtMs = clock.now();
  logs.command(event("long", { status: "running" }));
  logs.command(event("alone", { status: "running" }));
  await clock.goTo(startedAtMs + dayMs);
  logs.command(event("long", { startedAtMs, durationMs: dayMs, status: "failed", code: "failed", exitCode: 3 }));
  await logs.close();
  const { runs, badLines } = atOnce(readHistory(path, 1_000_000));
  expect(badLines).toBe(0);
  expect(runs.get("long")).toMatchObject({
    startedAtMs,
    end: { endedAtMs: startedAtMs + dayMs, status: "failed", code: "failed", exitCode: 3, outputBytes: 7 },
  });
  expect(runs.get("alone")).toMatchObject({ owner: "alice", server: "1-2-00000000", end: undefined });
});

test("only the newest bytes are read, and the line that they begin in the middle of is not counted as bad", async () => {
  const { path, logs, event } = await open();
  for (let number = 0; number < 100; number++) logs.command(event(`run-${number}`));
  await logs.close();
  const { runs, badLines } = atOnce(readHistory(path, 5_000));
  expect(badLines).toBe(0);
  expect(runs.has("run-99")).toBe(true);
  expect(runs.has("run-0")).toBe(false);
  expect(runs.size).toBeGreaterThan(5);
});

test("what is no whole line is counted and passed over; arguments cannot pretend to be fields", async () => {
  const { folder, path, logs, event } = await open();
  logs.command(event("good"));
  logs.command(event("at once", { server: undefined as never, args: { server: "1-2-00000000", runId: "forged" } }));
  await logs.close();
  appendFileSync(
    path,
    'rubbish\n{"half":\n{"runId":"x","server":"\n{"runId":7,"server":"x"}\n{"runId":"cut","server":"1-',
  );
  const { runs, badLines } = atOnce(readHistory(path, 1_000_000));
  expect([...runs.keys()]).toEqual(["good"]);
  expect(badLines).toBe(4);
  writeFileSync(path, Buffer.alloc(10_000, 0xff));
  expect(atOnce(readHistory(path, 1_000_000))).toEqual({ runs: new Map(), badLines: 1 });
  expect(atOnce(readHistory(join(folder, "not there"), 1_000)).runs.size).toBe(0);
});

describe("a line that has to survive", () => {
  test("is with the system when it was told, and so is what came before it", async () => {
    const { logs, event, text } = await open({ logFlushMs: 1_000_000 });
    logs.command(event("waits"));
    expect(text()).toBe("");
    logs.command(event("durable", { status: "running", isDurable: true }));
    expect(text().split("\n")).toEqual([expect.stringContaining("waits"), expect.stringContaining("durable"), ""]);
    await logs.close();
  });

  test("keeps lines whole and in order while others are being written", async () => {
    const { logs, event, text } = await open();
    const ids: string[] = [];
    for (let number = 0; number < 3_000; number++) {
      const runId = `run-${number}`;
      ids.push(runId);
      // Enough to start writes that go on beside this loop.
      logs.command(event(runId, { isDurable: number % 7 === 0 }));
      if (number % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await logs.close();
    const lines = text()
      .split("\n")
      .slice(0, -1)
      .map((line) => (JSON.parse(line) as { runId: string }).runId);
    expect(lines.toSorted()).toEqual(ids.toSorted());
  });
});

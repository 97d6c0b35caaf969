import { execFile } from "node:child_process";
import { existsSync, mkdirSync, rmSync, statSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { openLogFiles } from "#iscep/logs/files";
import { defaultLimits } from "#iscep/limits/limits";
import { accessEvent } from "../support/log-events.js";
import { HandClock, noonToday } from "../support/hand-clock.js";
import { linesOf } from "../support/log-files.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { until } from "../support/until.js";

const run = promisify(execFile);
const hasFullDevice = existsSync("/dev/full");

function size(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

describe("the folder of the logs", () => {
  test("is made 0700 with its parents, and its files 0600", async () => {
    const folder = join(temporaryFolder(), "var", "logs");
    await (await openLogFiles(folder, { limits: defaultLimits })).close();
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    for (const name of ["access.log", "error.log", "commands.log"]) {
      expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
    }
  });

  test("that exists stays as it is, and logs in it that others could read are closed to them", async () => {
    const folder = join(temporaryFolder(), "logs");
    mkdirSync(folder, { mode: 0o755 });
    writeFileSync(join(folder, "access.log"), "", { mode: 0o644 });
    await (await openLogFiles(folder, { limits: defaultLimits })).close();
    expect(statSync(folder).mode & 0o777).toBe(0o755);
    expect(statSync(join(folder, "access.log")).mode & 0o777).toBe(0o600);
  });

  test("that cannot be made, or has no place for a log, is an error of the configuration", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "file"), "");
    await expect(openLogFiles(join(folder, "file", "logs"), { limits: defaultLimits })).rejects.toMatchObject({
      name: "IscepError",
      code: "configuration",
      cause: { code: "ENOTDIR" },
    });
    mkdirSync(join(folder, "error.log"));
    await expect(openLogFiles(folder, { limits: defaultLimits })).rejects.toMatchObject({ code: "configuration" });
  });

  test("may be removed: it is made again, and the lines that waited are in it", async () => {
    const folder = join(temporaryFolder(), "logs");
    const clock = new HandClock(noonToday());
    const problems: string[] = [];
    const logs = await openLogFiles(folder, {
      limits: defaultLimits,
      clock,
      onProblem: (message) => problems.push(message),
    });
    logs.access({ ...accessEvent, source: "lost with its folder" });
    await clock.goTo(clock.now() + 1000);
    await until(() => size(join(folder, "access.log")) > 0);
    rmSync(folder, { recursive: true });
    logs.access({ ...accessEvent, source: "after" });
    await clock.goTo(clock.now() + 1000);
    await until(() => size(join(folder, "access.log")) > 0);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    rmSync(folder, { recursive: true });
    logs.access({ ...accessEvent, source: "at the close" });
    await logs.close();
    expect(linesOf(join(folder, "access.log"))).toMatchObject([{ source: "at the close" }]);
    expect(problems).toEqual([]);
  });

  test("that cannot be made again is told once a minute, and used when it can", async () => {
    const parent = temporaryFolder();
    const folder = join(parent, "logs");
    const clock = new HandClock(noonToday());
    const problems: string[] = [];
    const logs = await openLogFiles(folder, {
      limits: defaultLimits,
      clock,
      onProblem: (message) => problems.push(message),
    });
    rmSync(folder, { recursive: true });
    writeFileSync(folder, "in the way");
    const startMs = clock.now();
    for (let second = 0; second < 150; second++) {
      await clock.goTo(startMs + second * 1000);
      logs.access({ ...accessEvent, source: "waits" });
    }
    expect(problems.length).toBeGreaterThanOrEqual(2);
    expect(problems.length).toBeLessThanOrEqual(3);
    unlinkSync(folder);
    logs.access({ ...accessEvent, source: "after" });
    await logs.close();
    expect(linesOf(join(folder, "access.log")).at(-1)).toMatchObject({ source: "after" });
  });
});

describe.runIf(hasFullDevice)("a full disk", () => {
  test("is told, crashes nothing, and the lines come when there is room", async () => {
    const folder = temporaryFolder();
    const path = join(folder, "access.log");
    symlinkSync("/dev/full", path);
    const clock = new HandClock(noonToday());
    const problems: unknown[] = [];
    const logs = await openLogFiles(folder, {
      limits: defaultLimits,
      clock,
      onProblem: (_, error) => problems.push(error),
    });
    for (let line = 0; line < 1000; line++) logs.access({ ...accessEvent, connection: line });
    await clock.goTo(clock.now() + 1000);
    await until(() => problems.length === 1);
    expect(problems).toMatchObject([{ code: "ENOSPC" }]);
    logs.error({ event: "internal", message: "another file has room" });
    unlinkSync(path);
    await clock.goTo(clock.now() + 1000);
    await until(() => size(path) > 0);
    await logs.close();
    expect(linesOf(path).map((line) => line["connection"])).toEqual(Array.from({ length: 1000 }, (_, line) => line));
    expect(linesOf(join(folder, "error.log"))).toHaveLength(1);
  });

  test("makes lines wait up to the limit; the rest is counted in the log itself", async () => {
    const folder = temporaryFolder();
    const path = join(folder, "access.log");
    symlinkSync("/dev/full", path);
    const clock = new HandClock(noonToday());
    const problems: string[] = [];
    const limits = { ...defaultLimits, maxLogBufferBytes: 20_000 };
    const logs = await openLogFiles(folder, { limits, clock, onProblem: (message) => problems.push(message) });
    for (let line = 0; line < 1000; line++) logs.access(accessEvent);
    await clock.goTo(clock.now() + 1000);
    await until(() => problems.length === 1);
    unlinkSync(path);
    await clock.goTo(clock.now() + 1000);
    await until(() => size(path) > 0);
    logs.access(accessEvent);
    await logs.close();
    const lines = linesOf(path);
    const lost = lines.filter((line) => line["event"] === "lines_lost");
    const told = lost.reduce((sum, line) => sum + Number(line["count"]), 0);
    expect(told).toBeGreaterThan(0);
    expect(lines.length - lost.length + told).toBe(1001);
  });

  test("that stays full does not hold up the close", async () => {
    const folder = temporaryFolder();
    symlinkSync("/dev/full", join(folder, "access.log"));
    const problems: string[] = [];
    const limits = { ...defaultLimits, logProblemIntervalMs: 0 };
    const logs = await openLogFiles(folder, { limits, onProblem: (message) => problems.push(message) });
    logs.access(accessEvent);
    await logs.close();
    await logs.close();
    logs.access(accessEvent);
    expect(problems.some((message) => message.includes("up to 1 lines"))).toBe(true);
  });

  test("does not keep a process from its exit", async () => {
    const folder = temporaryFolder();
    symlinkSync("/dev/full", join(folder, "access.log"));
    const script = `${opening}
      for (let line = 0; line < 1000; line++) logs.access(event);
      setTimeout(() => process.exit(3), 50);`;
    await expect(run(process.execPath, ["--input-type=module", "-e", script, folder])).rejects.toMatchObject({
      code: 3,
    });
  });

  test("without onProblem is a warning of the process, in which an onProblem that throws ends as well", async () => {
    const folder = temporaryFolder();
    symlinkSync("/dev/full", join(folder, "access.log"));
    const script = `${opening} logs.access(event); await logs.close();
      const other = await openLogFiles(process.argv[1], { limits: defaultLimits, onProblem() { throw new Error("mine"); } });
      other.access(event); await other.close();`;
    const { stderr } = await run(process.execPath, ["--input-type=module", "-e", script, folder]);
    expect(stderr).toContain("[ISCEP_LOGS]");
    expect(stderr).toContain("ENOSPC");
    expect(stderr).toContain("mine");
  });
});

const opening = `
  import { openLogFiles } from "#iscep/logs/files";
  import { defaultLimits } from "#iscep/limits/limits";
  const logs = await openLogFiles(process.argv[1], { limits: defaultLimits });
  const event = { event: "open", connection: 1, source: "127.0.0.1" };`;

describe("the end of a process", () => {
  test.each([
    ["by itself, as no timer of the logs keeps it alive", "", 0],
    ["by process.exit", "process.exit(3);", 3],
    ["by process.exit after a close that nobody waits for", "void logs.close(); process.exit(3);", 3],
    ["by an exception that nobody catches", "throw new Error('x');", 1],
  ])("%s loses no line", async (_, end, code) => {
    const folder = temporaryFolder();
    const script = `${opening} for (let line = 0; line < 5000; line++) logs.access(event); ${end}`;
    const ended = run(process.execPath, ["--input-type=module", "-e", script, folder]);
    if (code === 0) await ended;
    else await expect(ended).rejects.toMatchObject({ code });
    expect(linesOf(join(folder, "access.log"))).toHaveLength(5000);
  });

  test("lines reach the file while it runs", async () => {
    const folder = temporaryFolder();
    const logs = await openLogFiles(folder, { limits: defaultLimits });
    logs.access(accessEvent);
    await until(() => size(join(folder, "access.log")) > 0);
    expect(linesOf(join(folder, "access.log"))).toHaveLength(1);
    await logs.close();
  });

  test("many logs open at once make no warning of a leak", async () => {
    // Those of tests before this one may still go.
    const before = process.listenerCount("exit");
    const all = await Promise.all(
      Array.from({ length: 12 }, () => openLogFiles(temporaryFolder(), { limits: defaultLimits })),
    );
    expect(process.listenerCount("exit")).toBeLessThanOrEqual(before + 1);
    await Promise.all(all.map((logs) => logs.close()));
    expect(process.listenerCount("exit")).toBeLessThanOrEqual(before);
  });
});

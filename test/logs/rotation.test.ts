import { readdirSync, readFileSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { localDay, nextMidnightMs } from "#iscep/logs/clock";
import type { Logs } from "iscep";
import { commandLine } from "#iscep/logs/lines";
import { openLogFiles } from "#iscep/logs/files";
import { defaultLimits, type Limits } from "#iscep/limits/limits";
import { accessEvent, commandEvent } from "../support/log-events.js";
import { HandClock, noonToday } from "../support/hand-clock.js";
import { linesOf } from "../support/log-files.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const hourMs = 3_600_000;
const zone = process.env["TZ"];

afterEach(() => {
  inZone(zone);
});

function inZone(name: string | undefined): void {
  if (name === undefined) delete process.env["TZ"];
  else process.env["TZ"] = name;
}

function at(local: string): number {
  return new Date(local).getTime();
}

function logsOf(folder: string, kind = "access"): string[] {
  return readdirSync(folder)
    .filter((name) => name.startsWith(`${kind}.log`))
    .sort();
}

async function open(folder: string, clock: HandClock, limits: Partial<Limits> = {}) {
  const problems: string[] = [];
  const logs = await openLogFiles(folder, {
    limits: { ...defaultLimits, ...limits },
    clock,
    onProblem: (message) => problems.push(message),
  });
  return { ...logs, problems, say: (source: string) => logs.access({ ...accessEvent, source }) };
}

function sources(path: string): unknown[] {
  return linesOf(path).map((line) => line["source"]);
}

describe("at the local midnight", () => {
  test("each log gets the day that it holds for a name, and lines go to the file of their day", async () => {
    const folder = temporaryFolder();
    const clock = new HandClock(at("2026-08-01T22:00:00"));
    const logs = await open(folder, clock);
    logs.say("first");
    await clock.goTo(at("2026-08-01T23:59:59.999"));
    logs.say("just before"); // still waits when the day ends
    await clock.goTo(at("2026-08-02T00:00:00"));
    logs.say("second");
    await clock.goTo(at("2026-08-03T12:00:00"));
    logs.say("third");
    await logs.close();
    expect(logsOf(folder)).toEqual(["access.log", "access.log.2026-08-01", "access.log.2026-08-02"]);
    expect(sources(join(folder, "access.log.2026-08-01"))).toEqual(["first", "just before"]);
    expect(sources(join(folder, "access.log.2026-08-02"))).toEqual(["second"]);
    expect(sources(join(folder, "access.log"))).toEqual(["third"]);
    expect(logsOf(folder, "error")).toHaveLength(3);
    expect(logsOf(folder, "commands")).toHaveLength(3);
    for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
    expect(logs.problems).toEqual([]);
  });

  test("the file changes with the first line of the day, also when no timer has fired", async () => {
    const folder = temporaryFolder();
    const clock = new HandClock(at("2026-08-01T12:00:00"));
    const logs = await open(folder, clock);
    logs.say("before the sleep");
    clock.jumpTo(at("2026-08-04T08:00:00"));
    logs.say("after the sleep");
    await logs.close();
    expect(logsOf(folder)).toEqual(["access.log", "access.log.2026-08-01"]);
    expect(sources(join(folder, "access.log"))).toEqual(["after the sleep"]);
  });

  test("as many old files are kept as the limit says", async () => {
    const folder = temporaryFolder();
    const clock = new HandClock(at("2026-08-01T12:00:00"));
    const logs = await open(folder, clock);
    for (let day = 2; day <= 20; day++) await clock.goTo(at(`2026-08-${String(day).padStart(2, "0")}T00:00:01`));
    await logs.close();
    expect(logsOf(folder)).toEqual([
      "access.log",
      ...Array.from({ length: 7 }, (_, index) => `access.log.2026-08-${index + 13}`),
    ]);
  });

  test("files of others in the folder are left alone", async () => {
    const folder = temporaryFolder();
    const others = ["access.log.bak", "access.log.2026-01-01.gz", "my.access.log.2026-01-01", "notes"];
    for (const name of others) writeFileSync(join(folder, name), name);
    const clock = new HandClock(at("2026-08-01T12:00:00"));
    const logs = await open(folder, clock, { maxLogFiles: 0 });
    await clock.goTo(at("2026-08-02T12:00:00"));
    await logs.close();
    expect(readdirSync(folder).sort()).toEqual([...others, "access.log", "commands.log", "error.log"].sort());
  });

  test("a day that has a file already gets another: nothing is overwritten", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "access.log.2026-08-01"), "kept");
    const clock = new HandClock(at("2026-08-01T12:00:00"));
    const logs = await open(folder, clock);
    logs.say("new");
    await clock.goTo(at("2026-08-02T12:00:00"));
    await logs.close();
    expect(readFileSync(join(folder, "access.log.2026-08-01"), "utf8")).toBe("kept");
    expect(sources(join(folder, "access.log.2026-08-01.1"))).toEqual(["new"]);
  });

  test("two logs in one folder lose no line to each other", async () => {
    const folder = temporaryFolder();
    const clock = new HandClock(at("2026-08-01T12:00:00"));
    const one = await open(folder, clock);
    const two = await open(folder, clock);
    one.say("one, first day");
    two.say("two, first day");
    await clock.goTo(at("2026-08-02T12:00:00"));
    one.say("one, second day");
    two.say("two, second day");
    await one.close();
    await two.close();
    expect(logsOf(folder)).toEqual(["access.log", "access.log.2026-08-01"]);
    expect(sources(join(folder, "access.log.2026-08-01")).sort()).toEqual(["one, first day", "two, first day"]);
    expect(sources(join(folder, "access.log")).sort()).toEqual(["one, second day", "two, second day"]);
  });

  test("a link, as to the output of a container, stays", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "elsewhere"), "", { mode: 0o644 });
    symlinkSync(join(folder, "elsewhere"), join(folder, "access.log"));
    const clock = new HandClock(at("2026-08-01T12:00:00"));
    const logs = await open(folder, clock);
    logs.say("first");
    await clock.goTo(at("2026-08-02T12:00:00"));
    logs.say("second");
    await logs.close();
    expect(logsOf(folder)).toEqual(["access.log"]);
    expect(sources(join(folder, "elsewhere"))).toEqual(["first", "second"]);
    expect(statSync(join(folder, "elsewhere")).mode & 0o777).toBe(0o644);
  });
});

describe("a file that is full", () => {
  const flood = (logs: Logs, from: number, to: number): void => {
    for (let number = from; number < to; number++)
      logs.command({ ...commandEvent, source: String(number), isDurable: true });
  };
  const lineBytes = commandLine({ ...commandEvent, source: "100" }, defaultLimits).length;
  const numbersIn = (folder: string): string[] =>
    logsOf(folder, "commands").flatMap((name) => sources(join(folder, name)).map(String));

  test("is followed by the next one, and the newest of them are kept, whatever is written", async () => {
    const folder = temporaryFolder();
    const limits = { maxLogFileBytes: 4 * lineBytes, maxLogFiles: 3 };
    const logs = await open(folder, new HandClock(at("2026-08-01T12:00:00")), limits);
    flood(logs, 100, 150);
    await logs.close();
    // 12 files of 4 lines, and 2 more lines.
    expect(logsOf(folder, "commands")).toEqual(
      ["", ".10", ".11", ".9"].map((end) => (end === "" ? "commands.log" : `commands.log.2026-08-01${end}`)),
    );
    for (const name of logsOf(folder, "commands"))
      expect(statSync(join(folder, name)).size).toBeLessThanOrEqual(limits.maxLogFileBytes);
    expect(numbersIn(folder).sort()).toEqual(Array.from({ length: 14 }, (_, index) => String(136 + index)));
    expect(logs.problems).toEqual([]);
  });

  test("counts what an earlier process left in it", async () => {
    const folder = temporaryFolder();
    const clock = new HandClock(noonToday());
    for (let number = 100; number < 104; number++) {
      const logs = await open(folder, clock, { maxLogFileBytes: 2 * lineBytes });
      flood(logs, number, number + 1);
      await logs.close();
    }
    expect(logsOf(folder, "commands")).toHaveLength(2);
    expect(numbersIn(folder).sort()).toEqual(["100", "101", "102", "103"]);
  });

  test("stays when it is a link, and no line is lost", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "elsewhere"), "");
    symlinkSync(join(folder, "elsewhere"), join(folder, "commands.log"));
    const logs = await open(folder, new HandClock(noonToday()), { maxLogFileBytes: 2 * lineBytes });
    flood(logs, 100, 110);
    await logs.close();
    expect(logsOf(folder, "commands")).toEqual(["commands.log"]);
    expect(sources(join(folder, "elsewhere"))).toHaveLength(10);
  });
});

describe("at a start", () => {
  test("a file left from an earlier day is renamed to the day of its last line; one of today goes on", async () => {
    const folder = temporaryFolder();
    for (const [name, time] of [
      ["access.log", "2026-07-30T23:00:00"],
      ["error.log", "2026-08-01T00:00:01"],
    ] as const) {
      writeFileSync(join(folder, name), '{"source":"left"}\n', { mode: 0o644 });
      utimesSync(join(folder, name), at(time) / 1000, at(time) / 1000);
    }
    const logs = await open(folder, new HandClock(at("2026-08-01T12:00:00")));
    logs.say("new");
    logs.error({ event: "internal", message: "x", source: "new" });
    await logs.close();
    expect(logsOf(folder)).toEqual(["access.log", "access.log.2026-07-30"]);
    expect(sources(join(folder, "access.log.2026-07-30"))).toEqual(["left"]);
    expect(sources(join(folder, "access.log"))).toEqual(["new"]);
    expect(sources(join(folder, "error.log"))).toEqual(["left", "new"]);
    expect(statSync(join(folder, "error.log")).mode & 0o777).toBe(0o600);
  });

  test("the number of old files is brought down to the limit", async () => {
    const folder = temporaryFolder();
    for (let day = 10; day < 30; day++) writeFileSync(join(folder, `access.log.2026-07-${day}`), "");
    writeFileSync(join(folder, "access.log.2026-07-29.2"), "");
    writeFileSync(join(folder, "access.log.2026-07-29.10"), "");
    await (await open(folder, new HandClock(at("2026-08-01T12:00:00")), { maxLogFiles: 4 })).close();
    expect(logsOf(folder)).toEqual(
      ["", ".2026-07-28", ".2026-07-29", ".2026-07-29.10", ".2026-07-29.2"].map((end) => `access.log${end}`),
    );
  });

  test("half a line that a crash left does not swallow the next one", async () => {
    const folder = temporaryFolder();
    const clock = new HandClock(noonToday());
    writeFileSync(join(folder, "access.log"), '{"half');
    const logs = await open(folder, clock);
    logs.say("whole");
    await logs.close();
    const [half, whole = ""] = readFileSync(join(folder, "access.log"), "utf8").split("\n");
    expect(half).toBe('{"half');
    expect(JSON.parse(whole)).toMatchObject({ source: "whole" });
  });
});

describe("where the clocks are changed", () => {
  test.each([
    ["Europe/Berlin", "2026-03-29", 23],
    ["Europe/Berlin", "2026-10-25", 25],
    ["America/New_York", "2026-11-01", 25],
    ["Africa/Cairo", "2026-04-24", 23], // its midnight does not exist: the day begins at one
    ["Australia/Lord_Howe", "2026-04-05", 24.5],
    ["Asia/Kathmandu", "2026-06-01", 24],
  ])("in %s the day %s has its own length", async (name, day, hours) => {
    inZone(name);
    const noonMs = at(`${day}T12:00:00`);
    const startMs = nextMidnightMs(noonMs - 24 * hourMs);
    const endMs = nextMidnightMs(noonMs);
    expect((endMs - startMs) / hourMs).toBe(hours);
    expect([startMs - 1, startMs, endMs - 1, endMs].map((timeMs) => localDay(timeMs) === day)).toEqual([
      false,
      true,
      true,
      false,
    ]);

    const folder = temporaryFolder();
    const clock = new HandClock(startMs - hourMs);
    const logs = await open(folder, clock);
    for (let timeMs = startMs - hourMs; timeMs < endMs + 2 * hourMs; timeMs += hourMs / 2) {
      await clock.goTo(timeMs);
      logs.say(localDay(timeMs));
    }
    await logs.close();
    const rotated = logsOf(folder).slice(1);
    expect(rotated).toHaveLength(2);
    for (const file of rotated) {
      expect(new Set(sources(join(folder, file)))).toEqual(new Set([file.slice("access.log.".length)]));
    }
    expect(sources(join(folder, `access.log.${day}`))).toHaveLength(hours * 2);
  });
});

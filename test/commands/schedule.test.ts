import { describe, expect, test } from "vitest";
import { z } from "zod";
import { defineCommand, defineScript, type ScheduleDefinition } from "iscep";

function define(schedule: unknown) {
  return defineCommand({
    name: "back_up",
    args: z.object({ world: z.string().default("overworld") }),
    schedule: schedule as string,
    run: () => 1,
  });
}

function times(cron: string, timeZone: string, from: string, count: number): string[] {
  const { schedule } = define({ cron, timeZone });
  const found: string[] = [];
  for (let at = Date.parse(from); found.length < count;) {
    at = schedule?.next(at) ?? Number.NaN;
    found.push(new Date(at).toISOString().slice(0, 16));
  }
  return found;
}

test("the times are those of the zone, strictly after the one that is given", () => {
  expect(times("0 3 * * *", "Europe/Berlin", "2026-06-01T01:00:00Z", 2)).toEqual([
    "2026-06-02T01:00",
    "2026-06-03T01:00",
  ]);
  expect(times("0 3 * * *", "Europe/Berlin", "2026-01-01T01:59:59.999Z", 1)).toEqual(["2026-01-01T02:00"]);
  expect(times("*/20 22 * * MON-FRI", "UTC", "2026-11-27T22:30:00Z", 2)).toEqual([
    "2026-11-27T22:40",
    "2026-11-30T22:00",
  ]);
});

test("a time that the change to summer time leaves out comes right after it, and one that comes twice counts once", () => {
  expect(times("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2)).toEqual([
    "2026-03-29T01:00",
    "2026-03-30T00:30",
  ]);
  expect(times("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2)).toEqual([
    "2026-10-25T00:30",
    "2026-10-26T01:30",
  ]);
  // What comes every half hour goes on through the hour that there is twice.
  expect(times("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", 3)).toEqual([
    "2026-10-25T00:30",
    "2026-10-25T01:00",
    "2026-10-25T01:30",
  ]);
});

test("without a zone it is the one of this machine; the long form has arguments and a zone", () => {
  const own = new Intl.DateTimeFormat().resolvedOptions().timeZone;
  expect(define("0 3 * * *").schedule).toMatchObject({ cron: "0 3 * * *", timeZone: own, args: {} });
  const long = { cron: "@daily", timeZone: "Asia/Tokyo", args: { world: "end" } } satisfies ScheduleDefinition;
  expect(define(long).schedule).toMatchObject({ ...long });
});

describe("a schedule that could never do its work is refused:", () => {
  test.each<[string, unknown, RegExp]>([
    ["no pattern at all", "", /"" is no cron pattern .*write minute, hour/],
    ["four fields", "0 3 * *", /is no cron pattern/],
    ["seconds", "0 0 3 * * *", /is no cron pattern/],
    ["a minute that there is not", "61 * * * *", /is no cron pattern \(Invalid value for minute: 61\)/],
    ["a day that never comes", "0 0 30 2 *", /"0 0 30 2 \*" never comes/],
    [
      "a zone that there is not",
      { cron: "0 3 * * *", timeZone: "Europe/Nowhere" },
      /there is no time zone "Europe\/Nowhere"/,
    ],
    ["an unknown word", { cron: "0 3 * * *", time_zone: "UTC" }, /there is no "time_zone"; did you mean "timeZone"/],
    ["arguments that do not fit", { cron: "0 3 * * *", args: { world: 7 } }, /would be refused .*"world"/],
    ["arguments that there are not", { cron: "0 3 * * *", args: { word: "x" } }, /would be refused .*"word"/],
    ["neither text nor object", 7, /must be a cron pattern/],
    ["no text as cron", { cron: 7 }, /cron must be a text/],
  ])("%s", (_what, schedule, sentence) => {
    expect(() => define(schedule)).toThrow(sentence);
  });

  test("a script that needs arguments, and gets none", () => {
    const script = (schedule: string | ScheduleDefinition) =>
      defineScript({ name: "x", run: ["date", "{world}"], args: { world: { type: "string" } }, schedule });
    expect(() => script("0 3 * * *")).toThrow(/would be refused at each run: argument "world" is missing/);
    expect(script({ cron: "0 3 * * *", args: { world: "end" } }).schedule?.args).toEqual({ world: "end" });
  });
});

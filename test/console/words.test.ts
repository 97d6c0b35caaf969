import { describe, expect, test } from "vitest";
import { cronInWords } from "../../console/src/words/cron.js";
import { countText, durationText, relativeTime, remainingText, sizeText } from "../../console/src/words/time.js";

test.each([
  ["0 3 * * *", "every day at 03:00"],
  ["30 6 * * MON", "at 06:30 on Monday"],
  ["@hourly", "every hour"],
  ["@daily", "every day at 00:00"],
  ["@weekly", "at 00:00 on Sunday"],
  ["@yearly", "at 00:00 on the 1st of the month in January"],
  ["* * * * *", "every minute"],
  ["*/5 * * * *", "every 5 minutes"],
  ["15 * * * *", "every hour at minute 15"],
  ["0 */2 * * *", "every 2 hours"],
  ["0 8,12,17 * * 1-5", "at 08:00, 12:00 and 17:00 from Monday to Friday"],
  ["*/10 9-16 * * 1-5", "every 10 minutes from 09:00 to 16:59 from Monday to Friday"],
  ["0 0 1,15 * *", "at 00:00 on the 1st and 15th of the month"],
  ["0 0 L * *", "at 00:00 on the last day of the month"],
  ["0 0 * 3-5,12 SAT,SUN", "at 00:00 on Saturday and Sunday in March to May and December"],
  ["0 0 * * 5#2", "at times that match 0 0 * * 5#2"],
  ["what is this", "at times that match what is this"],
])("the schedule %s is told as: %s", (pattern, words) => {
  expect(cronInWords(pattern)).toBe(words);
});

describe("times", () => {
  test.each([
    [-1, "now"],
    [59_999, "in less than a minute"],
    [119_000, "in 1 min"],
    [2 * 86_400_000 + 3_600_000, "in 2 d 1 h"],
  ])("%d ms that are left are told as: %s", (ms, words) => {
    expect(remainingText(ms)).toBe(words);
  });

  const now = Date.UTC(2026, 0, 15, 12);
  test.each([
    [now, "now"],
    [now - 30_000, "30 s ago"],
    [now + 5 * 60_000, "in 5 min"],
    [now - 3 * 3_600_000, "3 h ago"],
    [now + 2 * 86_400_000, "in 2 d"],
  ])("%d is %s", (time, words) => {
    expect(relativeTime(time, now)).toBe(words);
  });

  test("durations, sizes and counts", () => {
    expect([0, 340, 4_200, 10_000, 185_000, 7_200_000, 7_800_000, 90_000_000].map(durationText)).toEqual([
      "0 ms",
      "340 ms",
      "4.2 s",
      "10 s",
      "3 min 5 s",
      "2 h",
      "2 h 10 min",
      "1 d 1 h",
    ]);
    expect([0, 512, 1_434, 64 * 2 ** 20].map(sizeText)).toEqual(["0 B", "512 B", "1.4 KiB", "64 MiB"]);
    expect([countText(1, "run"), countText(1_200, "run"), countText(0, "entry", "entries")]).toEqual([
      "1 run",
      "1,200 runs",
      "0 entries",
    ]);
  });
});

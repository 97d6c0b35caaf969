import fc from "fast-check";
import { expect, test } from "vitest";
import { isAtEnd, lineHash, readLineHash, visibleRows } from "../../console/src/output/follow.js";
import { bucketsOf, statisticsOf } from "../../console/src/words/statistics.js";
import { countSteps, timeSteps } from "../../console/src/words/axis.js";
import { readRun } from "../../console/src/api/types.js";
import { numRuns } from "../support/hostile-text.js";

const rowHeight = 20;

test("every row that can be seen is drawn, and not many more", () => {
  fc.assert(
    fc.property(
      fc.nat(600_000),
      fc.integer({ min: 1, max: 3_000 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (rowCount, height, part) => {
        const scrollTop = Math.max(0, rowCount * rowHeight - height) * part;
        const { start, end } = visibleRows({ scrollTop, height, rowHeight, rowCount });
        expect(start).toBeLessThanOrEqual(Math.floor(scrollTop / rowHeight));
        expect(end).toBeGreaterThanOrEqual(Math.min(rowCount, Math.ceil((scrollTop + height) / rowHeight)));
        expect(end).toBeLessThanOrEqual(rowCount);
        expect(end - start).toBeLessThanOrEqual(Math.ceil(height / rowHeight) + 60);
      },
    ),
    { numRuns },
  );
});

test("the end is where the last row can be seen", () => {
  const at = (scrollTop: number): boolean => isAtEnd({ scrollTop, height: 400, rowHeight, rowCount: 100 });
  expect([at(1_600), at(1_590), at(1_579), at(0)]).toEqual([true, true, false, false]);
  expect(isAtEnd({ scrollTop: 0, height: 400, rowHeight, rowCount: 3 })).toBe(true);
});

test("a link to lines is read as it was written, and anything else leads nowhere", () => {
  fc.assert(
    fc.property(fc.nat(999_999), fc.nat(999_999), (one, other) => {
      expect(readLineHash(lineHash(one, other))).toEqual({ from: Math.min(one, other), to: Math.max(one, other) });
    }),
    { numRuns },
  );
  for (const hash of ["", "L0", "L", "L1-", "main", "L1e9", "L12345678901", "L1<b>"])
    expect(readLineHash(hash), hash).toBeUndefined();
});

test("charts count each run once, in the time in which it started", () => {
  const run = fc.record({
    run: fc.uuid(),
    command: fc.constantFrom("a", "b"),
    status: fc.constantFrom("completed", "failed", "cancelled", "running"),
    startedAtMs: fc.integer({ min: 1_000, max: 1_999 }),
    endedAtMs: fc.integer({ min: 2_000, max: 9_000 }),
  });
  fc.assert(
    fc.property(fc.array(run, { maxLength: 50 }), fc.integer({ min: 1, max: 60 }), (records, count) => {
      const runs = records.map(readRun);
      const ended = runs.filter(({ status }) => status !== "running");
      const buckets = bucketsOf(runs, 1_000, 2_000, count);
      expect(buckets).toHaveLength(count);
      expect(buckets.reduce((sum, { completed, other, failed }) => sum + completed + other + failed, 0)).toBe(
        ended.length,
      );
      const statistics = statisticsOf(runs);
      expect(statistics.reduce((sum, each) => sum + each.runs, 0)).toBe(ended.length);
      for (const { medianMs = 0, longestMs = 0 } of statistics) expect(medianMs).toBeLessThanOrEqual(longestMs);
    }),
    { numRuns },
  );
});

test("the lines of a chart reach its highest value, and are few", () => {
  fc.assert(
    fc.property(fc.nat(1_000_000), (most) => {
      const steps = countSteps(most);
      expect(steps[0]).toBe(0);
      expect(steps.at(-1)).toBeGreaterThanOrEqual(most);
      expect(steps.length).toBeLessThanOrEqual(6);
      expect(steps.every(Number.isInteger)).toBe(true);
    }),
    { numRuns },
  );
  const day = 86_400_000;
  for (const span of [1, 7, 30]) expect(timeSteps(Date.now() - span * day, Date.now()).length).toBeLessThanOrEqual(8);
});

test("what the server sends is read with suspicion", () => {
  fc.assert(
    fc.property(fc.anything(), (value) => {
      const { run, status, outputBytes } = readRun(value);
      expect([typeof run, typeof status, typeof outputBytes]).toEqual(["string", "string", "number"]);
    }),
    { numRuns },
  );
});

import fc from "fast-check";
import { expect, test } from "vitest";
import { createRunId } from "#iscep/runs/run/run-id";

const form = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Far in the future, as the process has made other ids, and further with each call. */
let base = 8e12;
const time = (): number => (base += 1_000_000);

test("an id is a UUIDv7 with the time of its run", () => {
  const nowMs = time();
  const id = createRunId(nowMs);
  expect(id).toMatch(form);
  expect(Number.parseInt(id.replace("-", "").slice(0, 12), 16)).toBe(nowMs);
});

test("each id is larger than the one before it, within a millisecond and when the clock is set back a little", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -9_000, max: 5 }), { minLength: 2, maxLength: 50 }), (steps) => {
      let largestMs = time();
      let last = createRunId(largestMs);
      for (const step of steps) {
        const nowMs = largestMs + step;
        largestMs = Math.max(largestMs, nowMs);
        const id = createRunId(nowMs);
        expect(id > last).toBe(true);
        last = id;
      }
    }),
  );
});

test("more of them than a millisecond can count are ascending too, and all are different", () => {
  const nowMs = time();
  const ids = Array.from({ length: 10_000 }, () => createRunId(nowMs));
  expect(ids.toSorted()).toEqual(ids);
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of ids) expect(id).toMatch(form);
});

test("a clock that was set back far is believed", () => {
  const nowMs = time();
  createRunId(nowMs);
  const id = createRunId(nowMs - 3_600_000);
  expect(Number.parseInt(id.replace("-", "").slice(0, 12), 16)).toBe(nowMs - 3_600_000);
});

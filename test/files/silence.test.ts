/** How long another process was silent, by a clock that the test moves. */
import { expect, test } from "vitest";
import { Silence } from "#iscep/files/silence";

test("silence is what looks have found, from the first of them on", () => {
  const silence = new Silence(100);
  expect([0, 60, 120].map((nowMs) => silence.look("a", nowMs))).toEqual([0, 60, 120]);
  expect([130, 150].map((nowMs) => silence.look("b", nowMs))).toEqual([0, 20]);
});

test("one that has given two signs lived between them", () => {
  const silence = new Silence(100);
  for (const nowMs of [0, 50]) silence.look("a", nowMs);
  expect(silence.hasSpoken).toBe(false);
  silence.look("b", 60);
  expect(silence.hasSpoken).toBe(true);
});

test("a standstill of the one who looks is no silence of the other", () => {
  const silence = new Silence(100);
  silence.look("a", 0);
  expect(silence.look("a", 90)).toBe(90);
  expect(silence.look("a", 1_000_000)).toBe(0);
  expect(silence.look("a", 1_000_100)).toBe(100);
});

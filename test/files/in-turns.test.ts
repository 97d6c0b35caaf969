import { expect, test } from "vitest";
import { atOnce, inTurns, type Steps } from "#iscep/files/in-turns";

test("a timer fires between the steps of long work", async () => {
  const fired: string[] = [];
  setTimeout(() => fired.push("fired"), 1);
  function* work(): Steps<string | undefined> {
    const untilMs = performance.now() + 10_000;
    while (fired.length === 0 && performance.now() < untilMs) yield;
    return fired[0];
  }
  expect(await inTurns(work())).toBe("fired");
});

test("work in steps gives its result, or fails, in turns and at once", async () => {
  function* work(result: number): Steps<number> {
    for (let step = 0; step < 3; step++) yield;
    if (result < 0) throw new Error("no result");
    return result;
  }
  expect([await inTurns(work(1)), atOnce(work(2))]).toEqual([1, 2]);
  await expect(inTurns(work(-1))).rejects.toThrow("no result");
  expect(() => atOnce(work(-1))).toThrow("no result");
});

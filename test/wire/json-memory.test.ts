import { expect, test } from "vitest";
import { memoryBytes } from "#iscep/wire/json-memory";

test("texts, keys, objects and arrays count wherever they are", () => {
  const most = 1_000_000;
  const plain = memoryBytes({ a: [{}, 1, null, true, "x"] }, most);
  expect(memoryBytes({ a: [{}, 1, null, true, "x".repeat(101)] }, most)).toBe(plain + 100);
  expect(memoryBytes({ ["a".repeat(101)]: [{}, 1, null, true, "x"] }, most)).toBe(plain + 100);
  expect(memoryBytes({ a: [{}, 1, null, true, "x", {}] }, most)).toBeGreaterThan(plain + 50);
  expect(memoryBytes({ a: [[], {}, 1, null, true, "x"] }, most)).toBeGreaterThan(plain + 20);
  expect(memoryBytes(undefined, most)).toBeLessThan(100);
});

test("the count ends, also of a value that holds itself", () => {
  const list: unknown[] = [];
  list.push(list, list);
  expect(memoryBytes(list, 1_000)).toBeGreaterThan(1_000);
});

import fc from "fast-check";
import { expect, test } from "vitest";
import { LineSearch, placesOf } from "../../console/src/output/line-search.js";
import { OutputModel } from "../../console/src/output/output-model.js";
import { numRuns } from "../support/hostile-text.js";

const encoder = new TextEncoder();

test("a search finds each line once, in steps, and goes on with what comes later", () => {
  const model = new OutputModel();
  const lines = Array.from({ length: 5_000 }, (_, index) => (index % 7 === 0 ? `Needle ${index}` : `hay ${index}`));
  model.push(
    "stdout",
    encoder.encode(
      lines
        .slice(0, 3_000)
        .map((line) => `${line}\n`)
        .join(""),
    ),
  );
  const search = new LineSearch(model, "nEEdle");
  let steps = 1;
  while (search.step(500)) steps++;
  expect(steps).toBeGreaterThan(3);
  expect(search.hits()).toHaveLength(429);
  model.push(
    "stdout",
    encoder.encode(
      lines
        .slice(3_000)
        .map((line) => `${line}\n`)
        .join(""),
    ),
  );
  while (search.step(500));
  expect(search.hits()).toEqual(lines.flatMap((line, number) => (line.startsWith("Needle") ? [number] : [])));
});

test("the places of a text are those where it stands", () => {
  expect(placesOf("abcABC", "bc")).toEqual([
    [1, 3],
    [4, 6],
  ]);
  expect(placesOf("İstanbul", "b")).toEqual([]);
  fc.assert(
    fc.property(fc.string({ maxLength: 60 }), fc.string({ minLength: 1, maxLength: 2 }), (text, query) => {
      for (const [start, end] of placesOf(text, query.toLowerCase()))
        expect(text.slice(start, end).toLowerCase()).toBe(query.toLowerCase());
    }),
    { numRuns },
  );
});

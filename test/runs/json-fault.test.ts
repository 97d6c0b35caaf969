import fc from "fast-check";
import { expect, test } from "vitest";
import { findJsonFault } from "#iscep/runs/script/json-fault";
import { rounds } from "../support/rounds.js";

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

test.each([
  ["", 1, 1, true],
  ["  \n", 2, 1, true],
  ["hello", 1, 1, false],
  ['{"a": 1', 1, 8, true],
  ['{"a": 1,}', 1, 9, false],
  ["[1,\n2,\nx]", 3, 1, false],
  ["[1 2]", 1, 4, false],
  ['{"a" 1}', 1, 6, false],
  ["{} {}", 1, 4, false],
  ["[}", 1, 2, false],
  ["01", 1, 2, false],
  ['"a\nb"', 1, 1, false],
  ["[1]]", 1, 4, false],
  [",", 1, 1, false],
  ["nullx", 1, 5, false],
])("%j breaks at line %i, column %i", (text, line, column, isEnd) => {
  expect(findJsonFault(text)).toStrictEqual({ line, column, isEnd });
});

test("finds a fault exactly where there is one: texts that are JSON, nearly JSON, and made of its parts", () => {
  const parts = fc.constantFrom(
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    '"a"',
    '"',
    "1",
    "-",
    "0",
    ".5",
    "e1",
    "true",
    "nul",
    " ",
    "\n",
    "\\",
  );
  const text = fc.oneof(
    fc.json(),
    fc.array(parts, { maxLength: 12 }).map((all) => all.join("")),
    fc.tuple(fc.json(), fc.nat(), parts).map(([json, at, part]) => {
      const place = at % (json.length + 1);
      return json.slice(0, place) + part + json.slice(place);
    }),
    fc.tuple(fc.json(), fc.nat()).map(([json, at]) => json.slice(0, at % (json.length + 1))),
  );
  fc.assert(
    fc.property(text, (each) => {
      expect(findJsonFault(each) === undefined).toBe(isJson(each));
    }),
    { numRuns: rounds(2_000, 10_000, 100_000) },
  );
});

test("a large text is looked through in a moment", () => {
  expect(findJsonFault(`["${"x\\n".repeat(3_000_000)}",]`)).toMatchObject({ line: 1, column: 9_000_005 });
  const deep = "[".repeat(500_000);
  expect(findJsonFault(deep)).toMatchObject({ isEnd: true });
  expect(findJsonFault(`[${'"x",'.repeat(300_000)}]`)).toMatchObject({ line: 1, column: 1_200_002 });
});

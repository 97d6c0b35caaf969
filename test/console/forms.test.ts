import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { declareArguments, defineCommand } from "iscep";
import type { ArgumentDeclaration } from "#iscep/commands/arguments/declaration";
import { fieldsOf } from "../../console/src/forms/field.js";
import { entriesOf, faultsOfMessage, readEntries, readRawArguments } from "../../console/src/forms/entry.js";
import { wantsOf } from "../../console/src/forms/said.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { numRuns } from "../support/hostile-text.js";

function commandOf(args: Readonly<Record<string, ArgumentDeclaration>>) {
  return defineCommand({ name: "x", args: declareArguments(args), run: () => null });
}

function fieldOf(declaration: ArgumentDeclaration) {
  const [field] = fieldsOf(commandOf({ value: declaration }).argsSchema);
  return field!;
}

describe("each declared type has its field", () => {
  const base = temporaryFolder();
  test.each<[ArgumentDeclaration, string, readonly string[]]>([
    [{ type: "string" }, "text", []],
    [{ type: "string", multiline: true, maxLength: 100 }, "text", ["up to 100 characters"]],
    [
      { type: "string", pattern: "[a-z]+", minLength: 2, maxLength: 20 },
      "text",
      ["2 to 20 characters", "matches [a-z]+"],
    ],
    [{ type: "string", choices: ["a", "b"] }, "choice", []],
    [{ type: "string", format: "date" }, "text", ["date"]],
    [{ type: "enum", choices: ["fast", "full"] }, "choice", []],
    [{ type: "integer", minimum: 1, maximum: 5 }, "integer", ["whole number", "1 to 5"]],
    [{ type: "number", minimum: 0.5 }, "number", ["number", "0.5 or more"]],
    [{ type: "boolean" }, "boolean", []],
    [{ type: "secret", minLength: 8 }, "secret", ["never shown or logged", "8 characters or more"]],
    [{ type: "path", base, presence: "new", kind: "file" }, "path", ["new file"]],
    [{ type: "path", base }, "path", ["path that exists"]],
    [{ type: "list", items: { type: "integer" }, minItems: 1, maxItems: 9 }, "list", ["1 to 9 items", "whole number"]],
  ])("%j", (declaration, kind, wants) => {
    const field = fieldOf(declaration);
    expect(field.kind).toBe(kind);
    expect(wantsOf(field)).toEqual(wants);
    expect(field.isRequired).toBe(true);
    expect(JSON.stringify(field)).not.toContain(base);
  });

  test("a schema that has no form becomes a field of JSON", () => {
    const schema = {
      type: "object",
      properties: {
        a: { anyOf: [{ type: "string" }, { type: "number" }] },
        b: { type: "object" },
        c: true,
        d: { enum: [1, 2] },
      },
      required: "not a list",
    };
    expect(fieldsOf(schema).map(({ kind, isRequired }) => [kind, isRequired])).toEqual(
      ["a", "b", "c", "d"].map(() => ["json", false]),
    );
    expect(fieldsOf({})).toEqual([]);
  });
});

const text = fc.string({ unit: fc.constantFrom("a", "b", "-", " ", "😀", "1", "."), maxLength: 8 });
const bound = fc.integer({ min: -5, max: 5 });
const declaration: fc.Arbitrary<ArgumentDeclaration> = fc.oneof(
  fc
    .record({ minLength: fc.nat(2), maxLength: fc.integer({ min: 2, max: 6 }) })
    .map(({ minLength, maxLength }) => ({ type: "string" as const, allow: ["dash" as const], minLength, maxLength })),
  fc
    .constantFrom("[a-z]*", "[ab]{2,4}", "a|-b", "\\d+")
    .map((pattern) => ({ type: "string" as const, pattern, allow: ["dash" as const] })),
  fc.constant({ type: "enum" as const, choices: ["a", "b", "-"], allow: ["dash" as const] }),
  fc.tuple(bound, bound).map(([a, b]) => ({
    type: "integer" as const,
    minimum: Math.min(a, b),
    maximum: Math.max(a, b),
    allow: ["dash" as const],
  })),
  fc.tuple(bound, bound).map(([a, b]) => ({
    type: "number" as const,
    minimum: Math.min(a, b),
    maximum: Math.max(a, b),
    allow: ["dash" as const],
  })),
  fc.constant({ type: "boolean" as const }),
);
const entry = fc.oneof(
  text,
  bound.map(String),
  fc.constantFrom("true", "false", "1e999", "1.5", "9007199254740993", ""),
);

describe("the checks of a form", () => {
  test("refuse what the server refuses, in its words, and nothing else", async () => {
    await fc.assert(
      fc.asyncProperty(declaration, entry, async (declared, typed) => {
        const command = commandOf({ value: declared });
        const { args, faults } = readEntries(fieldsOf(command.argsSchema), { value: typed });
        const check = await command.checkArguments(args);
        if (faults.size === 0) {
          expect(check).toMatchObject({ ok: true });
          return;
        }
        expect(check.ok).toBe(false);
        const said = faultsOfMessage(check.ok ? "" : check.message).get("value") ?? "";
        expect(said.replace(/, received \w+$/, "")).toBe(faults.get("value"));
      }),
      { numRuns },
    );
  });

  test("name the element of a list", async () => {
    const command = commandOf({ levels: { type: "list", items: { type: "integer", maximum: 5 } } });
    const { args, faults } = readEntries(fieldsOf(command.argsSchema), { levels: ["1", "9"] });
    expect([...faults]).toEqual([["levels[1]", "expected a number <= 5"]]);
    const check = await command.checkArguments(args);
    expect([...faultsOfMessage(check.ok ? "" : check.message)]).toEqual([
      ["levels[1]", "expected a number <= 5, received number"],
    ]);
  });

  test("find each place in a refusal of several", () => {
    const message =
      'argument "a": expected string, received number; argument "b; argument" is missing; argument "c[2].d": not valid';
    expect([...faultsOfMessage(message)]).toEqual([
      ["a", "expected string, received number"],
      ["b; argument", "is missing"],
      ["c[2].d", "not valid"],
    ]);
    expect(faultsOfMessage("the arguments do not fit").size).toBe(0);
  });
});

test("arguments of a past run fill the form, and come out of it as they were", () => {
  const { argsSchema } = commandOf({
    name: { type: "string", default: "world" },
    loud: { type: "boolean", optional: true },
    size: { type: "integer", optional: true },
    tags: { type: "list", items: { type: "string" }, optional: true },
  });
  const fields = fieldsOf(argsSchema);
  expect(entriesOf(fields)).toEqual({ name: "world", loud: "", size: "", tags: [] });
  expect(readEntries(fields, entriesOf(fields)).args).toEqual({ name: "world" });
  fc.assert(
    fc.property(
      fc.record(
        {
          name: fc.string({ minLength: 1 }),
          loud: fc.boolean(),
          size: fc.maxSafeInteger(),
          tags: fc.array(fc.string(), { minLength: 1 }),
        },
        { requiredKeys: ["name"] },
      ),
      (args) => {
        expect(readEntries(fields, entriesOf(fields, args)).args).toEqual(args);
      },
    ),
    { numRuns },
  );
});

test("raw JSON is an object, or says what is wrong", () => {
  expect(readRawArguments('{"a": [1]}')).toEqual({ args: { a: [1] } });
  expect(readRawArguments(" ")).toEqual({ args: {} });
  expect(readRawArguments("[1]")).toMatch(/one JSON object/);
  expect(readRawArguments("{")).toMatch(/no JSON yet/);
});

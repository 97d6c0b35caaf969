import { describe, expect, test } from "vitest";
import { z } from "zod";
import { defineCommand, type Command } from "iscep";
import {
  describeCommand,
  descriptionsFromVersion1,
  describeVersion1,
  readDescriptions,
} from "#iscep/commands/describe";
import { Registry } from "#iscep/commands/registry";

const make = (name: string): Command => defineCommand({ name, run: () => 1 });

describe("the registry", () => {
  test("takes arrays and records, and keeps their order", () => {
    expect(new Registry([make("b"), make("a")]).list().map(({ name }) => name)).toEqual(["b", "a"]);
    expect(new Registry({ x: make("b"), y: make("a") }).list().map(({ name }) => name)).toEqual(["b", "a"]);
  });

  test("refuses a second command of one name, until the first is gone", () => {
    const registry = new Registry([make("a")]);
    expect(() => registry.register(make("a"))).toThrow(
      expect.objectContaining({ code: "usage", message: expect.stringContaining('"a"') }),
    );
    expect(registry.unregister("a")).toBe(true);
    expect(registry.unregister("a")).toBe(false);
    registry.register(make("a"));
    expect(() => new Registry([make("b"), make("b")])).toThrow(/"b"/);
  });

  test.each(["__proto__", "constructor", "toString", "hasOwnProperty", ""])(
    "%j is unknown like any other name",
    (name) => {
      expect(new Registry([make("a")]).get(name)).toBeUndefined();
    },
  );

  test("a command named __proto__ is a command like any other", () => {
    const registry = new Registry([make("__proto__")]);
    expect(registry.get("__proto__")?.name).toBe("__proto__");
    expect(registry.get("toString")).toBeUndefined();
  });

  test("refuses what is no command", () => {
    for (const wrong of [null, 1, {}, { name: "a", kind: "function" }]) {
      expect(() => new Registry([wrong as unknown as Command])).toThrow(expect.objectContaining({ code: "usage" }));
    }
  });
});

describe("discovery", () => {
  const command = defineCommand({
    name: "typed",
    description: "Has every type",
    args: z.object({
      s: z.string(),
      i: z.int(),
      f: z.number(),
      b: z.boolean(),
      o: z.object({}),
      l: z.array(z.string()),
      u: z.unknown(),
      n: z.string().nullable(),
    }),
    result: z.object({ ok: z.boolean() }),
    timeoutMs: 7,
    run: () => ({ ok: true }),
  });

  test("tells a version 1 client the names of Python's types", () => {
    expect(describeVersion1([command, make("none")])).toEqual({
      typed: { s: "str", i: "int", f: "float", b: "bool", o: "dict", l: "list", u: "_empty", n: "_empty" },
      none: {},
    });
    const described = describeVersion1([make("__proto__")]);
    expect(Object.keys(described)).toEqual(["__proto__"]);
    expect(JSON.stringify(described)).toBe('{"__proto__":{}}');
  });

  test("tells ours all of it, and comes through JSON as it was", () => {
    const described = describeCommand(command, 1_000);
    expect(described).toMatchObject({ name: "typed", kind: "function", timeoutMs: 7, description: "Has every type" });
    expect(described.result).toMatchObject({ properties: { ok: { type: "boolean" } } });
    expect(describeCommand(make("a"), 1_000).timeoutMs).toBe(1_000);
    expect(readDescriptions(JSON.parse(JSON.stringify([described])))).toEqual([described]);
  });

  test("reads what an original server tells", () => {
    expect(descriptionsFromVersion1({ add: { a: "int", b: "_empty", c: "Callable" }, none: {} })).toMatchObject([
      { name: "add", kind: "function", args: { type: "object", properties: { a: { type: "integer" }, b: {}, c: {} } } },
      { name: "none", args: { properties: {} } },
    ]);
  });

  test("a server that names everything __proto__ changes nothing here", () => {
    const hostile: unknown = JSON.parse('{"__proto__":{"__proto__":"str","a":"__proto__"}}');
    const [description] = descriptionsFromVersion1(hostile);
    expect(description?.name).toBe("__proto__");
    expect(Object.keys(description?.args["properties"] as object)).toEqual(["__proto__", "a"]);
    expect(({} as Record<string, unknown>)["a"]).toBeUndefined();
  });

  test.each<[string, unknown]>([
    ["null", null],
    ["a text", "x"],
    ["an array", []],
    ["a command without arguments", { a: null }],
    ["a command with a list", { a: [] }],
  ])("refuses %s from a version 1 server", (_, value) => {
    expect(() => descriptionsFromVersion1(value)).toThrow(expect.objectContaining({ code: "protocol" }));
  });

  test.each<[string, unknown]>([
    ["null", null],
    ["an object", {}],
    ["a number in it", [1]],
    ["a description without a name", [{ description: "", kind: "function", args: {}, timeoutMs: 1 }]],
    ["one whose schema is a list", [{ name: "a", description: "", kind: "function", args: [], timeoutMs: 1 }]],
  ])("refuses %s from ours", (_, value) => {
    expect(() => readDescriptions(value)).toThrow(expect.objectContaining({ code: "protocol" }));
  });
});

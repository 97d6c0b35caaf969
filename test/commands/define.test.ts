import { type } from "arktype";
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import {
  declareArguments,
  defineCommand,
  defineScript,
  IscepError,
  type CommandContext,
  type FunctionCommand,
} from "iscep";
import type { StandardSchemaV1 } from "@standard-schema/spec";

const context: CommandContext = {
  runId: "0",
  identity: { owner: "tester", tokenId: null },
  signal: new AbortController().signal,
  stdin: (async function* () {})(),
  output: { write: () => undefined },
  progress: () => {},
};

/** The same arguments in each library: message is required, numb a whole number of at least 3, mode one of two. */
const libraries: [string, StandardSchemaV1][] = [
  [
    "zod",
    z.object({ message: z.string(), numb: z.int().min(3).optional(), mode: z.enum(["fast", "full"]).optional() }),
  ],
  [
    "valibot",
    v.object({
      message: v.string(),
      numb: v.optional(v.pipe(v.number(), v.integer(), v.minValue(3))),
      mode: v.optional(v.picklist(["fast", "full"])),
    }),
  ],
  ["arktype", type({ message: "string", "numb?": "number.integer >= 3", "mode?": "'fast'|'full'" })],
  [
    "declareArguments",
    declareArguments({
      message: { type: "string" },
      numb: { type: "integer", minimum: 3, optional: true },
      mode: { type: "enum", choices: ["fast", "full"], optional: true },
    }),
  ],
];

describe.each(libraries)("arguments with %s", (_, args) => {
  const command = defineCommand({ name: "typed", args, run: (given) => given });

  test("that fit pass, at once and not through a promise", () => {
    expect(command.checkArguments({ message: "hi", numb: 4 })).toEqual({ ok: true, args: { message: "hi", numb: 4 } });
  });

  test("from another realm and without a prototype pass too", () => {
    const args = Object.assign(Object.create(null) as object, { message: "hi" });
    expect(command.checkArguments(args)).toMatchObject({ ok: true });
  });

  test.each<[string, unknown, RegExp]>([
    ["one that is missing is named", {}, /^argument "message" is missing/],
    ["none at all is as if {}", undefined, /^argument "message" is missing/],
    ["null is as if {}", null, /^argument "message" is missing/],
    ["one of another type is named, with both types", { message: 1 }, /^argument "message".*string.*(?:number|$)/],
    ["one out of its bounds is named", { message: "m", numb: 1 }, /^argument "numb"/],
    ["one that is no choice is told the choices", { message: "m", mode: "slow" }, /^argument "mode".*fast.*full/],
    [
      "an unknown one is named, with the one that was meant",
      { message: "m", nunb: 1 },
      /^there is no argument "nunb"; did you mean "numb"\?$/,
    ],
    [
      "an unknown one is named when nothing is near",
      { message: "m", other: 1 },
      /^there is no argument "other"; there are "message"/,
    ],
    [
      "__proto__ is unknown like any other",
      JSON.parse('{"message":"m","__proto__":{}}'),
      /^there is no argument "__proto__"/,
    ],
    ["an array is no arguments", ["m"], /^the arguments must be an object/],
    ["a text is no arguments", "m", /^the arguments must be an object/],
    ["an instance is no arguments", new Map(), /^the arguments must be an object/],
  ])("%s", (_, given, message) => {
    expect(command.checkArguments(given)).toEqual({ ok: false, message: expect.stringMatching(message) });
  });

  // PITFALLS 18: valibot's and arktype's own messages quote the value.
  test.each<[string, Record<string, unknown>]>([
    ["of another type", { message: { deep: "hunter2" } }],
    ["that is no choice", { message: "m", mode: "hunter2" }],
    ["that is no number", { message: "m", numb: "hunter2" }],
    ["within a list", { message: ["hunter2"] }],
    ["out of bounds", { message: "m", numb: -271_828 }],
  ])("the value of an argument %s is not told", (_, given) => {
    const check = command.checkArguments(given);
    expect(check).toMatchObject({ ok: false });
    expect(JSON.stringify(check)).not.toMatch(/hunter2|271828/);
  });

  test("are described as a closed object", () => {
    expect(command.argsSchema).toMatchObject({
      type: "object",
      required: ["message"],
      additionalProperties: false,
      properties: { message: { type: "string" }, numb: { type: "integer" } },
    });
    expect(Object.keys(command.argsSchema)).not.toContain("$schema");
    expect(JSON.parse(JSON.stringify(command.argsSchema))).toEqual(command.argsSchema);
  });
});

describe("what a message may hold", () => {
  test("an author's own message is passed on, unless it quotes an argument", () => {
    const check = (refuse: (world: string) => string) =>
      defineCommand({
        name: "x",
        args: z.object({
          world: z.string().refine(() => false, { error: (issue) => refuse(String(issue.input)) }),
          other: z.string(),
        }),
        run: () => 1,
      }).checkArguments({ world: "hunter2", other: "swordfish" });
    expect(check(() => "has no such folder")).toEqual({ ok: false, message: 'argument "world": has no such folder' });
    expect(check((world) => `${world} has no folder`)).toEqual({
      ok: false,
      message: 'argument "world": not valid (received string)',
    });
    expect(check(() => "is not swordfish")).toEqual({
      ok: false,
      message: 'argument "world": not valid (received string)',
    });
  });

  test("a nested argument is named by its path", () => {
    const command = defineCommand({
      name: "x",
      args: z.object({ names: z.array(z.object({ first: z.string() })) }),
      run: () => 1,
    });
    expect(command.checkArguments({ names: [{ first: "a" }, { first: 1 }] })).toEqual({
      ok: false,
      message: 'argument "names[1].first": expected string, received number',
    });
  });

  test("many faults are counted, and a long name is cut: a caller cannot make messages grow", () => {
    const command = defineCommand({ name: "x", args: z.object({ list: z.array(z.string()) }), run: () => 1 });
    const many = command.checkArguments({ list: Array.from({ length: 1_000 }, () => 1) }) as { message: string };
    expect(many.message).toMatch(/; and 995 more$/);
    const long = command.checkArguments({ ["\u001b[31m".repeat(10_000)]: 1 }) as { message: string };
    expect(long.message.length).toBeLessThan(600);
    expect(long.message).not.toContain("\u001b");
  });
});

describe("an option that is not known is refused, with the one that was meant:", () => {
  test.each<[string, RegExp]>([
    ["timeout", /command "a" has no option "timeout"; did you mean "timeoutMs"\?/],
    ["arguments", /did you mean "args"\?/],
    ["desc", /did you mean "description"\?/],
    ["timeZone", /it belongs to the schedule: \{ cron: "0 3 \* \* \*", timeZone: "Europe\/Berlin" \}/],
    ["descripton", /did you mean "description"\?/],
  ])("%s", (name, sentence) => {
    const definition = { name: "a", run: () => 1, [name]: "x" };
    expect(() => defineCommand(definition)).toThrow(
      expect.objectContaining({ code: "usage", message: expect.stringMatching(sentence) as string }),
    );
    expect(() => defineCommand({ ...definition, [name]: undefined })).not.toThrow();
  });

  test.each<[string, RegExp]>([
    ["max_output", /script "a" has no option "max_output"; did you mean "maxOutputBytes"\?/],
    ["env", /did you mean "environment"\?/],
    ["cwd", /did you mean "folder"\?/],
    ["shell", /there is no shell/],
  ])("of a script: %s", (name, sentence) => {
    expect(() => defineScript({ name: "a", run: ["date"], [name]: "x" })).toThrow(sentence);
  });
});

describe("a schema that would let unknown arguments through is refused when the command is defined", () => {
  const opaque: StandardSchemaV1 = {
    "~standard": { version: 1, vendor: "home-made", validate: (value) => ({ value }) },
  };

  test.each<[string, StandardSchemaV1, RegExp]>([
    ["one that tells no names", opaque, /a schema of "home-made" offers no JSON Schema.*declareArguments/],
    ["a union", z.union([z.object({ a: z.string() }), z.object({ b: z.string() })]), /must be one object schema/],
    ["a text", z.string(), /must be one object schema/],
    ["a loose object", z.looseObject({ a: z.string() }), /allow any name/],
    ["a record", z.record(z.string(), z.number()), /allow any name/],
    ["an object with a rest", v.objectWithRest({ a: v.string() }, v.number()), /allow any name/],
    ["a loose object of valibot", v.looseObject({ a: v.string() }), /allow any name/],
    [
      "an intersection of valibot",
      v.intersect([v.object({ a: v.string() }), v.object({ b: v.string() })]),
      /must be one object schema/,
    ],
    ["an index of arktype", type({ "[string]": "number" }), /allow any name/],
    ["a type that JSON has not", z.object({ when: z.date() }), /cannot be told as JSON Schema \(Date/],
  ])("%s", (_, args, message) => {
    expect(() => defineCommand({ name: "x", args, run: () => 1 })).toThrow(
      expect.objectContaining({ code: "usage", message: expect.stringMatching(message) }),
    );
  });

  test.each<[string, StandardSchemaV1]>([
    ["a strict object", z.strictObject({ a: z.string() })],
    ["an intersection of objects", z.intersection(z.object({ a: z.string() }), z.object({ b: z.string().optional() }))],
    ["a refined object", z.object({ a: z.string() }).refine(() => true)],
    ["a transformed object", z.object({ a: z.string() }).transform(({ a }) => a.length)],
    ["an object with an id", z.object({ a: z.string() }).meta({ id: "Arguments" })],
    [
      "a pipe of valibot",
      v.pipe(
        v.object({ a: v.string() }),
        v.check(() => true),
      ),
    ],
    ["two of arktype", type({ a: "string" }).and({ "b?": "string" })],
  ])("but %s is fine, and closed", (_, args) => {
    const command = defineCommand({ name: "x", args, run: () => 1 });
    expect(command.argsSchema).toMatchObject({ properties: { a: { type: "string" } }, additionalProperties: false });
    expect(command.checkArguments({ a: "", c: 1 })).toMatchObject({ ok: false });
    expect(command.checkArguments({ a: "" })).toMatchObject({ ok: true });
  });
});

describe("a command", () => {
  test("without args takes none", () => {
    const command = defineCommand({ name: "x", run: () => 1 });
    expect(command.checkArguments(undefined)).toEqual({ ok: true, args: {} });
    expect(command.checkArguments({})).toEqual({ ok: true, args: {} });
    expect(command.checkArguments({ a: 1 })).toEqual({
      ok: false,
      message: 'there is no argument "a"; this command takes none',
    });
    expect(command.argsSchema).toEqual({ type: "object", properties: {}, additionalProperties: false });
  });

  test("with an asynchronous schema is checked through a promise", async () => {
    const command = defineCommand({
      name: "x",
      args: z.object({ a: z.string().refine(async (a) => a === "yes") }),
      run: () => 1,
    });
    const check = command.checkArguments({ a: "no" });
    expect(check).toBeInstanceOf(Promise);
    expect(await check).toMatchObject({ ok: false });
    expect(await command.checkArguments({ a: "yes" })).toEqual({ ok: true, args: { a: "yes" } });
  });

  test("gets what its schema made of the arguments", () => {
    const command = defineCommand({
      name: "x",
      args: z.object({ a: z.string().transform((a) => a.length), b: z.number().default(7) }),
      run: (args) => args,
    });
    expect(command.checkArguments({ a: "four" })).toEqual({ ok: true, args: { a: 4, b: 7 } });
  });

  test("gives the result that its schema makes, at once when nothing is asynchronous", async () => {
    const make = (result: StandardSchemaV1, run: () => unknown): FunctionCommand =>
      defineCommand({ name: "x", result, run });
    const upper = z.string().transform((text) => text.toUpperCase());
    expect(make(upper, () => "a").run({}, context)).toBe("A");
    await expect(make(upper, async () => "a").run({}, context)).resolves.toBe("A");
    expect(() => make(z.string(), () => 1).run({}, context)).toThrow(/the result of "x" does not fit its own schema/);
    expect(make(z.object({ n: z.number() }), () => ({ n: 1 })).resultSchema).toMatchObject({
      properties: { n: { type: "number" } },
    });
    expect(make(upper, () => "a").resultSchema).toBeUndefined();
  });

  test("keeps its own `this`", () => {
    const definition = {
      name: "x",
      answer: 42,
      run(): number {
        return this.answer;
      },
    };
    expect(defineCommand(definition).run({}, context)).toBe(42);
  });

  test("cannot be changed afterwards: runs at the same time share it (CVE-2026-48708)", () => {
    const command = defineCommand({ name: "x", run: () => 1 });
    expect(() => Object.assign(command, { run: () => 2 })).toThrow(TypeError);
  });

  test.each(["", "1a", "a b", "a/b", "é", "a".repeat(129), "../x", "a\n", "__proto__ ", "iscep.list", "-a"])(
    "cannot be named %j",
    (name) => {
      expect(() => defineCommand({ name, run: () => 1 })).toThrow(expect.objectContaining({ code: "usage" }));
    },
  );

  test.each(["a", "_", "a.b:c-d_E9", "A".repeat(128), "__proto__", "constructor"])("can be named %j", (name) => {
    expect(defineCommand({ name, run: () => 1 }).name).toBe(name);
  });

  test.each([0, -1, 1.5, Number.NaN, 2 ** 31])("cannot have a timeout of %d ms", (timeoutMs) => {
    expect(() => defineCommand({ name: "x", timeoutMs, run: () => 1 })).toThrow(IscepError);
  });

  test("with thread: true knows its module, and leaves the hooks of V8 as they were", () => {
    const { prepareStackTrace, stackTraceLimit } = Error;
    const command = defineCommand({ name: "x", thread: true, run: () => 1 });
    expect(command.threadModule).toMatch(/^file:\/\/.*define\.test\.ts/);
    expect(Error.prepareStackTrace).toBe(prepareStackTrace);
    expect(Error.stackTraceLimit).toBe(stackTraceLimit);
    expect(defineCommand({ name: "x", thread: import.meta.url, run: () => 1 }).threadModule).toBe(import.meta.url);
    expect(() => defineCommand({ name: "x", thread: "commands.js", run: () => 1 })).toThrow(/import\.meta\.url/);
  });
});

/** What a script's exit code and output become, as `defineScript` and iscep.yaml say it. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { defineScript, type Outcome } from "iscep";
import type { ScriptCommand } from "#iscep/model/command";
import { loadConfiguration } from "#iscep/configuration/configuration";
import { RunOutput } from "#iscep/runs/streams/output";
import { watchForLeaks } from "../support/leaks.js";
import { resultOf, run, type Changes } from "../support/scripts.js";
import { temporaryFolder } from "../support/temporary-folder.js";

watchForLeaks();

type Form = Pick<
  Parameters<typeof defineScript>[0],
  "output" | "result" | "successCodes" | "maxOutputBytes" | "whenOutputIsFull"
>;

function script(lines: string, form: Form): ScriptCommand {
  const file = path.join(temporaryFolder(), "it.sh");
  writeFileSync(file, `#!/bin/sh\n${lines}\n`, { mode: 0o700 });
  return defineScript({ name: "it", run: [file], ...form });
}

function outcomeOf(lines: string, form: Form, changes: Changes = {}): Promise<Outcome> {
  return run(script(lines, form), { ...changes, args: {} });
}

function sentence(outcome: Outcome): string {
  return "error" in outcome ? outcome.error.message : "";
}

describe("output: json", () => {
  test.each([
    ['{"tables": [1, "ä€😀", null]}', { tables: [1, "ä€😀", null] }],
    ["  42\n", 42],
    ["null", null],
    ['"text"', "text"],
    ['{"__proto__": 1}', JSON.parse('{"__proto__": 1}')],
  ])("makes %j the value", async (text, value) => {
    const outcome = await outcomeOf(`cat <<'E'\n${text}\nE\necho a note >&2`, { output: "json" });
    expect(outcome).toStrictEqual({ status: "completed", value, exitCode: 0 });
  });

  test.each([
    ["", "it printed nothing"],
    ["  ", "it printed nothing"],
    ['{"a":\n 1,\n oops}', "it breaks at line 3, column 2"],
    ['[1, "half', "it breaks at line 1, column 5"],
    ["[1,", "it ends too early at line 1, column 4"],
    ["[12345678901234567890]", "beyond 2^53"],
    [`${"[".repeat(100)}${"]".repeat(100)}`, "deeper than 64"],
  ])("%j fails, and the sentence says where", async (text, where) => {
    const outcome = await outcomeOf(`printf '%s' '${text}'`, { output: "json" });
    expect(outcome).toMatchObject({ status: "failed", error: { code: "failed" } });
    expect(sentence(outcome)).toContain(where);
    expect(sentence(outcome)).not.toContain("oops");
    expect(outcome).not.toHaveProperty("value");
  });

  test("has no secret in it, however its JSON was written (PITFALLS 18)", async () => {
    const printed = String.raw`{"\u0068unter2": ["\u0068unter2", "\u0068unt\u0065r2 is it", "hunter2"]}`;
    const command = script(`cat <<'E'\n${printed}\nE`, { output: "json" });
    const secret: ScriptCommand = {
      ...command,
      invocation: (args) => ({ ...command.invocation(args), secrets: ["hunter2"] }),
    };
    expect(await run(secret, { args: {} })).toMatchObject({ value: { "***": ["***", "*** is it", "***"] } });
  });

  test("bytes that are not UTF-8 are no JSON", async () => {
    expect(sentence(await outcomeOf("printf '\"\\377\"'", { output: "json" }))).toContain("not UTF-8");
  });

  test("a part of a value is no value", async () => {
    const many = "printf '['; seq -s, 10000; printf ']'";
    for (const [form, limits] of [
      [{ output: "json" }, { maxRunOutputBytes: 100 }],
      [{ output: "json", maxOutputBytes: 100 }, {}],
      [{ output: "lines" }, { maxRunOutputBytes: 100 }],
    ] as const) {
      expect(await outcomeOf(many, form, { limits })).toMatchObject({ status: "failed", error: { code: "too_large" } });
    }
  });

  test("a script that fails has its exit code and last words, and never another value in place of its own", async () => {
    const outcome = await outcomeOf("echo '{}'; echo first >&2; printf 'no such \\033[31mtable\\n' >&2; exit 3", {
      output: "json",
    });
    expect(outcome).toMatchObject({ status: "failed", exitCode: 3 });
    expect(outcome).not.toHaveProperty("value");
    expect(sentence(outcome)).toContain('exit code 3; its last words: "no such  [31mtable"');
    expect(sentence(await outcomeOf("exit 1", { output: "json" }))).toContain("last words: none");
  });

  test("is followed live all the same", async () => {
    const output = new RunOutput({ maxRetainedOutputBytes: 1_000, streamWindowBytes: 1_000 });
    await outcomeOf("echo '[]'", { output: "json" }, { output });
    expect(output.read(0, 100)?.bytes.toString()).toBe("[]\n");
  });
});

describe("result", () => {
  const jsonSchema = {
    type: "array",
    items: {
      type: "object",
      properties: { name: { type: "string" } },
      required: ["name"],
      additionalProperties: false,
    },
  } as const;

  test.each([
    ["a JSON Schema", jsonSchema],
    ["a Standard Schema", z.array(z.strictObject({ name: z.string() }))],
  ])("as %s, is checked, and discovery tells it", async (_kind, result) => {
    const good = await outcomeOf(`echo '[{"name":"a"}]'`, { output: "json", result });
    expect(good).toMatchObject({ status: "completed", value: [{ name: "a" }] });
    const bad = await outcomeOf(`echo '[{"name":"a"},{"name":"hush"},{"name":5}]'`, { output: "json", result });
    expect(bad).toMatchObject({ status: "failed", error: { code: "failed" } });
    expect(sentence(bad)).toContain("does not fit the schema of its result");
    expect(sentence(bad)).not.toContain("hush");
    expect(script("", { output: "json", result }).resultSchema).toMatchObject({ type: "array" });
  });

  test("of a JSON Schema says where the value does not fit", async () => {
    const outcome = await outcomeOf(`echo '[{"name":5}]'`, { output: "json", result: jsonSchema });
    expect(sentence(outcome)).toContain("/0/name must be string");
  });

  test("of a Standard Schema may convert, and may take its time", async () => {
    const result = z.object({ when: z.string() }).transform(({ when }) => Promise.resolve(Number(when)));
    expect(await outcomeOf(`echo '{"when":"5"}'`, { output: "json", result })).toMatchObject({
      status: "completed",
      value: 5,
    });
  });

  test.each([
    ["a misspelt keyword", { type: "object", propertes: {} }, /propertes/],
    ["a wrong type", { type: "text" }, /type/],
    ["a reference to nothing", { $ref: "#/$defs/none" }, /none/],
  ])("is refused with %s", (_what, result, message) => {
    expect(() => script("", { output: "json", result })).toThrow(
      expect.objectContaining({ code: "configuration", message: expect.stringMatching(message) as string }) as Error,
    );
  });

  test("is refused where output is no JSON, and so are codes and forms that are none", () => {
    for (const [form, field] of [
      [{ result: { type: "object" } }, "result"],
      [{ output: "xml" }, "output"],
      [{ successCodes: [] }, "successCodes"],
      [{ successCodes: [256] }, "successCodes"],
    ] as const) {
      expect(() => script("", form as Form)).toThrow(
        expect.objectContaining({ code: "configuration", details: { field } }) as Error,
      );
    }
  });
});

describe("the other forms", () => {
  test.each([
    ["", []],
    ["a\\nb\\n", ["a", "b"]],
    ["a\\r\\n\\nb", ["a", "", "b"]],
    ["\\n", [""]],
    ["ä\\377\\n", ["ä\uFFFD"]],
  ])("lines of %j", async (text, value) => {
    expect(await outcomeOf(`printf '${text}'`, { output: "lines" })).toStrictEqual({
      status: "completed",
      value,
      exitCode: 0,
    });
  });

  test("none is null, however much it prints; what was cut on the way is told", async () => {
    const flood = "head -c 100000 /dev/zero";
    expect(await outcomeOf(flood, { output: "none" }, { limits: { maxRunOutputBytes: 10 } })).toStrictEqual({
      status: "completed",
      value: null,
      exitCode: 0,
    });
    expect(await outcomeOf(flood, { output: "none", maxOutputBytes: 10, whenOutputIsFull: "truncate" })).toStrictEqual({
      status: "completed",
      value: null,
      exitCode: 0,
      truncated: true,
    });
  });

  test("text is a ScriptResult, as without a form", async () => {
    const outcome = await outcomeOf("echo a; exit 2", { output: "text" });
    expect(outcome).toMatchObject({ status: "failed", exitCode: 2 });
    expect(resultOf(outcome)).toMatchObject({ stdout: "a\n", exitCode: 2 });
  });
});

test("success codes complete a run, all others fail it, 0 as well where it is not among them", async () => {
  for (const [code, successCodes, status] of [
    [0, undefined, "completed"],
    [3, undefined, "failed"],
    [3, [0, 3], "completed"],
    [0, [0, 3], "completed"],
    [1, [0, 3], "failed"],
    [0, [3], "failed"],
  ] as const) {
    const form = successCodes === undefined ? {} : { successCodes };
    expect(await outcomeOf(`exit ${code}`, form)).toMatchObject({ status, exitCode: code });
  }
});

test("iscep.yaml has the same in its own words", async () => {
  const folder = temporaryFolder();
  const file = path.join(folder, "iscep.yaml");
  const text = (keys: string): string => `commands:\n  it:\n    run: [./it.sh]\n${keys}`;
  writeFileSync(path.join(folder, "it.sh"), `#!/bin/sh\necho '{"rows":3}'\n`, { mode: 0o700 });
  writeFileSync(
    file,
    text(
      "    output: json\n    success_codes: [0, 3]\n    result:\n      type: object\n      properties: { rows: { type: integer } }\n",
    ),
  );
  const [command] = (await loadConfiguration(file)).commands;
  if (command?.kind !== "script") throw new Error("no script");
  expect(command).toMatchObject({ output: "json", successCodes: [0, 3], resultSchema: { type: "object" } });
  expect(await run(command, { args: {} })).toMatchObject({ status: "completed", value: { rows: 3 } });
  for (const [keys, message] of [
    ["    output: xml\n", /4:13: .*json/],
    ["    success_codes: []\n", /4:20: .*exit codes/],
    ["    success_codes: [300]\n", /4:21: .*255/],
    ["    result: { type: object }\n", /4:13: .*output: json/],
    ["    output: json\n    result: { typ: object }\n", /5:13: .*typ/],
    ["    output: json\n    result: object\n", /5:13: .*JSON Schema/],
  ] as const) {
    writeFileSync(file, text(keys));
    await expect(loadConfiguration(file)).rejects.toMatchObject({
      code: "configuration",
      message: expect.stringMatching(message) as string,
    });
  }
});

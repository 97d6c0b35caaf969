/** Where arguments go besides argv: standard input, descriptors, variables; and where secrets never go (PITFALLS 18). */
import { execFileSync } from "node:child_process";
import { closeSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { defineScript, type ScriptCommand } from "iscep";
import { openDescriptor } from "#iscep/runs/script/descriptors";

type Args = NonNullable<Parameters<typeof defineScript>[0]["args"]>;
type Places = Pick<Parameters<typeof defineScript>[0], "stdin" | "argumentVariables"> & { readonly run?: string[] };

const text = { type: "string" } as const;
const optional = { type: "string", optional: true } as const;
const secret = { type: "secret" } as const;

function script(args: Args, { run = [], ...places }: Places): ScriptCommand {
  return defineScript({ name: "it", run: ["env", ...run], args, ...places });
}

function variables(command: ScriptCommand, args: object): Record<string, string> {
  return Object.fromEntries(
    Object.entries(command.invocation(args).environment).filter(([name]) => name.startsWith("ISCEP_")),
  );
}

describe("standard input", () => {
  test("is the value of one argument, byte for byte and nothing behind it", () => {
    const command = script({ sql: { type: "string", multiline: true } }, { stdin: "{sql}" });
    expect(command.invocation({ sql: "select 'ä'\n" }).stdin).toEqual(Buffer.from("select 'ä'\n"));
  });

  test("is empty for an absent argument, and not the caller's", () => {
    expect(script({ sql: optional }, { stdin: "{sql}" }).invocation({}).stdin).toEqual(Buffer.alloc(0));
  });

  test("is left to the caller when nothing is said", () => {
    expect(script({ a: text }, { run: ["{a}"] }).invocation({ a: "x" })).not.toHaveProperty("stdin");
  });

  test("has all arguments as one JSON object, secrets and what stands elsewhere among them", () => {
    const list = { type: "list", items: { type: "integer" } } as const;
    const command = script({ a: text, n: list, password: secret, o: optional }, { run: ["{a}"], stdin: "args" });
    const { stdin, argv } = command.invocation({ a: '"\n', n: [1, 2], password: "hunter2" });
    expect(JSON.parse(String(stdin))).toEqual({ a: '"\n', n: [1, 2], password: "hunter2" });
    expect(argv).toEqual(['"\n']);
  });

  test("takes a value that begins with -, and one longer than any argument", () => {
    const command = script({ sql: { type: "string", maxLength: 1_000_000 } }, { stdin: "{sql}" });
    const sql = `-- ${"x".repeat(500_000)}`;
    expect(command.checkArguments({ sql })).toMatchObject({ ok: true });
    expect(command.invocation({ sql }).stdin?.toString()).toBe(sql);
  });
});

describe("variables", () => {
  // PITFALLS B12 (GHSA-v25g-mvwr-f5fp): a caller names no variable, and so sets no identity.
  test("are named by the definition: ISCEP_ARG_ and the argument", () => {
    const args = {
      "dry-run": { type: "boolean" },
      world: text,
      n: { type: "number" },
      l: { type: "list", items: text },
    } as const;
    const command = script(args, { argumentVariables: "all" });
    expect(variables(command, { "dry-run": false, world: "-x", n: 1e21, l: ["a", 'b"c'] })).toEqual({
      ISCEP_ARG_DRY_RUN: "false",
      ISCEP_ARG_WORLD: "-x",
      ISCEP_ARG_N: "1000000000000000000000",
      ISCEP_ARG_L: '["a","b\\"c"]',
    });
  });

  test("are only those that were chosen; an absent argument is no variable, and an empty one is", () => {
    const command = script({ a: optional, b: optional, c: optional }, { run: ["{a}"], argumentVariables: ["b", "c"] });
    expect(variables(command, { a: "1", c: "" })).toEqual({ ISCEP_ARG_C: "" });
  });

  // GHSA-prj9-97mp-mwh2, GHSA-v25g-mvwr-f5fp: a caller adds none and replaces none.
  test("cannot be added or replaced by a caller, nor by one call for the next (CVE-2026-48708)", () => {
    const command = script({ a: optional }, { argumentVariables: "all" });
    for (const name of ["ISCEP_ARG_A", "ISCEP_RUN", "PATH", "LD_PRELOAD", "__proto__", "a\0b"])
      expect(command.checkArguments(JSON.parse(JSON.stringify({ [name]: "x" })))).toMatchObject({ ok: false });
    expect(variables(command, { a: "1", LD_PRELOAD: "x" })).toEqual({ ISCEP_ARG_A: "1" });
    expect(variables(command, {})).toEqual({});
    expect(command.environment).not.toHaveProperty("ISCEP_ARG_A");
  });

  test.each(["a\0b", "\ud800", "x".repeat(131_071)])("what the system would cut, change or refuse is refused", (a) => {
    const command = script({ a: text }, { argumentVariables: "all" });
    expect(() => command.invocation({ a })).toThrow(expect.objectContaining({ code: "invalid_arguments" }));
  });

  test("reach a real program byte for byte, the longest too", () => {
    const command = script({ a: text }, { argumentVariables: "all" });
    for (const a of ["$(id)\n`x`", "ä 𝄞", "() { :; }; id", "x".repeat(131_071 - "ISCEP_ARG_A=".length)]) {
      const { environment } = command.invocation({ a });
      expect(execFileSync("printenv", ["ISCEP_ARG_A"], { env: environment }).toString()).toBe(`${a}\n`);
    }
  });
});

describe("a secret", () => {
  const password = { password: secret };

  test("goes by a path or by the number of a descriptor, which holds it", () => {
    const args = { password: secret, key: { type: "secret", multiline: true }, plain: text } as const;
    const run = ["--password-file={password:file}", "--key-fd", "{key:fd}", "{plain:file}"];
    const { argv, descriptors, secrets } = script(args, { run }).invocation({
      password: "-p",
      key: "k\nl",
      plain: "x",
    });
    expect(argv).toEqual(["--password-file=/dev/fd/3", "--key-fd", "4", "/dev/fd/5"]);
    expect(descriptors.map(String)).toEqual(["-p", "k\nl", "x"]);
    expect(secrets).toEqual(["-p", "k\nl"]);
  });

  test("is read there by a real program, and stands neither in its argv nor in its environment", () => {
    const run = ["sh", "-c", 'cat "$1"; cat /proc/self/cmdline /proc/self/environ', "sh", "{password:file}"];
    const { argv, environment, descriptors } = script(password, { run }).invocation({ password: "hunter2" });
    const opened = descriptors.map((bytes) => openDescriptor(bytes));
    const stdio = ["ignore", "pipe", "inherit", ...opened] as const;
    const printed = execFileSync("env", argv, { env: environment, stdio: [...stdio] }).toString();
    for (const descriptor of opened) closeSync(descriptor);
    expect(printed.startsWith("hunter2")).toBe(true);
    expect(printed.split("hunter2")).toHaveLength(2);
  });

  test("that is optional and absent disappears with its option", () => {
    const args = { password: { type: "secret", optional: true } } as const;
    const command = script(args, { run: ["-x", "--password-file", "{password:file}"] });
    expect(command.invocation({})).toMatchObject({ argv: ["-x"], descriptors: [], secrets: [] });
  });

  test("is noted for logs, marked in discovery, and refused with words that do not have it", () => {
    const command = script({ password: { type: "secret", minLength: 8 } }, { stdin: "{password}" });
    expect(command.secretArguments).toEqual(["password"]);
    expect(command.argsSchema).toMatchObject({ properties: { password: { type: "string", writeOnly: true } } });
    expect(JSON.stringify(command.checkArguments({ password: "hunter2" }))).not.toContain("hunter2");
    expect(JSON.stringify(command.checkArguments({ password: ["hunter2-hunter2"] }))).not.toContain("hunter2");
  });

  test.each<[string, Args, Places, RegExp]>([
    ["in argv", password, { run: ["{password}"] }, /is a secret, and everybody .*"\{password:file\}"/],
    ["behind an option", password, { run: ["--p={password}"] }, /"--p=\{password:file\}"/],
    ["in a variable", password, { argumentVariables: ["password"] }, /is a secret, and others may read/],
    ["among all variables", password, { argumentVariables: "all" }, /the script does not get it; give it .* stdin/],
    ["nowhere", password, {}, /the script does not get it/],
  ])("is refused %s, and it is told where it can go", (_, args, places, message) => {
    expect(() => script(args, places)).toThrow(
      expect.objectContaining({ code: "configuration", message: expect.stringMatching(message) as string }),
    );
  });

  test("has no default, and is no item of a list", () => {
    expect(() => script({ p: { type: "secret", default: "x" } } as never, {})).toThrow(/"default" does not belong/);
    expect(() => script({ p: { type: "list", items: secret } } as never, {})).toThrow(/there is no type "secret"/);
  });
});

describe("a wrong place is refused when it is defined:", () => {
  test.each<[string, Args, unknown, RegExp]>([
    ["an unknown argument on standard input", { abc: text }, { stdin: "{abd}" }, /not declared.*did you mean "abc"/],
    [
      "a text on standard input",
      { a: text },
      { stdin: "a" },
      /stdin must be true, .* or args, .* or one "\{argument\}"/,
    ],
    ["more than the value", { a: text }, { stdin: "{a}\n" }, /stdin must be true, .* or args/],
    ["two values", { a: text, b: text }, { stdin: "{a}{b}" }, /stdin must be true, .* or args/],
    ["what every object has", {}, { stdin: "{constructor}" }, /not declared/],
    ["a list on standard input", { l: { type: "list", items: text } }, { stdin: "{l}" }, /stdin: args/],
    ["an unknown variable", { abc: text }, { argumentVariables: ["abd"] }, /did you mean "abc"/],
    ["no list of variables", { a: text }, { argumentVariables: "a" }, /must be all, or a list/],
    ["two of one name", { "a-b": text, a_b: text }, { argumentVariables: "all" }, /both be the variable ISCEP_ARG_A_B/],
    ["two that differ in case", { a: text, A: text }, { argumentVariables: "all" }, /both be the variable ISCEP_ARG_A/],
    ["another word behind a colon", { a: text }, { run: ["{a:json}"] }, /"file", .* or "fd"/],
    ["a list in a descriptor", { l: { type: "list", items: text } }, { run: ["{l:file}"] }, /is a list/],
  ])("%s", (_, args, places, message) => {
    expect(() => script(args, places as Places)).toThrow(
      expect.objectContaining({ code: "configuration", message: expect.stringMatching(message) as string }),
    );
  });
});

describe("a caller's text is no script (PITFALLS 2, GHSA-vc6p-m6vx-6cwq):", () => {
  test.each<[string, ...string[]]>([
    ["sh"],
    ["sh", "-s"],
    ["bash", "-"],
    ["python3"],
    ["node", "-i"],
    ["sh", "{code:file}"],
    ["python3", "-u", "{code:file}"],
  ])("%s %s", (program, ...template) => {
    expect(() =>
      defineScript({ name: "it", run: [program, ...template], args: { code: text }, stdin: "{code}" }),
    ).toThrow(
      expect.objectContaining({
        code: "configuration",
        message: expect.stringMatching(/would run what|no program/) as string,
      }),
    );
  });

  test("it may go to a script of the definition's own", () => {
    const command = defineScript({ name: "it", run: ["sh", "-c", "cat"], args: { code: text }, stdin: "{code}" });
    expect(command.invocation({ code: "reboot" }).stdin?.toString()).toBe("reboot");
  });
});

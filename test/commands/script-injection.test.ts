/** PITFALLS part A: what a caller sends is data; it becomes no shell text, no option, no code, no variable. */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { declareArguments, defineCommand, defineScript, isIscepError, type ScriptCommand } from "iscep";
import { anyCharacter } from "../support/any-character.js";
import { rounds } from "../support/rounds.js";

const folder = mkdtempSync(path.join(tmpdir(), "iscep-injection-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Prints the bytes of its command line, as the kernel has them. */
const printer = path.join(folder, "printer");
writeFileSync(
  printer,
  `#!${process.execPath}\nprocess.stdout.write(require("fs").readFileSync("/proc/self/cmdline").toString("hex"));\n`,
);
chmodSync(printer, 0o700);

const world = { world: { type: "string" } } as const;

function script(template: readonly string[], args: Parameters<typeof defineScript>[0]["args"]): ScriptCommand {
  return defineScript({ name: "it", run: [printer, ...template], args });
}

// A list of dangerous texts always misses one (CVE-2026-27626, CVE-2026-67438); so no text may be dangerous.
describe("any text reaches the program byte for byte, or is refused", () => {
  const signs = [
    "-",
    "'",
    '"',
    "`",
    "$",
    "(",
    ")",
    "\\",
    "\n",
    "\r",
    "\t",
    " ",
    ";",
    "&",
    "|",
    "*",
    "~",
    "{",
    "}",
    "=",
  ];
  const hostile = fc.oneof(
    fc.string({ unit: anyCharacter }),
    fc.string({ unit: "grapheme" }),
    fc.string({ unit: fc.constantFrom(...signs, "%", "!", "\0", "\ud800", "é", "𝄞", "a") }),
    fc.constantFrom("$(reboot)", "; rm -rf /", "-rf", "--", "../../etc/passwd", "%00", "\u202e", "\ufeff", "@file"),
  );
  const half = /\p{Cs}/u;
  const refused = /^-|[\0\p{Cs}]/u;
  const any = { type: "string", allow: ["control"] } as const;
  /** Each place gets one text, and the result says what it should have got. */
  const command = defineScript({
    name: "it",
    run: [printer, "{world}", "--world={world}", "{world:file}"],
    args: { world: any },
    stdin: "{world}",
    argumentVariables: "all",
  });
  const whole = defineScript({ name: "it", run: [printer], args: { world: any }, stdin: "args" });

  function places(world: string): unknown {
    const { argv, environment, stdin, descriptors } = command.invocation({ world });
    return [argv, environment["ISCEP_ARG_WORLD"], String(stdin), descriptors.map(String)];
  }

  test("in every place", () => {
    fc.assert(
      fc.property(hostile, (world) => {
        let placed: unknown;
        try {
          placed = places(world);
        } catch (error) {
          expect(isIscepError(error) && error.code).toBe("invalid_arguments");
        }
        const expected = [[world, `--world=${world}`, "/dev/fd/3"], world, world, [world]];
        expect(placed).toEqual(refused.test(world) ? undefined : expected);
        expect(command.checkArguments({ world })).toMatchObject({ ok: !/[\0\p{Cs}]/u.test(world) });
        if (!half.test(world)) expect(JSON.parse(String(whole.invocation({ world }).stdin))).toEqual({ world });
      }),
      { numRuns: rounds(2_000, 20_000, 100_000) },
    );
  });

  test("in the command line of a real process", () => {
    const texts = fc
      .sample(hostile, { numRuns: rounds(2_500, 20_000, 100_000), seed: 1 })
      .filter((text) => !refused.test(text));
    expect(texts.length).toBeGreaterThan(rounds(1_000, 10_000, 50_000));
    // As many a process as leave its arguments and environment within 2 MiB.
    for (let from = 0; from < texts.length; from += 4_000) {
      const argv = texts.slice(from, from + 4_000).flatMap((world) => command.invocation({ world }).argv.slice(0, 2));
      const printed = execFileSync(printer, argv, { encoding: "latin1", maxBuffer: 64 * 1024 * 1024 });
      const seen = Buffer.from(printed, "hex").toString("latin1");
      // Before them stand the interpreter and the script.
      expect(seen.split("\0").slice(2, -1)).toEqual(argv.map((text) => Buffer.from(text).toString("latin1")));
    }
  });
});

describe("what is refused unless the argument allows it:", () => {
  const plain = script(["{a}"], { a: { type: "string" } });
  const allowing = script(["{a}"], { a: { type: "string", allow: ["dash", "control"] } });
  const lines = script(["{a}"], { a: { type: "string", multiline: true } });
  const reaches = (command: ScriptCommand, a: unknown): boolean => {
    const check = command.checkArguments({ a });
    if (check instanceof Promise || !check.ok) return false;
    try {
      return command.invocation(check.args).argv[0] === String(a);
    } catch (error) {
      if (isIscepError(error) && error.code === "invalid_arguments") return false;
      throw error;
    }
  };

  // PITFALLS 5 (CWE-88): OliveTin's `ascii_identifier` takes -rf and "..".
  test.each<[string, string, boolean, boolean, boolean]>([
    ["an option", "-rf", false, true, false],
    ["a dash alone", "-", false, true, false],
    ["the end of options", "--", false, true, false],
    ["a line feed", "a\nb", false, true, true],
    ["a tab", "a\tb", false, true, true],
    ["an escape", "\u001B[2J", false, true, false],
    ["a control character of C1", "\u009b2J", false, true, false],
    ["NUL", "a\0b", false, false, false],
    ["half of a pair", "\ud83c", false, false, false],
    ["an over-long text", "x".repeat(65_537), false, false, false],
    ["an empty text", "", true, true, true],
    ["two dots, which only a path can refuse", "..", true, true, true],
  ])("%s", (_, a, isPlain, isAllowing, isLines) => {
    expect(reaches(plain, a)).toBe(isPlain);
    expect(reaches(allowing, a)).toBe(isAllowing);
    expect(reaches(lines, a)).toBe(isLines);
  });

  test("a negative number, a choice and an item that begin with -", () => {
    const cases = [
      [{ type: "integer" }, -5],
      [{ type: "number" }, -0.5],
      [{ type: "enum", choices: { from: "list_flags" } }, "-v"],
      [{ type: "list", items: { type: "string" } }, ["-v"]],
    ] as const;
    for (const [declaration, value] of cases) {
      const allow = ["dash"] as const;
      const allowed =
        declaration.type === "list"
          ? { ...declaration, items: { ...declaration.items, allow } }
          : { ...declaration, allow };
      expect(reaches(script(["{a}"], { a: declaration }), value)).toBe(false);
      expect(reaches(script(["{a}"], { a: allowed }), value)).toBe(true);
      expect(reaches(script(["--", "{a}"], { a: declaration }), value)).toBe(false);
      expect(script(["--", "{a}"], { a: declaration }).invocation({ a: value }).argv).toEqual(["--", String(value)]);
    }
  });

  test("a longer text, where the declaration has a bound of its own", () => {
    const long = script(["{a}"], { a: { type: "string", maxLength: 131_071 } });
    expect(reaches(long, "x".repeat(131_071))).toBe(true);
    expect(reaches(long, "x".repeat(131_072))).toBe(false);
    // With the bytes of its characters it would be too long for the system.
    expect(reaches(long, "ä".repeat(100_000))).toBe(false);
  });
});

// PITFALLS 4 (GHSA-prj9-97mp-mwh2, vulndb#5552): OliveTin let undeclared arguments through by their prefix.
test("arguments that are not declared are refused, and reach no place", () => {
  const command = script(["{a}"], { a: { type: "string", optional: true } });
  for (const name of ["b", "ot_b", "iscep_b", "ISCEP_ARG_B", "A", "__proto__", "constructor", ""]) {
    const args: unknown = JSON.parse(`{${JSON.stringify(name)}: "x"}`);
    expect(command.checkArguments(args)).toMatchObject({ ok: false });
    expect(command.invocation(args)).toMatchObject({ argv: [], descriptors: [], secrets: [] });
  }
});

describe("a caller chooses no option, and writes no code", () => {
  test.each(["-{world}", "--{world}"])("%s in a template", (element) => {
    expect(() => script([element], world)).toThrow(
      expect.objectContaining({
        code: "configuration",
        message: expect.stringContaining("choose the option") as string,
      }),
    );
  });

  test.each<readonly [string, ...string[]]>([
    ["sh", "-c", "{world}"],
    ["/bin/bash", "-euc", "{world}"],
    ["sh", "-ce", "{world}"],
    ["sh", "-c", "-e", "{world}"],
    ["bash", "-c", "-o", "posix", "{world}"],
    ["bash", "-c", "--", "{world}"],
    ["sh", "-c", "echo {world}"],
    ["env", "sh", "-c", "{world}"],
    ["env", "-i", "NAME=value", "sh", "-ce", "{world}"],
    ["env", "-u", "NAME", "/bin/sh", "-c", "{world}"],
    ["nice", "-n", "5", "timeout", "-k", "1s", "10s", "sh", "-c", "{world}"],
    ["setpriv", "--reuid=1", "--", "sh", "-c", "{world}"],
    ["env", "perl", "-ne", "{world}"],
    [process.execPath, "-e", "{world}"],
    [process.execPath, "--eval={world}"],
  ])("%s %s", (program, ...template) => {
    expect(() => defineScript({ name: "it", run: [program, ...template], args: world })).toThrow(
      expect.objectContaining({ code: "configuration", message: expect.stringContaining("write the code") as string }),
    );
  });

  test.each<readonly [string, ...string[]]>([
    ["env", "sh"],
    ["env", "-i", "sh", "-s"],
    ["timeout", "10s", "sh", "{world:file}"],
  ])("%s %s %s without a script of the definition's own", (program, ...template) => {
    expect(() => defineScript({ name: "it", run: [program, ...template], args: world })).toThrow(
      expect.objectContaining({ code: "configuration", message: expect.stringContaining("script of yours") as string }),
    );
  });

  test.each<readonly [string, ...string[]]>([
    ["env", "echo", "sh", "-c", "{world}"],
    ["timeout", "10s", "grep", "-c", "{world}", "/etc/passwd"],
    ["sh", "/etc/profile", "-c", "{world}"],
    ["env", "sh", "-ec", 'echo "$1"', "sh", "{world}"],
    ["env", "{world}"],
  ])("no other program is held to be a shell: %s %s %s", (program, ...template) => {
    expect(defineScript({ name: "it", run: [program, ...template], args: world }).program).toContain(program);
  });

  test("code of the definition's own takes arguments behind it", () => {
    const run = ["sh", "-c", 'echo "$1"', "sh", "--", "{world}"] as const;
    const command = defineScript({ name: "it", run, args: world });
    expect(command.invocation({ world: "$(id)" }).argv).toEqual([...run.slice(1, -1), "$(id)"]);
  });
});

// PITFALLS 7 and 9 (DEP0190, WireMCP#12): what is easily written in a hurry is not written at all.
test("nothing in src starts a shell", () => {
  const sources = readdirSync("src", { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
  const code = sources.map((file) =>
    readFileSync(path.join("src", file), "utf8").replaceAll(/\/\*[^]*?\*\/|\/\/.*/g, ""),
  );
  // Who starts no programs may name the shell of a person who types.
  const starting = code.filter((text) => text.includes("child_process"));
  expect(starting.length).toBeGreaterThan(0);
  const shells = /\bshell:(?!\s*false\b)|\b(?:exec|execSync)\b[^;]*"node:child_process"|\bchild_process"\)?\.exec/;
  expect(starting.filter((text) => shells.test(text))).toEqual([]);
});

describe("numbers", () => {
  const command = script(["--n={n}"], { n: { type: "number" } });

  test.each([
    [-0, "0"],
    [1e21, "1000000000000000000000"],
    [1.5e300, `15${"0".repeat(299)}`],
    [1e-7, "0.0000001"],
    [-1.25e-9, "-0.00000000125"],
  ])("%d becomes %s", (n, text) => {
    expect(command.invocation({ n }).argv).toEqual([`--n=${text}`]);
  });

  test("all of them become the same number again, without an exponent", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (n) => {
        const [text = ""] = command.invocation({ n }).argv;
        expect(text).toMatch(/^--n=-?\d+(?:\.\d+)?$/);
        expect(Number(text.slice("--n=".length))).toBe(n === 0 ? 0 : n);
      }),
    );
  });

  test("Infinity and NaN are none", () => {
    const declared = defineCommand({ name: "it", args: declareArguments({ n: { type: "number" } }), run: () => 1 });
    for (const n of [Number.POSITIVE_INFINITY, Number.NaN]) {
      expect(declared.checkArguments({ n })).toMatchObject({ ok: false });
      expect(() => command.invocation({ n }).argv).toThrow(expect.objectContaining({ code: "invalid_arguments" }));
    }
  });
});

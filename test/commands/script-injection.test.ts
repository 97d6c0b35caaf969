/** PITFALLS part A: what a caller sends is data; it becomes no shell text, no option, no code, no variable. */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { declareArguments, defineCommand, defineScript, isIscepError, type ScriptCommand } from "iscep";

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
    fc.string({ unit: "binary" }),
    fc.string({ unit: "grapheme" }),
    fc.string({ unit: fc.constantFrom(...signs, "%", "!", "\0", "\ud800", "é", "𝄞", "a") }),
    fc.constantFrom("$(reboot)", "; rm -rf /", "-rf", "--", "../../etc/passwd", "%00", "\u202e", "\ufeff", "@file"),
  );
  const refused = /^-|[\0\p{Cs}]/u;
  const command = script(["{world}", "--world={world}"], { world: { type: "string", multiline: true } });

  test("in argv", () => {
    fc.assert(
      fc.property(hostile, (text) => {
        let filled: readonly string[] | undefined;
        try {
          filled = command.invocation({ world: text }).argv;
        } catch (error) {
          expect(isIscepError(error) && error.code).toBe("invalid_arguments");
        }
        expect(filled).toEqual(refused.test(text) ? undefined : [text, `--world=${text}`]);
      }),
      { numRuns: 5_000 },
    );
  });

  test("in the process", () => {
    const accepted = fc.sample(hostile, { numRuns: 2_000, seed: 1 }).filter((text) => !refused.test(text));
    const texts = accepted.flatMap((text) => command.invocation({ world: text }).argv);
    expect(texts.length).toBeGreaterThan(1_000);
    const seen = Buffer.from(execFileSync(printer, texts, { encoding: "latin1" }), "hex").toString("latin1");
    // Before them stand the interpreter and the script.
    expect(seen.split("\0").slice(2, -1)).toEqual(texts.map((text) => Buffer.from(text).toString("latin1")));
  });
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
    [process.execPath, "-e", "{world}"],
    [process.execPath, "--eval={world}"],
  ])("%s %s", (program, ...template) => {
    expect(() => defineScript({ name: "it", run: [program, ...template], args: world })).toThrow(
      expect.objectContaining({ code: "configuration", message: expect.stringContaining("write the code") as string }),
    );
  });

  test("code of the definition's own takes arguments behind it", () => {
    const run = ["sh", "-c", 'echo "$1"', "sh", "--", "{world}"] as const;
    const command = defineScript({ name: "it", run, args: world });
    expect(command.invocation({ world: "$(id)" }).argv).toEqual([...run.slice(1, -1), "$(id)"]);
  });
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

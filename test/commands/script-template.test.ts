import { execFile } from "node:child_process";
import { promisify } from "node:util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { declareArguments, defineScript } from "iscep";
import { compileInvocation } from "#iscep/commands/script/invocation";
import { anyCharacter } from "../support/any-character.js";

type Declarations = Parameters<typeof compileInvocation>[1];

function compileTemplate(template: readonly string[], declarations: Declarations) {
  const invocation = compileInvocation({ template, environment: {} }, declarations);
  return (args: unknown): readonly string[] => invocation(args).argv;
}

const text = { type: "string" } as const;
const optional = { type: "string", optional: true } as const;
const numbers = { type: "list", items: { type: "number" }, optional: true } as const;

function fill(template: string[], declarations: Declarations, args: object): readonly string[] {
  return compileTemplate(template, declarations)(args);
}

/** The bytes that a real program got, each argument with a NUL behind it. */
async function printed(values: readonly string[]): Promise<Buffer> {
  const script = defineScript({
    name: "print",
    run: ["printf", "%s\\0", "--", "{values}"],
    args: { values: { type: "list", items: text } },
  });
  const options = { cwd: script.folder, env: script.environment, encoding: "buffer" } as const;
  return (await promisify(execFile)(script.program, script.invocation({ values }).argv, options)).stdout;
}

/** Every string of JavaScript, halves of surrogate pairs and control characters too. */
const anyString = fc.oneof(
  fc.string({ unit: fc.nat(0xffff).map((code) => String.fromCharCode(code)) }),
  fc.string({ unit: anyCharacter }),
  fc.constantFrom(
    "",
    "-",
    "--",
    "-rf",
    "..",
    "$(id)",
    "`id`",
    "a b",
    "'",
    '"',
    "\\",
    "\n",
    "*",
    "{x}",
    "%s",
    "\0",
    "\u{1F3AE}",
  ),
);

describe("any string", () => {
  test("reaches argv as it is, or is refused", () => {
    const argv = compileTemplate(["--", "{value}", "--x={value}"], { value: text });
    fc.assert(
      fc.property(anyString, (value) => {
        const given =
          value.includes("\0") || !Buffer.from(value).toString().includes(value)
            ? undefined
            : ["--", value, `--x=${value}`];
        let filled: readonly string[] | undefined;
        try {
          filled = argv({ value });
        } catch (error) {
          expect(error).toMatchObject({ code: "invalid_arguments" });
        }
        expect(filled).toEqual(given);
      }),
      { numRuns: 500 },
    );
  });

  test("that is not refused reaches a real program byte for byte", async () => {
    const declared = declareArguments({ value: { type: "string", multiline: true } });
    const fits = (value: string): boolean => !("issues" in (declared["~standard"].validate({ value }) as object));
    await fc.assert(
      fc.asyncProperty(fc.array(anyString.filter(fits), { minLength: 1, maxLength: 50 }), async (values) => {
        expect(await printed(values)).toEqual(Buffer.from(["--", ...values, ""].join("\0")));
      }),
      { numRuns: 15 },
    );
  });

  test("that begins with - is refused in a slot that nothing guards, and says so without the value", () => {
    fc.assert(
      fc.property(
        anyString.map((value) => `-${value}`),
        (value) => {
          expect(() => fill(["{value}"], { value: text }, { value })).toThrow(/^argument "value" must not/);
        },
      ),
    );
    expect(() => fill(["{value}"], { value: text }, { value: "-secret" })).not.toThrow(/secret/);
  });
});

test("each of two runs gets its own arguments", () => {
  const argv = compileTemplate(["{value}"], { value: text });
  const first = argv({ value: "a" });
  expect(argv({ value: "b" })).toEqual(["b"]);
  expect(first).toEqual(["a"]);
});

describe("a template", () => {
  test.each<[string, string[], Declarations, object, string[]]>([
    ["of literals", ["-c", "", "a b"], {}, {}, ["-c", "", "a b"]],
    ["with a whole slot", ["--world", "{world}"], { world: text }, { world: "a b" }, ["--world", "a b"]],
    ["with a prefix", ["--world={world}"], { world: text }, { world: "-x" }, ["--world=-x"]],
    [
      "with the end of options before a slot",
      ["--", "x", "{world}"],
      { world: text },
      { world: "-x" },
      ["--", "x", "-x"],
    ],
    [
      "with a negative default behind a prefix",
      ["-n={n}"],
      { n: { type: "integer", default: -1 } },
      { n: -1 },
      ["-n=-1"],
    ],
    [
      "with a negative default that may be one",
      ["{n}"],
      { n: { type: "integer", default: -1, allow: ["dash"] } },
      { n: -1 },
      ["-1"],
    ],
    ["that uses an argument twice", ["{a}", "x{a}"], { a: text }, { a: "1" }, ["1", "x1"]],
    ["with an empty value", ["{a}"], { a: text }, { a: "" }, [""]],
    ["with a value that looks like a slot", ["{a}"], { a: text }, { a: "{b}" }, ["{b}"]],
    ["with a list", ["{n}", "end"], { n: numbers }, { n: [1, 2.5] }, ["1", "2.5", "end"]],
    ["with a list behind a prefix", ["-n={n}", "end"], { n: numbers }, { n: [1, -2] }, ["-n=1", "-n=-2", "end"]],
    ["with an empty list behind a prefix", ["-n={n}", "end"], { n: numbers }, { n: [] }, ["end"]],
    ["with an absent argument in a file, and its option", ["-f", "{o:file}", "b"], { o: optional }, {}, ["b"]],
    ["with an absent argument in a file behind a prefix", ["-f={o:fd}", "b"], { o: optional }, {}, ["b"]],
    ["with an empty list, and its option", ["-n", "{n}", "end"], { n: numbers }, { n: [] }, ["end"]],
    ["with an absent argument", ["a", "{o}", "b"], { o: optional }, {}, ["a", "b"]],
    ["with an absent argument and its option", ["-v", "--out", "{o}", "b"], { o: optional }, {}, ["-v", "b"]],
    ["with an argument and its option", ["--out", "{o}", "b"], { o: optional }, { o: "f" }, ["--out", "f", "b"]],
    ["with an option that has its value, before an absent argument", ["--f=x", "{o}"], { o: optional }, {}, ["--f=x"]],
    ["with standard output as a file, before an absent argument", ["-", "{o}"], { o: optional }, {}, ["-"]],
    ["with an absent argument behind a prefix", ["-v", "--out={o}"], { o: optional }, {}, ["-v"]],
    [
      "whose end of options stays when the next is absent",
      ["--", "{o}", "{a}"],
      { o: optional, a: text },
      { a: "-x" },
      ["--", "-x"],
    ],
    [
      "with truth values",
      ["{a}", "{b}"],
      { a: { type: "boolean" }, b: { type: "boolean" } },
      { a: true, b: false },
      ["true", "false"],
    ],
    ["with the largest whole number", ["{a}"], { a: { type: "integer" } }, { a: 2 ** 53 - 1 }, ["9007199254740991"]],
    ...[
      "${HOME}/x",
      "{}",
      "{print $1}",
      "{{.Names}}",
      "{{json .}}",
      '{"text": "done"}',
      "%{http_code}",
      "{a",
      "a}",
      "{b}",
      "{constructor}",
      "{b:file}",
      "{{b}}",
      "}{",
    ].map((literal): [string, string[], Declarations, object, string[]] => [
      `with ${literal} as it is written`,
      [literal, "{a}"],
      { a: text },
      { a: "x" },
      [literal, "x"],
    ]),
    ["with the name of an argument in doubled braces", ["{{a}}", "{a}"], { a: text }, { a: "x" }, ["{a}", "x"]],
    ["with such a name in three", ["{{{a}}}", "{a}"], { a: text }, { a: "x" }, ["{{a}}", "x"]],
    ["with both before a slot", ["{{a}}:{x}={a}"], { a: text }, { a: "x" }, ["{a}:{x}=x"]],
    ["with minus zero", ["{a}"], { a: { type: "integer" } }, { a: -0 }, ["0"]],
    ["with a negative number that is guarded", ["-n={a}"], { a: { type: "integer" } }, { a: -5 }, ["-n=-5"]],
  ])("%s", (_, template, declarations, args, expected) => {
    expect(fill(template, declarations, args)).toEqual(expected);
  });

  test.each<[string, string[], Declarations, object, RegExp]>([
    ["a negative number that nothing guards", ["{a}"], { a: { type: "integer" } }, { a: -5 }, /begin with "-"/],
    ["one of a list that begins with -", ["{n}"], { n: numbers }, { n: [1, -1] }, /begin with "-"/],
    ["NUL", ["--", "{a}"], { a: text }, { a: "a\0b" }, /NUL/],
    ["half a surrogate pair", ["--", "{a}"], { a: text }, { a: "\uD800" }, /surrogate/],
    ["more than Linux takes", ["--a={a}"], { a: text }, { a: "x".repeat(131_068) }, /131071 bytes/],
    ["what is no value for a program", ["{a}"], { a: text }, { a: { b: 1 } }, /must be text/],
    ["what a prototype has", ["{toString}"], { toString: text }, { toString: {} }, /must be text/],
  ])("refuses %s", (_, template, declarations, args, message) => {
    expect(() => fill(template, declarations, args)).toThrow(
      expect.objectContaining({ code: "invalid_arguments", message: expect.stringMatching(message) as string }),
    );
  });

  test("takes the longest that Linux takes, and a real program gets it", async () => {
    const longest = "x".repeat(131_071);
    expect(fill(["{a}"], { a: text }, { a: longest })).toEqual([longest]);
    expect((await printed([longest])).length).toBe("--\0".length + longest.length + 1);
  });
});

describe("a wrong template is refused when it is made:", () => {
  test.each<[string, string[], Declarations, RegExp]>([
    ["text behind a slot", ["{a}.tar"], { a: text }, /double the braces, "\{\{argument\}\}"/],
    ["two slots in an element", ["{a}{b}"], { a: text, b: text }, /double the braces/],
    ["an argument within JSON", ['{"a": "{a}"}'], { a: text }, /double the braces/],
    ["an unknown place", ["{a:pipe}"], { a: text }, /behind the colon/],
    ["doubled braces alone", ["{{a}}"], { a: text }, /"a" is declared/],
    [
      "a default that is taken for an option",
      ["{n}"],
      { n: { type: "integer", default: -1 } },
      /"n" has the value "-1".*allow: \[dash\]/,
    ],
    ["a value that is taken for an option", ["{e}"], { e: { type: "enum", choices: ["a", "-b"] } }, /"-b"/],
    [
      "a choice that is taken for an option",
      ["{e}"],
      { e: { type: "list", items: { type: "string", choices: ["-b"] } } },
      /"-b"/,
    ],
    ["a slip of the pen", ["{wrold}"], { world: text }, /"world" is declared, but run has "\{wrold\}"/],
    ["an argument that it does not use", ["x"], { a: text }, /"a" is declared/],
    ["NUL in a literal", ["a\0"], {}, /NUL/],
  ])("%s", (_, template, declarations, message) => {
    expect(() => compileTemplate(template, declarations)).toThrow(
      expect.objectContaining({ code: "configuration", message: expect.stringMatching(message) as string }),
    );
  });
});

import { describe, expect, test } from "vitest";
import { z } from "zod";
import { declareArguments, defineCommand } from "iscep";
import { argumentSummary, commandHelp } from "#iscep/cli/arguments/table";
import { describeCommand } from "#iscep/commands/describe";

const declared = describeCommand(
  defineCommand({
    name: "backup",
    description: "Archives a world",
    args: declareArguments({
      world: { type: "enum", choices: ["overworld", "the end"], description: "which one" },
      mode: { type: "enum", choices: ["fast", "small"], default: "fast" },
      level: { type: "integer", minimum: 1, maximum: 9, default: 3 },
      ratio: { type: "number", minimum: 0, optional: true },
      tags: { type: "list", items: { type: "string", pattern: "[a-z]+" }, optional: true },
      kinds: { type: "list", items: { type: "enum", choices: ["a", "b"] }, optional: true },
      when: { type: "string", format: "date", default: "2026-11-25" },
      note: { type: "string", default: "a default with spaces" },
      password: { type: "secret" },
      dry_run: { type: "boolean", default: false },
    }),
    run: () => undefined,
  }),
  1_000,
);

describe("arguments as people see them", () => {
  test("in a line of iscep ls", () => {
    expect(argumentSummary(declared)).toMatchInlineSnapshot(
      `"--world STRING [--mode fast|small (fast)] [--level INTEGER (3)] [--ratio NUMBER] [--tags STRING …] [--kinds a|b …] [--when STRING (2026-11-25)] [--note STRING] --password SECRET [--dry_run]"`,
    );
  });

  test("in the help of the command", () => {
    expect(commandHelp(declared)).toMatchInlineSnapshot(`
      "Usage: iscep call backup [--ARGUMENT VALUE …]

      Archives a world

      Arguments:
        --world STRING     which one; one of "overworld", "the end"; required
        --mode fast|small  default "fast"
        --level INTEGER    from 1 to 9; default 3
        --ratio NUMBER     at least 0
        --tags STRING …    like [a-z]+
        --kinds a|b …
        --when STRING      in the form of date; default "2026-11-25"
        --note STRING      default "a default with spaces"
        --password SECRET  from --password-file FILE, or - for standard input; required
        --dry_run          default false
      "
    `);
  });

  test("bounds that only say that a number can be held are left out", () => {
    const args = z.object({ count: z.int(), small: z.int().max(5) });
    const help = commandHelp(describeCommand(defineCommand({ name: "x", args, run: () => undefined }), 1_000));
    expect(help).toContain("--count INTEGER  required\n");
    expect(help).toContain("--small INTEGER  at most 5; required\n");
  });

  test("a server's text steers no terminal, and breaks no line", () => {
    const hostile = {
      type: "string",
      description: "a\u001b[2Jb\nc",
      enum: ["x\u001b]0;t\u0007", "y\nz"],
      default: "\u009b",
    };
    const description = { ...declared, args: { type: "object", properties: { "n\u001b": hostile } } };
    for (const text of [argumentSummary(description), commandHelp(description)]) {
      // eslint-disable-next-line no-control-regex -- they are what is looked for
      expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    }
    expect(commandHelp(description).split("\n")).toHaveLength(7);
  });
});

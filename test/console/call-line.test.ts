/** The line that the console shows for a shell. Somebody pastes it, so no value may become more than an argument. */
import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { expect, test } from "vitest";
import { callLine } from "../../console/src/words/call-line.js";

/** What the program would be called with. */
function wordsIn(line: string): string[] {
  const shell = `iscep() { printf '%s\\0' iscep "$@"; }; ${line}`;
  return execFileSync("/bin/sh", ["-c", shell], { encoding: "utf8" }).split("\0").slice(0, -1);
}

test("without arguments it is short, and long ones are left out", () => {
  expect(callLine("backup", {})).toBe("iscep call backup");
  expect(callLine("backup", { text: "x".repeat(2_000) })).toBe("iscep call backup");
  expect(callLine("database.dump", { to: "a b" })).toBe(`iscep call database.dump --args '{"to":"a b"}'`);
});

test("a shell gives the program exactly these arguments, and sees one line without hidden characters", () => {
  const nasty = fc.constantFrom(
    "'; touch x; '",
    "$(id)",
    "`id`",
    '"',
    "\\",
    "\n",
    "\u202e",
    "\u{e0001}",
    "!!",
    "\ud800",
  );
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    nasty,
    fc.tuple(nasty, nasty).map((parts) => parts.join("")),
  );
  fc.assert(
    fc.property(
      fc.dictionary(text, fc.oneof(text, fc.integer()), { minKeys: 1, maxKeys: 3, noNullPrototype: true }),
      (args) => {
        const line = callLine("a", args);
        expect(line).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
        if (!line.includes("--args")) return;
        const [program, verb, command, option, json = ""] = wordsIn(line);
        expect([program, verb, command, option]).toEqual(["iscep", "call", "a", "--args"]);
        expect(JSON.parse(json)).toEqual(args);
      },
    ),
    { numRuns: 60 },
  );
});

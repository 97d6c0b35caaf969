import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { matchesGlob } from "#iscep/identity/glob";
import { compileScopes, scopeProblem } from "#iscep/identity/scopes";
import { inTime } from "../support/in-time.js";

describe("scopes", () => {
  const good = [
    "discover",
    "run:*",
    "run:backup_*",
    "run:a",
    "run:a(world=nether*)",
    "run:a(b=1,c=*)",
    "runs:all",
    "runs:a*",
  ];
  test.each(good)("%s is one", (scope) => {
    expect(scopeProblem(scope)).toBeUndefined();
  });

  test.each([
    "",
    "run",
    "run:",
    "Discover",
    "discover ",
    "jobs",
    "jobs:",
    "*",
    "execute:*",
    " run:*",
    "runs",
    "runs:",

    "run:a,b",
    "run:a b",
    "run:a(",
    "run:a()",
    "run:a(b)",
    "run:a(=1)",
    "run:a(b=1,b=2)",
    "run:(b=1)",
    "run:a(b=1)c",
  ])("%j is none, and the message says what there is", (scope) => expect(scopeProblem(scope)).toMatch(/runs?:/));

  test.each(["jobs:own", "jobs:all"])("%s granted nothing, and its message names what shows runs", (scope) => {
    expect(scopeProblem(scope)).toContain("runs:all");
  });

  test("grant what they say and nothing else", () => {
    const some = compileScopes(["run:backup_*", "run:list", "runs:back*"]);
    expect(some.mayDiscover).toBe(false);
    expect(["backup_world", "backup_", "list"].map(some.mayRun)).toEqual([true, true, true]);
    expect(["backup", "Backup_world", "xbackup_world", "list2", "", "*"].map(some.mayRun)).toEqual(
      Array(6).fill(false),
    );
    expect(["backup_world", "list"].map(some.maySeeRunsOf)).toEqual([true, false]);
    const none = compileScopes([]);
    expect([none.mayDiscover, none.mayRun("x"), none.maySeeRunsOf("x")]).toEqual([false, false, false]);
    expect(compileScopes(["discover", "run:*"]).mayRun("anything")).toBe(true);
    expect(compileScopes(["run:*"]).maySeeRunsOf("anything")).toBe(false);
    expect(compileScopes(["runs:all"]).maySeeRunsOf("anything")).toBe(true);
    expect(compileScopes(["runs:all"]).mayRun("anything")).toBe(false);
  });

  test("bind values only where no other scope allows all of them", () => {
    const bound = compileScopes(["run:backup(world=nether*)", "run:backup(world=end,keep=1)", "run:stop"]);
    expect(bound.mayRun("backup")).toBe(true);
    expect(bound.argumentRules("backup")?.map((rules) => Object.fromEntries(rules))).toEqual([
      { world: "nether*" },
      { world: "end", keep: "1" },
    ]);
    expect(bound.argumentRules("stop")).toBeUndefined();
    expect(compileScopes(["run:backup(world=a)", "run:b*"]).argumentRules("backup")).toBeUndefined();
  });

  test("globs match as the same pattern written as a regular expression", () => {
    const piece = fc.constantFrom("a", "b", "*", "?", ".", "(", "\\", "é");
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 8 }),
        fc.string({ unit: fc.constantFrom("a", "b", ".", "(", "\\", "é", "\n"), maxLength: 12 }),
        (pieces, text) => {
          const pattern = pieces
            .map((part) => (part === "*" ? ".*" : part === "?" ? "." : `\\u{${part.codePointAt(0)?.toString(16)}}`))
            .join("");
          expect(matchesGlob(pieces.join(""), text)).toBe(new RegExp(`^${pattern}$`, "su").test(text));
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test("a hostile name takes linear time", async () => {
    const text = "a".repeat(1_000_000);
    // A backtracking matcher would not end.
    await inTime(1_000, async () => expect(matchesGlob("*a*a*a*a*a*a*a*a*aab", text)).toBe(false));
  });
});

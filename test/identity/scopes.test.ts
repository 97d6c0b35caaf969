import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileScopes, matchesGlob, scopeProblem } from "#iscep/identity/scopes";

describe("scopes", () => {
  test.each(["discover", "run:*", "run:backup_*", "run:a", "jobs:own", "jobs:all"])("%s is one", (scope) => {
    expect(scopeProblem(scope)).toBeUndefined();
  });

  test.each(["", "run", "run:", "Discover", "discover ", "jobs", "jobs:", "jobs:mine", "*", "execute:*", " run:*"])(
    "%j is none, and the message says which there are",
    (scope) => expect(scopeProblem(scope)).toMatch(/run:/),
  );

  test("grant what they say and nothing else", () => {
    const some = compileScopes(["run:backup_*", "run:list", "jobs:own"]);
    expect(some.mayDiscover).toBe(false);
    expect(some.jobs).toBe("own");
    expect(["backup_world", "backup_", "list"].map(some.mayRun)).toEqual([true, true, true]);
    expect(["backup", "Backup_world", "xbackup_world", "list2", "", "*"].map(some.mayRun)).toEqual(
      Array(6).fill(false),
    );
    const none = compileScopes([]);
    expect([none.mayDiscover, none.mayRun("x"), none.jobs]).toEqual([false, false, "none"]);
    expect(compileScopes(["discover", "run:*"]).mayRun("anything")).toBe(true);
    expect(compileScopes(["jobs:own", "jobs:all"]).jobs).toBe("all");
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

  test("a hostile name takes linear time", () => {
    const steps = (length: number): number => {
      const text = "a".repeat(length);
      const startMs = performance.now();
      expect(matchesGlob("*a*a*a*a*a*a*a*a*aab", text)).toBe(false);
      return performance.now() - startMs;
    };
    steps(10_000);
    expect(steps(1_000_000)).toBeLessThan(1_000); // a backtracking matcher would not end
  });
});

/** Names of tools fit every client, and no two commands can be taken for each other. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { commandsOfTools } from "#iscep/doors/mcp/tool-names";

const names = (commands: readonly string[], reserved: readonly string[] = []): Record<string, string> =>
  Object.fromEntries([...commandsOfTools(commands, reserved)].map(([tool, command]) => [command, tool]));

describe("the name of a tool", () => {
  test("is that of its command where it can be", () => {
    expect(names(["backup", "world:backup", "a.b-c_d"])).toEqual({
      backup: "backup",
      "world:backup": "world_backup",
      "a.b-c_d": "a_b-c_d",
    });
  });

  test("has a mark where two would be the same, and the one that fits keeps its own", () => {
    const found = names(["a_b", "a:b", "a.b"]);
    expect(found["a_b"]).toBe("a_b");
    expect(found["a:b"]).toMatch(/^a_b_[0-9a-f]{8}$/);
    expect(found["a.b"]).toMatch(/^a_b_[0-9a-f]{8}$/);
    expect(found["a:b"]).not.toBe(found["a.b"]);
  });

  test("is never one of our own tools, and never longer than 40 characters", () => {
    const long = `${"x".repeat(60)}1`;
    const found = names(["run_wait", long, `${"x".repeat(60)}2`], ["run_wait"]);
    expect(found["run_wait"]).toMatch(/^run_wait_[0-9a-f]{8}$/);
    expect(found[long]).toMatch(/^x{31}_[0-9a-f]{8}$/);
    expect(new Set(Object.values(found)).size).toBe(3);
  });

  const characters = fc.constantFrom(..."ab_.:-0".split(""));
  const command = fc.string({ unit: characters, minLength: 1, maxLength: 128 });
  test("is one of a kind, fits, and does not depend on the order of commands", () => {
    fc.assert(
      fc.property(fc.uniqueArray(command, { maxLength: 40 }), fc.uniqueArray(command, { maxLength: 3 }), (all, own) => {
        const tools = commandsOfTools(all, own);
        expect([...tools.values()].toSorted()).toEqual(all.toSorted());
        for (const tool of tools.keys()) {
          expect(tool).toMatch(/^[A-Za-z0-9_-]{1,40}$/);
          expect(own).not.toContain(tool);
        }
        expect(names(all.toReversed(), own)).toEqual(names(all, own));
      }),
    );
  });
});

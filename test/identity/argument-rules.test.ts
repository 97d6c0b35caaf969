import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { narrowedDescription, parseArgumentRules, refusalOf } from "#iscep/identity/argument-rules";
import { matchesGlob } from "#iscep/identity/glob";

const rules = (text: string) => parseArgumentRules(text) ?? expect.fail(`${text} is no list of rules`);

describe("values that a token is bound to", () => {
  test.each([
    ["world=nether*", { world: "nether_roof" }, true],
    ["world=nether*", { world: "overworld" }, false],
    ["world=nether*", {}, false],
    ["keep=1", { keep: 1 }, true],
    ["keep=1", { keep: 10 }, false],
    ["force=false", { force: false }, true],
    ["world=nether*", { world: ["nether_a", "nether_b"] }, true],
    ["world=nether*", { world: ["nether_a", "end"] }, false],
    ["world=nether*", { world: [] }, false],
    ["world=*", { world: null }, false],
    ["world=*", { world: { toString: "x" } }, false],
    ["toString=*", {}, false],
    ["world=a,keep=1", { world: "a", keep: 1 }, true],
    ["world=a,keep=1", { world: "a", keep: 2 }, false],
  ])("%s, called with %j: %j", (text, args, isAllowed) => {
    expect(refusalOf([rules(text)], args, args) === undefined).toBe(isAllowed);
  });

  test("the default counts where the caller gives no value, and only there", () => {
    expect(refusalOf([rules("world=nether*")], {}, { world: "nether" })).toBeUndefined();
    expect(refusalOf([rules("world=nether*")], { world: "end" }, { world: "nether" })).toContain("world=nether*");
  });

  test("one alternative is enough, and none is no permission", () => {
    const two = [rules("world=a"), rules("world=b")];
    expect(refusalOf(two, { world: "b" }, { world: "b" })).toBeUndefined();
    expect(refusalOf(two, { world: "c" }, {})).toContain("world=a, or with world=b");
    expect(refusalOf([], {}, {})).toBeDefined();
  });

  test("a text is allowed exactly when its pattern matches", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[ab*?]{0,6}$/), fc.stringMatching(/^[ab]{0,6}$/), (glob, world) => {
        const refusal = refusalOf([new Map([["world", glob]])], { world }, { world });
        expect(refusal === undefined).toBe(matchesGlob(glob, world));
      }),
    );
  });
});

test("discovery shows the choices that are left", () => {
  const description = {
    name: "backup",
    description: "",
    kind: "script" as const,
    timeoutMs: 1,
    args: {
      type: "object",
      properties: {
        world: { enum: ["nether", "end", "nether_roof"] },
        worlds: { type: "array", items: { enum: ["nether", "end"] } },
        label: { type: "string", description: "A label" },
        keep: { type: "integer" },
      },
    },
  };
  const narrowed = narrowedDescription(description, [
    rules("world=nether*,worlds=end,label=a*"),
    rules("world=end,worlds=end,label=b,keep=1"),
  ]);
  expect(narrowed.args["properties"]).toEqual({
    world: { enum: ["nether", "end", "nether_roof"] },
    worlds: { type: "array", items: { enum: ["end"] } },
    label: { type: "string", description: "A label (this token: a* or b)" },
    keep: { type: "integer" },
  });
  expect(description.args.properties.worlds.items.enum).toEqual(["nether", "end"]);
});

import { posix } from "node:path";
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

describe("a path that a token is bound to", () => {
  const base = "/srv/data";
  const refusal = (glob: string, given: string | readonly string[] | undefined, ...leadTo: readonly string[]) => {
    const names = new Map([["file", leadTo.map((below) => [below, `${base}/${below}`])]]);
    return refusalOf([new Map([["file", glob]])], given === undefined ? {} : { file: given }, {}, names);
  };

  test.each([
    ["public/*", "public/a", "public/a", true],
    ["public/*", "public/b/../a", "public/a", false],
    ["public/*", "public/../secret", "secret", false],
    ["public/*", "public/x/../../public/a", "public/a", false],
    ["public/*", "public/out", "secret", false],
    ["public/*", "public/", "public", false],
    ["public/?", "public/.", "public", false],
    ["public/*", "public//a", "public/a", true],
    ["*", "public/../secret", "secret", false],
    ["./public//*", "./public//a", "public/a", true],
    ["public/*/", "public/a/", "public/a", true],
    ["/srv/data/public/*", "/srv/data/public/a", "public/a", true],
    ["/srv/data/public/*", "/srv/data/public/../secret", "secret", false],
    ["/srv/data/public/*", "/srv/data/public/out", "secret", false],
    ["/srv/data/public/*", "public/a", "public/a", false],
    ["*data*", "/srv/data/secret", "secret", false],
    ["*data*", "data-link", "secret", false],
    ["*/public/*", "/srv/public/../data/x", "x", false],
    ["latest", "latest", "2026-08-01", true],
    ["public/../a", "public/../a", "a", false],
    ["public/*", undefined, "public/a", true],
    ["public/*", undefined, "secret", false],
  ])("%s, called with %s, which leads to %s: %j", (glob, given, leadsTo, isAllowed) => {
    expect(refusal(glob, given, leadsTo) === undefined).toBe(isAllowed);
  });

  test("in a list, each one counts", () => {
    expect(refusal("public/*", ["public/a", "public/b"], "public/a", "public/b")).toBeUndefined();
    expect(refusal("public/*", ["public/a", "public/out"], "public/a", "secret")).toBeDefined();
    expect(refusal("public/*", ["public/a", "public/../public/b"], "public/a", "public/b")).toBeDefined();
  });

  test("whatever the text is, what runs has a name that the rule matches", () => {
    const segment = fc.constantFrom("..", ".", "", "public", "secret", "a", "*");
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 6 }), fc.boolean(), (segments, isAbsolute) => {
        const text = (isAbsolute ? `${base}/public/` : "public/") + segments.join("/");
        const found = posix.resolve(base, text);
        const below = posix.relative(base, found);
        if (refusal(isAbsolute ? `${base}/public/*` : "public/*", text, below) === undefined)
          expect(found.startsWith(`${base}/public/`)).toBe(true);
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

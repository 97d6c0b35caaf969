/** PITFALLS 5 and 15 (GHSA-364q-w7vh-vhpc): a caller's text becomes no path outside the folder that was declared. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { declareArguments, defineScript } from "iscep";
import { rounds } from "../support/rounds.js";

interface Checked {
  readonly value?: { readonly a: unknown };
  readonly issues?: readonly { readonly message: string; readonly path: readonly PropertyKey[] }[];
}

/** base/file, base/folder/inner, base/-rf, and links out of base and within it; beside base lies outside/secret. */
let folder: string;
let base: string;
beforeAll(() => {
  folder = realpathSync(mkdtempSync(path.join(tmpdir(), "iscep-path-")));
  base = path.join(folder, "base");
  mkdirSync(path.join(base, "folder"), { recursive: true });
  mkdirSync(path.join(folder, "outside"));
  mkdirSync(path.join(folder, "base-beside"));
  for (const file of ["base/file", "base/-rf", "base/..hidden", "base/folder/inner", "outside/secret", "base-beside/x"])
    writeFileSync(path.join(folder, file), "");
  symlinkSync(path.join(folder, "outside"), path.join(base, "out"));
  symlinkSync("../outside/secret", path.join(base, "secret"));
  symlinkSync("folder/inner", path.join(base, "in"));
  symlinkSync("nowhere", path.join(base, "dangling"));
  symlinkSync("../outside/new", path.join(base, "dangling-out"));
  symlinkSync("base", path.join(folder, "other-name"));
});
afterAll(() => rmSync(folder, { recursive: true }));

type Keys = Partial<{ base: string; presence: "existing" | "new" | "either"; kind: "file" | "folder" }>;

async function check(a: unknown, keys: Keys = {}): Promise<Checked> {
  const declared = declareArguments({ a: { type: "path", base: "base", ...keys } }, { folder });
  return (await declared["~standard"].validate({ a })) as Checked;
}

describe("a path that has to exist", () => {
  test.each([
    ["file", "file"],
    ["folder", "folder"],
    ["folder/", "folder"],
    ["folder/inner", "folder/inner"],
    ["./folder/../file", "file"],
    ["-rf", "-rf"],
    ["..hidden", "..hidden"],
    ["in", "folder/inner"],
  ])("%s is passed on whole, and without links", async (text, expected) => {
    expect(await check(text)).toEqual({ value: { a: path.join(base, expected) } });
  });

  test("may be given whole, and through a base that is a link itself", async () => {
    expect(await check(path.join(base, "file"))).toEqual({ value: { a: path.join(base, "file") } });
    expect(await check("file", { base: "other-name" })).toEqual({ value: { a: path.join(base, "file") } });
  });

  test.each([
    ["the folder itself", "."],
    ["the folder by a detour", "folder/.."],
    ["what lies above", ".."],
    ["a file above", "../outside/secret"],
    ["a folder whose name only begins so", "../base-beside/x"],
    ["a whole path elsewhere", "/etc/passwd"],
    ["the root", "/"],
    ["a link out", "out"],
    ["a file through a link out", "out/secret"],
    ["a link to a file outside", "secret"],
    ["a missing file", "missing"],
    ["a link to nowhere", "dangling"],
    ["a file as a folder", "file/x"],
    ["nothing", ""],
    ["NUL", "file\0"],
    ["a line end", "file\n"],
    ["a number", 5],
    ["a name that no system has", "x".repeat(300)],
  ])("%s is refused", async (_, text) => {
    const { issues } = await check(text);
    expect(issues).toHaveLength(1);
    expect(issues?.[0]?.message).not.toContain(folder);
  });

  test("says the same of what lies outside, whether it is there or not", async () => {
    const there = await check("../outside/secret");
    expect(await check("../outside/missing")).toEqual(there);
    expect(await check("../../../../../../../../etc/passwd")).toEqual(there);
  });

  test.each(["existing", "new", "either"] as const)(
    "says the same of what lies behind a link out, whether it is there or not, with presence %s",
    async (presence) => {
      const told = await Promise.all(
        ["out/secret", "out/missing", "out/missing/below", "out/secret/below", "secret", "dangling-out"].map(
          async (text) => (await check(text, { presence })).issues?.[0]?.message,
        ),
      );
      expect(new Set(told)).toEqual(new Set(["expected a path below its folder, received string"]));
    },
  );

  test("is a file or a folder, where the declaration says so", async () => {
    expect((await check("file", { kind: "file" })).issues).toBeUndefined();
    expect((await check("folder", { kind: "folder" })).issues).toBeUndefined();
    expect((await check("folder", { kind: "file" })).issues?.[0]?.message).toContain("expected a file");
    expect((await check("file", { kind: "folder" })).issues?.[0]?.message).toContain("expected a folder");
  });
});

describe("a path where nothing is yet", () => {
  test.each([
    ["new", "new"],
    ["folder/new", "folder/new"],
  ])("%s, in a folder that exists", async (text, expected) => {
    const result = { value: { a: path.join(base, expected) } };
    expect(await check(text, { presence: "new" })).toEqual(result);
    expect(await check(text, { presence: "either" })).toEqual(result);
  });

  test.each(["file", "in", "dangling", "dangling-out", "out/new", "missing/new", "../new", ".", "out"])(
    "%s is refused",
    async (text) => {
      expect((await check(text, { presence: "new" })).issues).toHaveLength(1);
    },
  );

  test.each(["dangling", "dangling-out", "out/new", "secret", "out", "missing/new"])(
    "%s is refused where it may exist, too",
    async (text) => {
      expect((await check(text, { presence: "either" })).issues).toHaveLength(1);
    },
  );
});

test("each item of a list is a path of its own, and a default is looked at when it is used", async () => {
  const declared = declareArguments(
    {
      list: { type: "list", items: { type: "path", base: "base" } },
      one: { type: "path", base: "base", default: "file" },
      absent: { type: "path", base: "base", optional: true },
    },
    { folder },
  );
  expect(await declared["~standard"].validate({ list: ["file", "in"] })).toEqual({
    value: { list: [path.join(base, "file"), path.join(base, "folder/inner")], one: path.join(base, "file") },
  });
  expect(await declared["~standard"].validate({ list: ["file", "out"] })).toMatchObject({
    issues: [{ path: ["list", 1] }],
  });
});

test("a script gets the resolved path, which no program takes for an option", async () => {
  const command = defineScript({
    name: "it",
    run: ["cat", "{a}"],
    args: { a: { type: "path", base: "base" } },
    folder,
  });
  const check_ = await command.checkArguments({ a: "-rf" });
  expect(check_).toEqual({ ok: true, args: { a: path.join(base, "-rf") } });
  expect(command.invocation(check_.ok && check_.args).argv).toEqual([path.join(base, "-rf")]);
});

test("whatever text comes, the path lies below the base or is refused", async () => {
  const part = fc.constantFrom(
    "..",
    ".",
    "file",
    "folder",
    "out",
    "secret",
    "in",
    "dangling",
    "",
    "~",
    "-",
    "x",
    "%2e%2e",
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(part, { minLength: 1, maxLength: 6 }),
      fc.constantFrom<Keys["presence"][]>("existing", "new", "either"),
      async (parts, presence) => {
        const { value } = await check(parts.join("/"), { presence: presence ?? "existing" });
        if (value !== undefined) expect(path.relative(base, String(value.a))).toMatch(/^(?!\.\.(?:\/|$))./);
      },
    ),
    { numRuns: rounds(100, 500, 5_000) },
  );
});

test.each<[string, object, RegExp]>([
  ["no base", {}, /needs `base`/],
  ["an empty base", { base: "" }, /needs `base`/],
  ["the whole file system", { base: "/" }, /whole file system/],
  ["another presence", { base: "x", presence: "missing" }, /existing, new, either/],
  ["another kind", { base: "x", kind: "socket" }, /file, folder/],
])("%s is refused when it is declared", (_, keys, message) => {
  expect(() => declareArguments({ a: { type: "path", ...keys } } as never)).toThrow(
    expect.objectContaining({ code: "usage", message: expect.stringMatching(message) as string }),
  );
});

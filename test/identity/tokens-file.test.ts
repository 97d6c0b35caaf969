import fc from "fast-check";
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { defaultLimits } from "#iscep/limits/limits";
import { duplicateKey } from "#iscep/identity/json-duplicates";
import { grantOf, parseTokensFile, recordOf, serialiseTokensFile, type TokenEntry } from "#iscep/identity/tokens-file";
import { readTokensText } from "#iscep/identity/tokens-reader";
import { mintToken } from "#iscep/identity/tokens";
import { anyCharacter } from "../support/any-character.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { errorOf } from "../support/error-of.js";
import { rounds } from "../support/rounds.js";

const canary = "canary-5c1f0b7e";
const record = { ...recordOf(mintToken(), { scopes: ["run:a"], createdMs: 0, expiresAtMs: null }), id: "0123456789AB" };

describe("the tokens file", () => {
  test("of the original works as it is", () => {
    const vectors: unknown = JSON.parse(readFileSync(new URL("../vectors/v1.json", import.meta.url), "utf8"));
    const { tokens } = (vectors as { server: { tokens: Record<string, string> } }).server;
    const file = parseTokensFile(JSON.stringify(tokens), "tokens.json");
    expect([...file].map(([owner, entries]) => [owner, entries[0]])).toEqual(Object.entries(tokens));
    for (const [entry] of file.values()) {
      expect(grantOf(entry ?? "")).toMatchObject({
        id: null,
        scopes: ["discover", "run:*"],
        expiresAtMs: Number.POSITIVE_INFINITY,
      });
    }
  });

  test("holds one entry or several an owner, and is written as it was read", () => {
    const text = JSON.stringify({ alice: "a", bob: ["b", record], __proto: "c" }).replace("__proto", "__proto__");
    const file = parseTokensFile(text, "t");
    expect([...file.keys()]).toEqual(["alice", "bob", "__proto__"]);
    expect(JSON.parse(serialiseTokensFile(file))).toEqual(JSON.parse(text));
    expect(serialiseTokensFile(parseTokensFile('{"a": []}', "t"))).toBe("{}\n");
  });

  test.each([
    ["", "empty"],
    [`{"alice": "${canary}"`, "not JSON"],
    [`{"alice": "${canary}",}`, "not JSON"],
    [`\ufeff{"alice": "${canary}"}`, "not JSON"],
    ["null", "object"],
    [`["${canary}"]`, "object"],
    [`{"schedule": "${canary}"}`, "the owner's name \"schedule\" is iscep's own"],
    [`"${canary}"`, "object"],
    [`{"alice": 5}`, 'owner "alice": a token must be'],
    [`{"alice": null}`, 'owner "alice": a token must be'],
    [`{"alice": ["${canary}", [5]]}`, 'owner "alice", token 2: a token must be'],
    [`{"alice": ""}`, 'owner "alice": the token is empty'],
    [`{"alice": "${canary}\\ud800"}`, 'owner "alice": the token holds half a character'],
    [`{"alice": "${canary}", "\\u0061lice": "x"}`, 'owner "alice" is there twice'],
    [`{"alice": {"id": "0123456789AB", "id": "${canary}"}}`, 'field "id" is there twice'],
    [JSON.stringify({ a: record, b: record }), 'owners "a" and "b" have the same token id 0123456789AB'],
  ])("number %# is refused, with the place and without the token", async (text, message) => {
    const error = await errorOf(() => parseTokensFile(text, "tokens.json"));
    expect(error.code).toBe("configuration");
    expect(error.message).toContain("tokens.json");
    expect(error.message).toContain(message);
    expect(everythingIn(error)).not.toContain(canary);
  });

  test.each([
    [{ id: undefined }, "id must"],
    [{ id: "short" }, "id must"],
    [{ storedKey: canary }, "storedKey must"],
    [{ serverKey: undefined }, "serverKey must"],
    [{ created: undefined }, "created must"],
    [{ created: null }, "created must"],
    [{ expires: "tomorrow" }, "expires must"],
    [{ expires: 5 }, "expires must"],
    [{ expires: "2026-02-30" }, "expires must"],
    [{ expires: "2026-01-31T12:00:00" }, "expires must"],
    [{ notBefore: "2026-13-01" }, "notBefore must"],
    [{ scopes: undefined }, "scopes are missing"],
    [{ scopes: "run:*" }, "scopes must be a list"],
    [{ scopes: [5] }, "scopes must be a list"],
    [{ scopes: ["run"] }, 'scopes: "run" is not a scope'],
    [{ disabled: "no" }, "disabled must"],
    [{ cidrs: ["10.0.0.0/99"] }, "cidrs: "],
    [{ imported: false }, "imported must"],
    [{ expire: null }, 'there is no field "expire"'],
  ])("a record is refused, with owner and field, when number %# of these is wrong with it", async (change, message) => {
    const error = await errorOf(() => parseTokensFile(JSON.stringify({ alice: { ...record, ...change } }), "t"));
    expect(error.message).toContain(`owner "alice": ${message}`);
    expect(everythingIn(error)).not.toContain(canary);
  });

  test("dates mean what they say", () => {
    const at = (expires: string | null): number => grantOf({ ...record, expires }).expiresAtMs;
    for (const expires of ["2026-01-31", "2026-01-31T00:00Z", "2026-01-31T02:00:00.000+02:00", "2024-02-29", null]) {
      expect(() => parseTokensFile(JSON.stringify({ a: { ...record, expires } }), "t")).not.toThrow();
    }
    expect(at("2026-01-31T02:00:00+02:00")).toBe(Date.UTC(2026, 0, 31));
    expect(at(null)).toBe(Number.POSITIVE_INFINITY);
  });

  test("comes back the same for any owners and tokens", () => {
    const token = fc.string({ unit: anyCharacter, minLength: 1, maxLength: 40 });
    const entry: fc.Arbitrary<TokenEntry> = fc.oneof(
      token,
      fc
        .nat()
        .map((createdMs) =>
          recordOf(mintToken(), { scopes: ["discover"], createdMs, expiresAtMs: createdMs, cidrs: ["::1"] }),
        ),
      token.map((text) => recordOf(text, { scopes: [], createdMs: 0, expiresAtMs: null })),
    );
    const owners = fc.array(
      fc.tuple(fc.string({ unit: anyCharacter }), fc.array(entry, { minLength: 1, maxLength: 3 })),
      {
        maxLength: 5,
      },
    );
    fc.assert(
      fc.property(owners, (list) => {
        const file = new Map(list);
        const again = parseTokensFile(serialiseTokensFile(file), "t");
        expect(new Map([...again].sort())).toEqual(new Map([...file].sort()));
      }),
    );
  });

  test("garbage is parsed or refused as a wrong configuration, never anything else", () => {
    const valid = serialiseTokensFile(new Map([["alice", ["secret", record]]]));
    const mutated = fc
      .tuple(fc.nat(valid.length), fc.nat(4), fc.string({ maxLength: 4 }))
      .map(([at, cut, put]) => valid.slice(0, at) + put + valid.slice(at + cut));
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), mutated), (text) => {
        try {
          parseTokensFile(text, "t");
        } catch (error) {
          expect(error).toMatchObject({ name: "IscepError", code: "configuration" });
        }
      }),
      { numRuns: rounds(300, 2_000, 20_000) },
    );
  });

  test("keys that are there twice are found wherever JSON hides them", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(duplicateKey(JSON.stringify(value))).toBeUndefined();
      }),
    );
    expect(duplicateKey('{"a":{"b":1},"c":[{"b":1},{"b":"}{\\"b\\":"}]}')).toBeUndefined();
    expect(duplicateKey('{"a":[{"x\\"":1, "y":{"x\\"":2}, "x\\u0022":3}]}')).toEqual({ key: 'x"', depth: 3 });
    expect(duplicateKey('{"":1,"":2}')).toEqual({ key: "", depth: 1 });
  });
});

describe("reading the tokens file", () => {
  const write = (mode: number, text: string | Buffer = "{}"): string => {
    const path = join(temporaryFolder(), "tokens.json");
    writeFileSync(path, text, { mode: 0o600 });
    chmodSync(path, mode);
    return path;
  };

  test.each([0o600, 0o400, 0o700])("mode number %# is fine", (mode) => {
    expect(readTokensText(write(mode), defaultLimits).text).toBe("{}");
  });

  test.each([0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o666])(
    "mode number %# is refused, with the way out",
    async (mode) => {
      const path = write(mode);
      const error = await errorOf(() => readTokensText(path, defaultLimits));
      expect(error.code).toBe("configuration");
      expect(error.message).toContain(`chmod 600 ${path}`);
      expect(error.message).toContain(mode.toString(8));
    },
  );

  test("missing, a folder, not UTF-8, or too large is refused", async () => {
    const folder = temporaryFolder();
    expect((await errorOf(() => readTokensText(join(folder, "none"), defaultLimits))).message).toMatch(/no such file/);
    mkdirSync(join(folder, "sub"), { mode: 0o700 });
    expect((await errorOf(() => readTokensText(join(folder, "sub"), defaultLimits))).message).toMatch(/not a file/);
    expect(
      (await errorOf(() => readTokensText(write(0o600, Buffer.from([0x22, 0xff, 0x22])), defaultLimits))).message,
    ).toMatch(/UTF-8/);
    const limits = { maxTokensFileBytes: 10 };
    expect(readTokensText(write(0o600, " ".repeat(10)), limits).text).toHaveLength(10);
    expect((await errorOf(() => readTokensText(write(0o600, " ".repeat(11)), limits))).message).toMatch(
      /maxTokensFileBytes/,
    );
  });

  test("a symbolic link is followed, and what it leads to is what counts", async () => {
    const link = join(temporaryFolder(), "link.json");
    symlinkSync(write(0o644), link);
    expect((await errorOf(() => readTokensText(link, defaultLimits))).code).toBe("configuration");
  });
});

function everythingIn(error: Error): string {
  return [
    error.message,
    error.stack,
    JSON.stringify(error),
    String(error.cause),
    error.cause instanceof Error ? error.cause.stack : "",
  ].join("\n");
}

import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { once } from "node:events";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { defaultLimits } from "#iscep/limits/limits";
import type { Authenticator } from "#iscep/model/identity";
import { openTokenStore } from "#iscep/identity/token-store";
import { importTokens } from "#iscep/identity/tokens-import";
import { addToken, listTokens, removeToken, rotateToken } from "#iscep/identity/tokens-writer";
import { runProgram, startProgram } from "../support/programs.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { rounds } from "../support/rounds.js";
import { errorOf } from "../support/error-of.js";

const dayMs = 86_400_000;
function newPath(content?: object): string {
  const path = join(temporaryFolder(), "tokens.json");
  if (content !== undefined) writeFileSync(path, JSON.stringify(content), { mode: 0o600 });
  return path;
}

function asking<Result>(path: string, ask: (store: Authenticator) => Result): Result {
  const store = openTokenStore(path, { limits: defaultLimits, onProblem: () => {} });
  try {
    return ask(store);
  } finally {
    store.close();
  }
}

const ownerOf = (path: string, token: string): string | undefined =>
  asking(path, (store) => store.verify(token)?.owner);

describe("adding tokens", () => {
  test("makes the file, 0600, with a record and without the token", async () => {
    const path = newPath();
    const { token, record } = await addToken(path, { owner: "alice", scopes: ["run:a"] });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const text = readFileSync(path, "utf8");
    expect(text).not.toContain(token.slice(18, 61));
    expect(text).toContain(record.storedKey);
    expect(Date.parse(record.expires ?? "") - Date.parse(record.created)).toBe(90 * dayMs);
    expect(asking(path, (store) => store.verify(token))).toMatchObject({
      owner: "alice",
      tokenId: record.id,
      mayDiscover: false,
    });
    expect(readdirSync(join(path, ".."))).toEqual(["tokens.json"]);
  });

  test("keeps what is there, also the original's tokens in clear", async () => {
    const path = newPath({ bob: "bobs-own" });
    const first = await addToken(path, { owner: "bob", expiresInMs: null });
    const second = await addToken(path, { owner: "alice", expiresInMs: 1_000, cidrs: ["10.0.0.0/8"] });
    expect(listTokens(path)).toMatchObject([
      { owner: "bob", id: null, clear: true, expires: null, scopes: ["discover", "run:*"] },
      { owner: "bob", id: first.record.id, clear: false, expires: null },
      { owner: "alice", id: second.record.id, cidrs: ["10.0.0.0/8"] },
    ]);
    expect(JSON.stringify(listTokens(path))).not.toMatch(/bobs-own|Key/);
    expect(ownerOf(path, "bobs-own")).toBe("bob");
  });

  test.each([
    [{ owner: "" }, /name/],
    [{ owner: "a\nb" }, /control/],
    [{ owner: "a\u202eb" }, /control/],
    [{ owner: "a", scopes: ["all"] }, /not a scope/],
    [{ owner: "a", cidrs: ["x"] }, /network/],
    [{ owner: "a", expiresInMs: 0 }, /expiresInMs/],
    [{ owner: "schedule" }, /"schedule" is iscep's own/],
    [{ owner: "a", expiresInMs: -1 }, /expiresInMs/],
    [{ owner: "a", expiresInMs: Number.NaN }, /expiresInMs/],
    [{ owner: "a", expiresInMs: 1e20 }, /expiresInMs/],
  ])("refuses %j", async (options, message) => {
    const path = newPath();
    const error = await errorOf(() => addToken(path, options));
    expect(error.code).toBe("usage");
    expect(error.message).toMatch(message);
    expect(existsSync(path)).toBe(false);
  });

  test("a token where the owner belongs is refused and not shown", async () => {
    const { token } = await addToken(newPath(), { owner: "a" });
    const error = await errorOf(() => addToken(newPath(), { owner: token }));
    expect(error.message).not.toContain(token);
  });

  test("leaves a file alone that is broken, open to others, or would grow too large", async () => {
    const path = newPath();
    writeFileSync(path, '{"a": ', { mode: 0o600 });
    expect((await errorOf(() => addToken(path, { owner: "b" }))).code).toBe("configuration");
    expect(readFileSync(path, "utf8")).toBe('{"a": ');
    writeFileSync(path, "{}");
    const limits = { ...defaultLimits, maxTokensFileBytes: 100 };
    expect((await errorOf(() => addToken(path, { owner: "b", limits }))).message).toMatch(/maxTokensFileBytes/);
    chmodSync(path, 0o644);
    expect((await errorOf(() => addToken(path, { owner: "b" }))).message).toMatch(/chmod 600/);
    expect(readFileSync(path, "utf8")).toBe("{}");
    expect(readdirSync(join(path, ".."))).toEqual(["tokens.json"]);
  });

  test("needs the folder to exist", async () => {
    expect((await errorOf(() => addToken(join(temporaryFolder(), "none", "t.json"), { owner: "a" }))).code).toBe(
      "configuration",
    );
  });

  test("goes to the file behind a symbolic link", async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "real"));
    writeFileSync(join(folder, "real", "tokens.json"), "{}", { mode: 0o600 });
    symlinkSync("real/tokens.json", join(folder, "tokens.json"));
    const { token } = await addToken(join(folder, "tokens.json"), { owner: "alice" });
    expect(ownerOf(join(folder, "real", "tokens.json"), token)).toBe("alice");
    expect(ownerOf(join(folder, "tokens.json"), token)).toBe("alice");
  });

  test.skipIf(process.getuid?.() !== 0)("by root leaves the file to the user who had it", async () => {
    const path = newPath({});
    chownSync(path, 12_345, 12_346);
    await addToken(path, { owner: "alice" });
    expect(statSync(path)).toMatchObject({ uid: 12_345, gid: 12_346 });
  });
});

describe("removing tokens", () => {
  test("takes all of an owner, or one by its id", async () => {
    const path = newPath({ bob: "bobs-own" });
    const kept = await addToken(path, { owner: "alice" });
    const gone = await addToken(path, { owner: "alice" });
    expect(await removeToken(path, gone.record.id)).toEqual({ owner: "alice", ids: [gone.record.id] });
    expect([ownerOf(path, kept.token), ownerOf(path, gone.token)]).toEqual(["alice", undefined]);
    expect(await removeToken(path, "bob")).toEqual({ owner: "bob", ids: [null] });
    expect(await removeToken(path, kept.token)).toEqual({ owner: "alice", ids: [kept.record.id] });
    expect(readFileSync(path, "utf8")).toBe("{}\n");
  });

  test("of somebody unknown says so", async () => {
    const path = newPath({ bob: "bobs-own" });
    expect(await errorOf(() => removeToken(path, "bobby"))).toMatchObject({
      code: "usage",
      message: expect.stringContaining('"bobby"') as string,
    });
    const { token } = await addToken(newPath(), { owner: "x" });
    expect((await errorOf(() => removeToken(path, token))).message).not.toContain(token);
    expect((await errorOf(() => removeToken(newPath(), "bob"))).code).toBe("configuration");
  });
});

describe("rotating tokens", () => {
  test("gives the same rights and lifetime, and ends the old one", async () => {
    const path = newPath();
    const old = await addToken(path, {
      owner: "alice",
      scopes: ["run:a"],
      cidrs: ["10.0.0.0/8"],
      expiresInMs: 5 * dayMs,
    });
    const { token, record } = await rotateToken(path, "alice");
    expect(record).toMatchObject({ scopes: ["run:a"], cidrs: ["10.0.0.0/8"] });
    expect(Date.parse(record.expires ?? "") - Date.parse(record.created)).toBe(5 * dayMs);
    expect(
      asking(path, (store) => [store.verify(old.token, "10.0.0.1"), store.verify(token, "10.0.0.1")?.owner]),
    ).toEqual([undefined, "alice"]);
    const forever = await addToken(path, { owner: "bob", expiresInMs: null });
    expect((await rotateToken(path, forever.record.id)).record.expires).toBeNull();
    expect((await rotateToken(path, "bob", { expiresInMs: dayMs })).record.expires).not.toBeNull();
  });

  test("leaves a token that does not count yet one that does not count yet", async () => {
    const path = newPath();
    const { record } = await addToken(path, { owner: "alice" });
    const notBefore = new Date(Date.now() + dayMs).toISOString();
    const text = readFileSync(path, "utf8").replace('"created"', `"notBefore":"${notBefore}","created"`);
    writeFileSync(path, text);
    const rotated = await rotateToken(path, record.id);
    expect(rotated.record).toMatchObject({ notBefore });
    expect(ownerOf(path, rotated.token)).toBeUndefined();
  });

  test("with an overlap keeps the old one for so long; one in clear becomes a record", async () => {
    const path = newPath({ bob: "bobs-own" });
    const { token, record } = await rotateToken(path, "bob", { overlapMs: 60_000 });
    expect(readFileSync(path, "utf8")).not.toContain("bobs-own");
    expect([ownerOf(path, "bobs-own"), ownerOf(path, token)]).toEqual(["bob", "bob"]);
    expect(Date.parse(record.expires ?? "") - Date.parse(record.created)).toBe(90 * dayMs);
    const old = asking(path, (store) => store.verify("bobs-own"));
    expect((old?.expiresAtMs ?? 0) - Date.now()).toBeLessThanOrEqual(60_000);
    await rotateToken(path, "bob");
    expect([ownerOf(path, "bobs-own"), ownerOf(path, token)]).toEqual([undefined, undefined]);
  });

  test("never makes one token out of different rights, nor revives a disabled one", async () => {
    const path = newPath();
    await addToken(path, { owner: "alice", scopes: ["run:a"] });
    const second = await addToken(path, { owner: "alice", scopes: ["run:b"] });
    expect(await errorOf(() => rotateToken(path, "alice"))).toMatchObject({
      code: "usage",
      message: expect.stringContaining("by id") as string,
    });
    expect((await rotateToken(path, second.record.id)).record.scopes).toEqual(["run:b"]);
    const disabled = newPath({ carl: { ...second.record, disabled: true } });
    expect(await errorOf(() => rotateToken(disabled, "carl"))).toMatchObject({ code: "usage" });
  });
});

describe("importing the original's tokens", () => {
  test("keeps only records, that go on working and can be removed by id", async () => {
    const original = newPath({ bob: "bobs-own", carl: "ü✓".repeat(200) });
    const path = newPath({ dora: "doras" });
    expect(await importTokens(path, original)).toEqual({ imported: 2 });
    expect(await importTokens(path, original)).toEqual({ imported: 0 });
    expect(readFileSync(path, "utf8")).not.toMatch(/bobs-own|ü/);
    expect(asking(path, (store) => store.verify("bobs-own"))).toMatchObject({
      owner: "bob",
      expiresAtMs: Number.POSITIVE_INFINITY,
      mayDiscover: true,
    });
    expect([ownerOf(path, "ü✓".repeat(200)), ownerOf(path, "doras")]).toEqual(["carl", "dora"]);
    await removeToken(path, listTokens(path).find(({ owner }) => owner === "bob")?.id ?? "");
    expect(ownerOf(path, "bobs-own")).toBeUndefined();
  });

  test("from the file itself replaces what stands in clear", async () => {
    const path = newPath({ bob: ["bobs-own", "bobs-other"] });
    const { record } = await addToken(path, { owner: "bob" });
    expect(await importTokens(path, path)).toEqual({ imported: 2, copy: `${path}.original` });
    expect(listTokens(path).map(({ clear }) => clear)).toEqual([false, false, false]);
    expect(listTokens(path).map(({ id }) => id)).toContain(record.id);
    expect([ownerOf(path, "bobs-own"), ownerOf(path, "bobs-other")]).toEqual(["bob", "bob"]);
  });

  test("from nowhere makes no file", async () => {
    const path = newPath();
    expect((await errorOf(() => importTokens(path, newPath()))).code).toBe("configuration");
    expect(existsSync(path)).toBe(false);
  });
});

const writers = rounds(8, 16, 32);
const kills = rounds(8, 60, 1_000);

describe("many writers", () => {
  test(`${writers} at once lose nothing`, async () => {
    const path = newPath();
    await Promise.all(Array.from({ length: writers }, (_, index) => runProgram("add-tokens", path, `w${index}`, "3")));
    expect(listTokens(path)).toHaveLength(3 * writers);
    expect(readdirSync(join(path, ".."))).toEqual(["tokens.json"]);
  });

  test(`killed in the middle (${kills} times) lose nothing that was acknowledged, and never corrupt the file`, async () => {
    const path = newPath({});
    for (let round = 0; round < kills; round += 2) {
      // Two at a time, so that one often dies while the other waits for its lock.
      await Promise.all([0, 1].map((side) => writeUntilKilled(path, `r${round + side}`)));
      if (round % 100 === 98) {
        await Promise.all(
          [...new Set(listTokens(path).map(({ owner }) => owner))].slice(4).map((owner) => removeToken(path, owner)),
        );
      }
    }
    await addToken(path, { owner: "last" });
    expect(readdirSync(join(path, ".."))).toEqual(["tokens.json"]);
  });
});

async function writeUntilKilled(path: string, prefix: string): Promise<void> {
  const writer = startProgram("add-tokens", path, prefix, "1000");
  let output = "";
  const killAfter = 1 + Math.floor(Math.random() * 3);
  writer.stdout?.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    // Not at the moment of the acknowledgement itself, but anywhere in the writing of the next one.
    if (output.split("\n").length > killAfter) setTimeout(() => writer.kill("SIGKILL"), Math.random() * 8);
  });
  await once(writer, "close");
  const owners = new Set(listTokens(path).map(({ owner }) => owner));
  const acknowledged = output.split("\n").slice(0, -1);
  expect(acknowledged.length).toBeGreaterThan(0);
  expect(acknowledged.filter((owner) => !owners.has(owner))).toEqual([]);
}

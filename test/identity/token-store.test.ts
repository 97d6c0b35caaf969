import { EventEmitter, once } from "node:events";
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { IscepError } from "#iscep/errors";
import { defaultLimits } from "#iscep/limits/limits";
import type { TokensAuthenticator } from "#iscep/model/identity";
import { openTokenStore } from "#iscep/identity/token-store";
import { recordOf } from "#iscep/identity/tokens-file";
import { mintToken } from "#iscep/identity/tokens";
import { addToken } from "#iscep/identity/tokens-writer";
import { runProgram } from "../support/programs.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { errorOf } from "../support/error-of.js";

const dayMs = 86_400_000;

interface Opened {
  store: TokensAuthenticator;
  problems: { message: string; error: IscepError | undefined }[];
  reloads: () => number;
}

/** By default changes are only seen by the system's report, never by looking now and then. */
function open(path: string, tokensFileCheckMs = 2 ** 31 - 1): Opened {
  const problems: Opened["problems"] = [];
  let reloads = 0;
  const store = openTokenStore(path, {
    limits: { ...defaultLimits, tokensFileCheckMs },
    onProblem: (message, error) => problems.push({ message, error }),
    onReload: () => reloads++,
  });
  onTestFinished(() => store.close());
  return { store, problems, reloads: () => reloads };
}

function newPath(content: object): string {
  const path = join(temporaryFolder(), "tokens.json");
  write(path, content);
  return path;
}

/** In one piece, as the original and editors often do not. */
function write(path: string, content: object | string): void {
  const text = typeof content === "string" ? content : JSON.stringify(content);
  writeFileSync(`${path}.new`, text, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** A whole turn of the event loop: what the system had to report before is then told. */
async function systemReports(): Promise<void> {
  await new Promise(setImmediate);
  await new Promise(setImmediate);
}

const owners = ({ store }: Opened, ...tokens: string[]): (string | undefined)[] =>
  tokens.map((token) => store.verify(token)?.owner);

describe("verifying", () => {
  test("the original's tokens", () => {
    const vectors: unknown = JSON.parse(readFileSync(new URL("../vectors/v1.json", import.meta.url), "utf8"));
    const { tokens } = (vectors as { server: { tokens: Record<string, string> } }).server;
    const opened = open(newPath(tokens));
    for (const [owner, token] of Object.entries(tokens)) {
      const identity = opened.store.verify(token);
      expect(identity).toMatchObject({
        owner,
        tokenId: null,
        expiresAtMs: Number.POSITIVE_INFINITY,
        mayDiscover: true,
      });
      expect(identity?.mayRun("anything")).toBe(true);
      expect(owners(opened, token.slice(0, -1), `${token} `, token.toUpperCase())).toEqual([
        undefined,
        undefined,
        undefined,
      ]);
    }
    expect(owners(opened, "", "\ud800", "x".repeat(1_000_000))).toEqual([undefined, undefined, undefined]);
  });

  test("of one owner with one secret twice, also after the file was read again: the entry that counts", () => {
    const terms = { scopes: ["run:*"], createdMs: Date.now() - 2 * dayMs };
    const ended = recordOf("imported-secret", { ...terms, expiresAtMs: Date.now() - dayMs });
    const good = recordOf("imported-secret", { ...terms, expiresAtMs: null });
    const path = newPath({ alice: [ended, good] });
    const opened = open(path, 0);
    const identity = opened.store.verify("imported-secret");
    write(path, { alice: [ended, good], bob: [] });
    expect(identity?.tokenId).toBe(good.id);
    expect(identity === undefined ? undefined : opened.store.refresh(identity)?.tokenId).toBe(good.id);
  });

  // PITFALLS B13: found by its public id, and the secret compared by digests in constant time.
  test("a token of ours by its id, with what its record allows", async () => {
    const path = newPath({});
    const { token, record } = await addToken(path, { owner: "alice", scopes: ["run:backup_*"] });
    const opened = open(path);
    const identity = opened.store.verify(token);
    expect(identity).toMatchObject({
      owner: "alice",
      tokenId: record.id,
      expiresAtMs: Date.parse(record.expires ?? ""),
      mayDiscover: false,
    });
    expect([identity?.mayRun("backup_world"), identity?.mayRun("stop")]).toEqual([true, false]);
    const secret = token.slice(18, 61);
    const sameId = `${token.slice(0, 18)}${mintToken().slice(18)}`;
    expect(owners(opened, secret, sameId, token.slice(5), mintToken())).toEqual(Array(4).fill(undefined));
  });

  test("of a token of ours in clear, of several owners with one token, and of odd owners", () => {
    const token = mintToken();
    const opened = open(newPath({ clear: token, a: "same", b: "same", constructor: "c", list: ["x", "y"] }));
    expect(owners(opened, token, "same", "c", "x", "y")).toEqual(["clear", "a", "constructor", "list", "list"]);
  });

  test("respects notBefore, expires and disabled", () => {
    const nowMs = Date.now();
    const at = (ms: number): string => new Date(ms).toISOString();
    const [plain, early, late, off] = [mintToken(), mintToken(), mintToken(), mintToken()] as const;
    const recordFor = (token: string): object =>
      recordOf(token, { scopes: ["discover"], createdMs: nowMs, expiresAtMs: null });
    const opened = open(
      newPath({
        plain: { ...recordFor(plain), notBefore: at(nowMs - 1_000), expires: at(nowMs + 60_000) },
        early: { ...recordFor(early), notBefore: at(nowMs + 60_000) },
        late: { ...recordFor(late), expires: at(nowMs - 1) },
        off: { ...recordFor(off), disabled: true },
      }),
    );
    expect(owners(opened, plain, early, late, off)).toEqual(["plain", undefined, undefined, undefined]);
  });

  test("a token that is bound to networks counts only there", async () => {
    const path = newPath({});
    const { token } = await addToken(path, { owner: "alice", cidrs: ["10.0.0.0/8", "::1"] });
    const { store } = open(path);
    const from = (source?: string): string | undefined => store.verify(token, source)?.owner;
    expect([from("10.9.9.9"), from("::ffff:10.0.0.1"), from("::1")]).toEqual(["alice", "alice", "alice"]);
    expect([from("11.0.0.1"), from("unix"), from(undefined)]).toEqual([undefined, undefined, undefined]);
  });
});

describe("changes of the file", () => {
  test("by another process count at the very next packet, by the system's report alone", async () => {
    const path = newPath({ bob: "bobs-own" });
    const opened = open(path);
    const generation = opened.store.currentGeneration();
    const server = createServer((socket) => {
      socket.on("data", (token) => socket.write(opened.store.verify(token.toString()) === undefined ? "no" : "yes"));
    }).listen(0, "127.0.0.1");
    onTestFinished(() => void server.close());
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    expect(await runProgram("change-then-ask", path, String(address.port), "50")).toBe("");
    expect(opened.store.currentGeneration()).toBe(generation + 100);
    expect(opened.reloads()).toBe(100);
    expect(owners(opened, "bobs-own")).toEqual(["bob"]);
  });

  test("are seen without any report of the system", () => {
    const path = newPath({ bob: "bobs-own" });
    const opened = open(path, 0);
    opened.store.close(); // ends the watching only
    write(path, { bob: "another" });
    expect(owners(opened, "bobs-own", "another")).toEqual([undefined, "bob"]);
  });

  test("of the same size at the same moment are seen as well", () => {
    const path = newPath({ bob: "token-0" });
    const opened = open(path, 0);
    opened.store.close();
    for (let round = 1; round < 10; round++) {
      writeFileSync(path, JSON.stringify({ bob: `token-${round}` }));
      expect(owners(opened, `token-${round}`)).toEqual(["bob"]);
    }
  });

  test("in the folder behind a symbolic link, and of the link, are seen", async () => {
    const folder = temporaryFolder();
    for (const name of ["one", "two"]) {
      mkdirSync(join(folder, name));
      write(join(folder, name, "tokens.json"), { [name]: name });
    }
    symlinkSync("one/tokens.json", join(folder, "tokens.json"));
    const opened = open(join(folder, "tokens.json"));
    const { token } = await addToken(join(folder, "tokens.json"), { owner: "alice" });
    await systemReports();
    expect(owners(opened, token)).toEqual(["alice"]);
    symlinkSync("two/tokens.json", join(folder, "new"));
    renameSync(join(folder, "new"), join(folder, "tokens.json"));
    await systemReports();
    expect(owners(opened, token, "two")).toEqual([undefined, "two"]);
  });

  test.each([
    ["corrupt", (path: string) => write(path, '{"bob": "bobs-')],
    ["empty", (path: string) => write(path, "")],
    ["missing", (path: string) => rmSync(path)],
    ["open to others", (path: string) => chmodSync(path, 0o644)],
    ["too large", (path: string) => write(path, " ".repeat(defaultLimits.maxTokensFileBytes + 1))],
  ])("a file that becomes %s leaves the tokens as they were, and is told once", (_, damage) => {
    const path = newPath({ bob: "bobs-own" });
    const opened = open(path, 0);
    const generation = opened.store.currentGeneration();
    damage(path);
    for (let round = 0; round < 3; round++) expect(owners(opened, "bobs-own")).toEqual(["bob"]);
    expect(opened.store.currentGeneration()).toBe(generation);
    expect(opened.problems).toHaveLength(1);
    expect(opened.problems[0]?.error?.code).toBe("configuration");
    expect(JSON.stringify(opened.problems)).not.toContain("bobs-");
    write(path, { bob: "another" });
    expect(owners(opened, "bobs-own", "another")).toEqual([undefined, "bob"]);
    expect(opened.problems).toHaveLength(1);
    damage(path);
    expect(owners(opened, "another")).toEqual(["bob"]);
    expect(opened.problems).toHaveLength(2);
  });

  test("that change nothing leave the generation as it is", () => {
    const path = newPath({ bob: "bobs-own" });
    const opened = open(path, 0);
    const generation = opened.store.currentGeneration();
    write(path, { bob: "bobs-own" });
    expect(opened.store.currentGeneration()).toBe(generation);
    expect(opened.reloads()).toBe(0);
  });
});

describe("opening", () => {
  test("without a file, or with a wrong one, is an error", async () => {
    expect((await errorOf(() => open(join(temporaryFolder(), "none.json")))).code).toBe("configuration");
    expect((await errorOf(() => open(join(temporaryFolder(), "no", "none.json")))).code).toBe("configuration");
    const path = newPath({ bob: 5 });
    expect((await errorOf(() => open(path))).message).toContain('"bob"');
    chmodSync(path, 0o644);
    expect((await errorOf(() => open(path))).message).toContain("chmod 600");
  });

  test("warns of tokens that expire within 14 days, once each", async () => {
    const path = newPath({});
    const soon = await addToken(path, { owner: "alice", expiresInMs: 13 * dayMs });
    await addToken(path, { owner: "bob", expiresInMs: 15 * dayMs });
    const opened = open(path, 0);
    expect(opened.problems.map(({ message }) => message)).toEqual([expect.stringContaining(soon.record.id)]);
    expect(opened.problems[0]?.message).not.toContain(soon.token);
    await addToken(path, { owner: "carl", expiresInMs: dayMs });
    opened.store.currentGeneration();
    expect(opened.problems).toHaveLength(2);
    expect(opened.problems[1]?.message).toContain('"carl"');
  });

  test("warns of a token that has come near its end while nobody changed the file or called", async () => {
    const [untilMs, warningMs] = [200, 60_000];
    const createdMs = Date.now();
    const record = recordOf(mintToken(), { scopes: [], createdMs, expiresAtMs: createdMs + warningMs + untilMs });
    const path = newPath({ alice: record });
    const problems: string[] = [];
    const warned = new EventEmitter();
    const store = openTokenStore(path, {
      limits: { ...defaultLimits, tokenWarningDays: warningMs / dayMs, tokenWarningIntervalMs: 10 },
      onProblem(message) {
        problems.push(message);
        warned.emit("warned");
      },
    });
    onTestFinished(() => store.close());
    // On a machine that stood still for so long, the warning is there already.
    if (problems.length === 0) await once(warned, "warned");
    expect(problems).toEqual([expect.stringContaining(record.id)]);
  });

  test("does not keep a process alive, nor read the file at each verify", async () => {
    const path = newPath({ bob: "bobs-own" });
    expect(await runProgram("open-store", path)).toBe("open\n");
    const opened = open(path);
    const accessed = statSync(path, { bigint: true }).atimeNs;
    const before = process.cpuUsage();
    for (let count = 0; count < 20_000; count++) opened.store.verify("bobs-own");
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1_000).toBeLessThan(5_000);
    expect(statSync(path, { bigint: true }).atimeNs).toBe(accessed);
  });
});

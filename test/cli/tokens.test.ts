import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { chmod, lstat, mkdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openTokenStore } from "#iscep/identity/token-store";
import { defaultLimits } from "#iscep/limits/limits";
import type { Identity } from "#iscep/model/identity";
import { iscep, serve } from "../support/iscep.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const token = /^isct_[A-Za-z0-9]{12}_[A-Za-z0-9]{49}$/;

function identify(path: string, text: string): Identity | undefined {
  const store = openTokenStore(path, { limits: defaultLimits, onProblem: () => {} });
  try {
    return store.verify(text);
  } finally {
    store.close();
  }
}

describe("iscep tokens add --certificate", () => {
  test("takes a file, a pin or a name; list, remove and rotate know it", async () => {
    const folder = temporaryFolder();
    const run = (...words: string[]) => iscep(words, { folder });
    await run("cert", "--cert", "alice.pem", "--key", "alice-key.pem");
    const added = await run("tokens", "add", "alice", "--certificate", "alice.pem", "--run", "backup_*", "--json");
    expect({ code: added.code, stderr: added.stderr }).toEqual({ code: 0, stderr: "" });
    const entry = JSON.parse(added.stdout) as { id: string; certificate: string };
    expect(entry).toMatchObject({ owner: "alice", scopes: ["discover", "run:backup_*"] });
    expect((await run("cert", "--show", "alice.pem")).stdout).toContain(entry.certificate);

    const again = await run("tokens", "add", "bob", "--certificate", entry.certificate);
    expect(again.stderr).toContain(`"alice" has this certificate already (${entry.id})`);
    expect(again.code).toBe(64);
    expect((await run("tokens", "add", "bob", "--certificate", "cn:bob")).stderr).toMatch(
      /^bob may call with the certificate cn:bob \(\w{12}\), valid until /,
    );
    for (const wrong of ["cn:", "sha256:short", "missing.pem"])
      expect((await run("tokens", "add", "bob", "--certificate", wrong)).code).toBe(64);

    const listed = (await run("tokens", "list")).stdout;
    expect(listed).toMatch(/^OWNER +ID +MAY +EXPIRES +STATE +BY\n/);
    expect(listed).toContain(entry.certificate);
    expect((await run("tokens", "rotate", "alice")).stderr).toContain("no token to rotate");
    const removed = await run("tokens", "remove", entry.id, "--json");
    expect(JSON.parse(removed.stdout)).toEqual({ owner: "alice", ids: [entry.id] });
    expect((await run("tokens", "list")).stdout).not.toContain("alice");
  });

  test("lets the command line call with --client-cert and --client-key, or with the variables of these names", async () => {
    const folder = temporaryFolder();
    const run = (words: string[], environment = {}) => iscep(words, { folder, environment });
    await run(["cert", "--cert", "alice.pem", "--key", "alice-key.pem"]);
    await run(["tokens", "add", "alice", "--certificate", "alice.pem"]);
    await writeFile(
      join(folder, "iscep.yaml"),
      "listen: 127.0.0.1:0\ntokens: tokens.json\nclients: { mode: certificate }\ncommands:\n  hello: { run: [echo, hello] }\n",
    );
    expect((await run(["check"])).stdout).not.toContain("wrong");
    const { url, stop } = await serve([], { folder });
    try {
      const named = ["--url", url, "--client-cert", "alice.pem", "--client-key", "alice-key.pem"];
      expect(await run(["call", ...named, "hello"])).toMatchObject({ code: 0, stdout: "hello\n" });
      const variables = { ISCEP_URL: url, ISCEP_CERT_FILE: "alice.pem", ISCEP_KEY_FILE: "alice-key.pem" };
      expect(await run(["call", "hello"], variables)).toMatchObject({ code: 0, stdout: "hello\n" });
      const without = await run(["call", "hello"], { ISCEP_URL: url });
      expect(without.code).toBe(77);
      expect(without.stderr).toContain("asks for a client certificate, and none was shown");
      await chmod(join(folder, "alice-key.pem"), 0o644);
      expect((await run(["call", "hello"], variables)).stderr).toContain("can be read or changed by other users");
    } finally {
      await stop();
    }
  });
});

describe("iscep tokens add", () => {
  test("prints the token alone, and keeps nothing of it but a hash, in a file of mode 0600", async () => {
    const folder = temporaryFolder();
    const { code, stdout, stderr } = await iscep(["tokens", "add", "backup"], { folder });
    expect(code).toBe(0);
    expect(stdout.trimEnd()).toMatch(token);
    expect(stderr).toMatch(/^token \w{12} of backup, valid until \d{4}-\d\d-\d\d; it is shown this once:\n$/);
    const path = join(folder, "tokens.json");
    expect(await readFile(path, "utf8")).not.toContain(stdout.trim().slice(18));
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const identity = identify(path, stdout.trim());
    expect(identity?.owner).toBe("backup");
    expect(identity?.mayDiscover).toBe(true);
    expect(identity?.mayRun("anything")).toBe(true);
  });

  test("--run and --no-discover make its scopes, --expires its end", async () => {
    const folder = temporaryFolder();
    const words = [
      "tokens",
      "add",
      "ops",
      "--run",
      "backup_*",
      "--run",
      "run:status",
      "--no-discover",
      "--expires",
      "never",
      "--json",
    ];
    const { code, stdout, stderr } = await iscep(words, { folder });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const made = JSON.parse(stdout) as { token: string; owner: string; expires: unknown; scopes: unknown };
    expect(made).toMatchObject({ owner: "ops", expires: null, scopes: ["run:backup_*", "run:status"] });
    const identity = identify(join(folder, "tokens.json"), made.token);
    expect(identity?.mayDiscover).toBe(false);
    expect(identity?.mayRun("backup_world")).toBe(true);
    expect(identity?.mayRun("operator")).toBe(false);
  });

  test.each([
    ["behind the verb", ["tokens", "add", "a", "--tokens-path", "other.json"], {}],
    ["in front of the verb", ["tokens", "--tokens-path", "other.json", "add", "a"], {}],
    ["in the environment", ["tokens", "add", "a"], { ISCEP_TOKENS_FILE: "other.json" }],
  ])("the file is named %s", async (_, words, environment) => {
    const folder = temporaryFolder();
    expect((await iscep(words, { folder, environment })).code).toBe(0);
    expect(await readFile(join(folder, "other.json"), "utf8")).toContain('"a"');
  });

  test("--url prints address, pin and token in one", async () => {
    const folder = temporaryFolder();
    const pin = (await iscep(["cert"], { folder })).stdout.trim();
    const given = `iscep://example.org:9000?pin=${pin}`;
    const kept = await iscep(["tokens", "add", "a b", "--url", given], { folder });
    expect(kept.stdout).toMatch(/^iscep:\/\/a%20b:isct_\w+@example\.org:9000\?pin=sha256:[\w-]{43}\n$/);
    const fromFile = await iscep(["tokens", "add", "c", "--cert", "cert.pem", "--url", "iscep://example.org"], {
      folder,
    });
    expect(fromFile.stdout).toMatch(new RegExp(`^iscep://c:isct_\\w+@example\\.org:8989\\?pin=${pin}\n$`));
    const local = await iscep(["tokens", "add", "d", "--url"], { folder });
    expect(local.stdout).toMatch(/^iscep:\/\/d:isct_\w+@127\.0\.0\.1:8989\n$/);
    expect(local.stderr).toContain("--cert");
    const plain = await iscep(["tokens", "add", "e", "--url", "iscep://example.org"], { folder });
    expect(plain.stderr).toContain("the address has no pin");
  });

  test("an address that is wrong makes no token", async () => {
    const folder = temporaryFolder();
    const { code, stdout } = await iscep(["tokens", "add", "a", "--url", "http://x"], { folder });
    expect({ code, stdout }).toEqual({ code: 64, stdout: "" });
    expect((await iscep(["tokens", "list"], { folder })).code).toBe(64);
  });
});

describe("iscep tokens remove, list, rotate, import", () => {
  test("list shows no secret; remove takes an owner or an id; an unknown one is a sentence", async () => {
    const folder = temporaryFolder();
    const first = (await iscep(["tokens", "add", "a"], { folder })).stdout.trim();
    const second = (await iscep(["tokens", "add", "a", "--run", "x"], { folder })).stdout.trim();
    const table = (await iscep(["tokens", "list"], { folder })).stdout;
    expect(table.split("\n")[0]).toMatch(/^OWNER\s+ID\s+MAY\s+EXPIRES\s+STATE$/);
    for (const made of [first, second]) expect(table).not.toContain(made.slice(18));
    const listed = JSON.parse((await iscep(["tokens", "list", "a", "--json"], { folder })).stdout) as { id: string }[];
    expect(listed).toHaveLength(2);
    expect((await iscep(["tokens", "remove", listed[0]?.id ?? ""], { folder })).stderr).toBe("removed 1 token of a\n");
    expect(identify(join(folder, "tokens.json"), first)).toBeUndefined();
    expect(identify(join(folder, "tokens.json"), second)?.owner).toBe("a");
    expect((await iscep(["tokens", "remove", "a"], { folder })).code).toBe(0);
    const unknown = await iscep(["tokens", "remove", "nobody"], { folder });
    expect(unknown.code).toBe(64);
    expect(unknown.stderr).toMatch(/^iscep: there is no owner and no token id "nobody"/);
    expect(unknown.stdout).toBe("");
    expect(await iscep(["tokens", "list", "nobody"], { folder })).toEqual(unknown);
  });

  test("rotate replaces the token, at once or after an overlap", async () => {
    const folder = temporaryFolder();
    const path = join(folder, "tokens.json");
    const first = (await iscep(["tokens", "add", "a", "--run", "x"], { folder })).stdout.trim();
    const second = (await iscep(["tokens", "rotate", "a"], { folder })).stdout.trim();
    expect(identify(path, first)).toBeUndefined();
    expect(identify(path, second)?.mayRun("x")).toBe(true);
    expect(identify(path, second)?.mayRun("y")).toBe(false);
    await iscep(["tokens", "rotate", "a", "--overlap", "1h"], { folder });
    expect(identify(path, second)?.owner).toBe("a");
  });

  test("import takes the original's file over, in which no token stays in clear", async () => {
    const folder = temporaryFolder();
    const old = "ab".repeat(256);
    await writeFile(join(folder, "old.json"), JSON.stringify({ op: old }), { mode: 0o600 });
    expect((await iscep(["tokens", "import", "old.json"], { folder })).stderr).toMatch(
      /^imported 1 token into tokens\.json; they work as before\n.*old\.json still holds them in clear; delete it\n$/,
    );
    expect(await readFile(join(folder, "tokens.json"), "utf8")).not.toContain(old);
    expect(identify(join(folder, "tokens.json"), old)?.owner).toBe("op");
    const inPlace = await iscep(["tokens", "import", "--tokens-path", "old.json"], { folder });
    expect(inPlace.code).toBe(0);
    expect(inPlace.stderr).toContain("the original program cannot read old.json any more; old.json.original is a copy");
    expect(await readFile(join(folder, "old.json"), "utf8")).not.toContain(old);
    expect(JSON.parse(await readFile(join(folder, "old.json.original"), "utf8"))).toEqual({ op: old });
    expect((await stat(join(folder, "old.json.original"))).mode & 0o777).toBe(0o600);
    // A second import finds no token in clear, and the copy stays as the original needs it.
    await iscep(["tokens", "import", "--tokens-path", "old.json"], { folder });
    expect(JSON.parse(await readFile(join(folder, "old.json.original"), "utf8"))).toEqual({ op: old });
  });

  test("a link into a volume stays, also while its file is not there yet", async () => {
    const folder = temporaryFolder();
    await mkdir(join(folder, "volume"));
    await symlink("volume/tokens.json", join(folder, "tokens.json"));
    expect(await iscep(["tokens", "add", "ada"], { folder })).toMatchObject({ code: 0 });
    expect((await lstat(join(folder, "tokens.json"))).isSymbolicLink()).toBe(true);
    expect(await readFile(join(folder, "volume", "tokens.json"), "utf8")).toContain("ada");
  });

  test.each([
    [["tokens"], 64],
    [["tokens", "ad", "x"], 64],
    [["tokens", "add"], 64],
    [["tokens", "add", "x", "--expires", "soon"], 64],
    [["tokens", "list"], 64],
  ])("%j exits with %i and says why on standard error only", async (words, code) => {
    const ended = await iscep(words, { folder: temporaryFolder() });
    expect(ended.code).toBe(code);
    expect(ended.stdout).toBe("");
    expect(ended.stderr).not.toBe("");
    expect(ended.stderr).not.toMatch(/^\s+at /m);
  });
});

test("tokens explain tells what an owner may do, and why", async () => {
  const folder = temporaryFolder();
  await iscep(["tokens", "add", "ada", "--run", "backup_*", "--run", "stop(force=false)"], { folder });
  await iscep(["tokens", "add", "ada", "--operator", "--expires", "1s"], { folder });
  const all = await iscep(["tokens", "explain", "ada"], { folder });
  expect(all.stdout.replaceAll(/token \w{12}/g, "token ID").replace(/expired at .*/, "expired at …")).toContain(
    "token ID\n" +
      "  discover: list the commands that it may run\n" +
      "  run:backup_*: run commands named backup_*\n" +
      "  run:stop(force=false): run commands named stop, only with force=false\n",
  );
  expect(all.stdout).toContain("  runs:all: see, follow and cancel the runs of every owner, of every command\n");
  expect((await iscep(["tokens", "explain", "ada", "stop"], { folder })).stdout).toContain("ada may run stop\n");
  const not = await iscep(["tokens", "explain", "ada", "start", "--json"], { folder });
  expect(JSON.parse(not.stdout)).toMatchObject([{ mayRun: false, scopes: [] }, { mayRun: false }]);
  expect(await iscep(["tokens", "explain", "eve"], { folder })).toMatchObject({ code: 64, stdout: "" });
});

test("tokens list and explain tell of networks, and of a token that does not count yet", async () => {
  const folder = temporaryFolder();
  await iscep(["tokens", "add", "ada"], { folder });
  const path = join(folder, "tokens.json");
  const bound = '"notBefore":"2999-01-01T00:00:00.000Z","cidrs":["10.0.0.0/8"],"created"';
  writeFileSync(path, readFileSync(path, "utf8").replace('"created"', bound));
  expect((await iscep(["tokens", "list"], { folder })).stdout).toMatch(/not yet/);
  const explained = (await iscep(["tokens", "explain", "ada"], { folder })).stdout;
  expect(explained).toContain("it counts only from 2999-01-01T00:00:00.000Z on\n  only from 10.0.0.0/8\n");
});

test("tokens import says nothing of tokens in clear behind a link that leads to the same file", async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "tokens.json"), '{"ada":"a token of the original 1234"}', { mode: 0o600 });
  symlinkSync("tokens.json", join(folder, "link.json"));
  const { code, stderr } = await iscep(["tokens", "import", "link.json"], { folder });
  expect(code).toBe(0);
  expect(stderr).not.toContain("still holds them");
});

test("a list of patterns in one --run is refused, with what to do", async () => {
  const folder = temporaryFolder();
  const refused = await iscep(["tokens", "add", "ada", "--run", "a,b"], { folder });
  expect(refused).toMatchObject({ code: 64 });
  expect(refused.stderr).toContain("write a scope for each pattern");
});

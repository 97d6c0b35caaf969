/** `iscep login` gives a server a name; `--server NAME` stands for its address and token. */
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { defineCommand, Server } from "iscep";
import { addToken } from "#iscep/identity/tokens-writer";
import { iscep, type Ended } from "../support/iscep.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const hello = defineCommand({ name: "hello", args: z.object({}), run: (_, { identity }) => `hello ${identity.owner}` });

interface Scene {
  readonly folder: string;
  readonly url: string;
  readonly token: string;
  readonly file: string;
  run(words: readonly string[], environment?: Record<string, string>, input?: string): Promise<Ended>;
}

async function scene(scopes?: readonly string[]): Promise<Scene> {
  const folder = temporaryFolder();
  const tokens = join(folder, "tokens.json");
  const { token } = await addToken(tokens, { owner: "ada", ...(scopes === undefined ? {} : { scopes }) });
  const server = new Server({ commands: [hello], port: 0, tls: false, tokens });
  onTestFinished(() => server.close({ graceMs: 0 }));
  const { url } = await server.listen();
  const config = join(folder, "config");
  return {
    folder,
    url,
    token,
    file: join(config, "iscep", "servers.json"),
    run: (words, environment = {}, input = "") =>
      iscep(words, { folder, input, environment: { XDG_CONFIG_HOME: config, ...environment } }),
  };
}

test("a named server is called with its address and token, which only its user can read", async () => {
  const { url, token, file, run } = await scene();
  const login = await run(["login", "home", url], { ISCEP_TOKEN: token });
  expect(login).toMatchObject({
    code: 0,
    stdout: "",
    stderr: "logged in; 1 commands may be called. Try: iscep ls --server home\n",
  });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(await run(["call", "--server", "home", "hello"])).toMatchObject({ code: 0, stdout: "hello ada\n" });
  expect(await run(["call", "hello"], { ISCEP_SERVER: "home" })).toMatchObject({ code: 0, stdout: "hello ada\n" });

  const listed = await run(["servers", "--json"]);
  expect(JSON.parse(listed.stdout)).toEqual([{ name: "home", address: url, hasToken: true }]);
  expect((await run(["servers"])).stdout).not.toContain(token);

  expect(await run(["servers", "remove", "home"])).toMatchObject({ code: 0 });
  expect(readFileSync(file, "utf8")).not.toContain(token);
  expect(await run(["call", "--server", "home", "hello"])).toMatchObject({ code: 64 });
});

test("a token that may run commands, and not list them, is good for a login", async () => {
  const { url, token, run } = await scene(["run:hello"]);
  expect(await run(["login", "home", url], { ISCEP_TOKEN: token })).toMatchObject({ code: 0 });
  expect(await run(["call", "--server", "home", "hello"])).toMatchObject({ code: 0, stdout: "hello ada\n" });
});

test("what a login refuses is not kept", async () => {
  const { url, file, run } = await scene();
  const { token: other } = await addToken(join((await scene()).folder, "other.json"), { owner: "eve" });
  const refused = await run(["login", "home", url], { ISCEP_TOKEN: other });
  expect(refused).toMatchObject({ code: 77 });
  expect(refused.stderr).toContain(`nothing was written to ${file}`);
  expect(await run(["login", "b/ad", url])).toMatchObject({ code: 64 });
  expect(JSON.parse((await run(["servers", "--json"])).stdout)).toEqual([]);
});

test("a file that others can read, or that is damaged, is refused and told", async () => {
  const { file, run } = await scene();
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, '{"home":{"address":"iscep://x:isct_secret@h"', { mode: 0o600 });
  const damaged = await run(["ls", "--server", "home"]);
  expect(damaged).toMatchObject({ code: 64 });
  expect(damaged.stderr).toContain("is damaged");
  expect(damaged.stderr).not.toContain("isct_secret");
  chmodSync(file, 0o644);
  expect((await run(["ls", "--server", "home"])).stderr).toContain(`chmod 600 ${file}`);
});

test("an address and a name at once, and a name that is unknown, are refused", async () => {
  const { url, token, run } = await scene();
  await run(["login", "home", url], { ISCEP_TOKEN: token });
  expect((await run(["ls", "--server", "home", "--url", url])).stderr).toContain("either --url or --server");
  expect((await run(["ls"], { ISCEP_URL: url, ISCEP_SERVER: "home" })).stderr).toContain("are both set");
  expect((await run(["ls", "--server", "hme"])).stderr).toContain("did you mean home?");
});

test.each([
  ["cut short", (token: string) => token.slice(0, 50)],
  ["in quotes", (token: string) => `"${token}"`],
  ["a whole line of an env file", (token: string) => `ISCEP_TOKEN=${token}`],
])("a token that is %s is told before it is sent", async (_, damage) => {
  const { url, token, run } = await scene();
  const said = await run(["call", "--url", url, "hello"], { ISCEP_TOKEN: damage(token) });
  expect(said).toMatchObject({ code: 64 });
  expect(said.stderr).toContain("the token is damaged");
  expect(said.stderr).not.toContain(token.slice(20, 50));
});

test.each(["\n", "\r\n", "\r", " "])("white space behind a token, %j, does not belong to it", async (end) => {
  const { url, token, run } = await scene();
  expect(await run(["call", "--url", url, "hello"], { ISCEP_TOKEN: token + end })).toMatchObject({ code: 0 });
});

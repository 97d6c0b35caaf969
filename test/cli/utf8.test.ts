/** Bytes that are not UTF-8 are refused: Node would put U+FFFD in their place, and nobody would be told. */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { defineCommand, Server } from "iscep";
import { ended, iscep, startIscep } from "../support/iscep.js";
import { mainFile } from "../support/iscep-process.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const url = "iscep+unix:///nobody/listens";

test("in an argument of the command line", async () => {
  const folder = temporaryFolder();
  const script = `exec "$0" "$1" call --url ${url} show --n "$(printf 'caf\\351')"`;
  const { status, stderr } = spawnSync("sh", ["-c", script, process.execPath, mainFile], {
    cwd: folder,
    env: { PATH: process.env["PATH"], HOME: folder },
    encoding: "utf8",
  });
  expect({ status, stderr }).toEqual({
    status: 65,
    stderr: "iscep: an argument of the command line is not UTF-8; convert it, for example with: iconv -t UTF-8\n",
  });
});

test("in the file of --args and in standard input", async () => {
  const folder = temporaryFolder();
  const server = new Server({
    commands: [defineCommand({ name: "show", run: () => "shown" })],
    unix: join(folder, "s.sock"),
  });
  onTestFinished(() => server.close({ graceMs: 0 }));
  const { url } = await server.listen();
  writeFileSync(join(folder, "args.json"), Buffer.from('{"n":"caf\xe9"}', "latin1"));
  const call = ["call", "--url", url, "show", "--args"];
  expect(await iscep([...call, "@args.json"], { folder })).toMatchObject({
    code: 65,
    stderr: expect.stringContaining("the file of --args @args.json is not UTF-8") as string,
  });
  const child = startIscep([...call, "-"], { folder });
  child.stdin.end(Buffer.from('{"n":"caf\xe9"}', "latin1"));
  expect(await ended(child)).toMatchObject({
    code: 65,
    stderr: expect.stringContaining("standard input is not UTF-8") as string,
  });
});

test("U+FFFD itself is a character like any other", async () => {
  const folder = temporaryFolder();
  expect(await iscep(["call", "--url", url, "show", "--n", "\ufffd"], { folder })).toMatchObject({ code: 69 });
});

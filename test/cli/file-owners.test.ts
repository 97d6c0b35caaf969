/** Who may change the files of a server decides what it runs, and who may call: `iscep serve` and `iscep check` say so. */
import { chmod, chown, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { iscep, serve } from "../support/iscep.js";
import { temporaryFolder } from "../support/temporary-folder.js";

interface Finding {
  readonly level: string;
  readonly about: string;
  readonly message: string;
}

const library = JSON.stringify(import.meta.resolve("iscep"));
const yaml =
  "listen: unix:socket\ntokens: tokens.json\nmodules: [sub/commands.mjs]\ncommands: { list: { run: [ls] } }\n";

async function server(): Promise<string> {
  const folder = temporaryFolder();
  await mkdir(join(folder, "sub"));
  await writeFile(join(folder, "iscep.yaml"), yaml, { mode: 0o644 });
  const module = `import { defineCommand } from ${library};\nexport const one = defineCommand({ name: "one", run: () => 1 });\n`;
  await writeFile(join(folder, "sub", "commands.mjs"), module, { mode: 0o644 });
  await writeFile(join(folder, "tokens.json"), "{}", { mode: 0o600 });
  return folder;
}

async function warnings(folder: string): Promise<string[]> {
  const { code, stdout } = await iscep(["check", "--json"], { folder });
  expect(code).toBe(0);
  const { findings } = JSON.parse(stdout) as { findings: Finding[] };
  return findings.filter(({ level }) => level === "warning").map(({ about, message }) => `${about}: ${message}`);
}

test("a configuration or module that others may change, or replace, is a warning, and no other is", async () => {
  const folder = await server();
  expect(await warnings(folder)).toEqual([]);
  await chmod(join(folder, "iscep.yaml"), 0o666);
  await chmod(join(folder, "sub"), 0o777);
  const lines = [
    `${folder}/iscep.yaml can be changed by others, who so decide what the server runs; chmod go-w ${folder}/iscep.yaml`,
    `${folder}/sub can be changed by others, who so decide what the server runs; chmod o-w ${folder}/sub`,
  ];
  expect(await warnings(folder)).toEqual(lines.map((line) => `file: ${line}`));
  const serving = await serve([], { folder });
  const { stderr } = await serving.stop();
  for (const line of lines) expect(stderr).toContain(line);
  await chmod(join(folder, "sub"), 0o1777);
  expect(await warnings(folder)).toEqual([`file: ${lines[0]}`]);
});

test.runIf(process.getuid?.() === 0)("root hears of files that belong to another user", async () => {
  const folder = await server();
  for (const file of ["iscep.yaml", "tokens.json"]) await chown(join(folder, file), 65_534, 65_534);
  const lines = [
    `${folder}/iscep.yaml belongs to user 65534, who so decides what root runs; chown root ${folder}/iscep.yaml`,
    `${folder}/tokens.json belongs to user 65534, who so decides who may call; chown root ${folder}/tokens.json`,
  ];
  expect(await warnings(folder)).toEqual([`file: ${lines[0]}`, `tokens: ${lines[1]}`]);
  const serving = await serve([], { folder });
  const { stderr } = await serving.stop();
  for (const line of lines) expect(stderr).toContain(line);
});

test("iscep serve says that others can read its key, as iscep check does", async () => {
  const folder = temporaryFolder();
  await iscep(["cert"], { folder });
  await writeFile(
    join(folder, "iscep.yaml"),
    "listen: 127.0.0.1:0\ntls: { key: key.pem, cert: cert.pem }\ncommands: { list: { run: [ls] } }\n",
  );
  await chmod(join(folder, "key.pem"), 0o640);
  const line = `other users can read the key ${folder}/key.pem; chmod 600 ${folder}/key.pem`;
  expect(await warnings(folder)).toContain(`certificate: ${line}`);
  const serving = await serve([], { folder });
  expect((await serving.stop()).stderr).toContain(line);
});

import { mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { spawn } from "node:child_process";
import { expect, test } from "vitest";
import { ended, iscep, serve } from "../support/iscep.js";
import { mainFile } from "../support/iscep-process.js";
import { ownPort } from "../support/own-port.js";
import { temporaryFolder } from "../support/temporary-folder.js";

test("what iscep init writes can be served and called at once", async () => {
  const folder = temporaryFolder();
  const { code, stdout, stderr } = await iscep(["init", "--json"], { folder });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const made = JSON.parse(stdout) as { files: string[]; token: string; pin: string };
  expect(made.files).toEqual(["iscep.yaml", "archive.sh", "data/notes.txt", "tokens.json", "cert.pem", "key.pem"]);
  for (const secret of ["tokens.json", "key.pem"]) expect((await stat(join(folder, secret))).mode & 0o777).toBe(0o600);
  expect(await readFile(join(folder, "tokens.json"), "utf8")).not.toContain(made.token.slice(18));

  const serving = await serve(["--port", "0"], { folder });
  expect(serving.url).toContain(`?pin=${made.pin}`);
  const environment = { ISCEP_URL: serving.url, ISCEP_TOKEN: made.token };
  expect((await iscep(["ls"], { folder, environment })).stdout).toMatch(
    /^hello\s+\[--name STRING \(world\)\]\s+Greet someone$/m,
  );
  expect((await iscep(["call", "hello", "--name", "Ada"], { folder, environment })).stdout).toBe("hello, Ada\n");
  const archive = (await iscep(["call", "archive"], { folder, environment })).stdout.trim();
  expect(archive).toMatch(/^archives\/data-.*\.tar$/);
  expect(await readFile(join(folder, archive), "latin1")).toContain("Something to archive.");
  const none = await iscep(["call", "archive", "--folder", "nowhere"], { folder, environment });
  expect(none).toMatchObject({ code: 66, stderr: "there is no folder nowhere to archive\n" });
  expect(await readdir(join(folder, "archives"))).toHaveLength(1);
  expect((await iscep(["call", "hello"], { folder, environment: { ISCEP_URL: serving.url } })).code).toBe(77);
  expect((await serving.stop()).code).toBe(0);
});

test("beside an installed package the configuration names its schema, for editors", async () => {
  const folder = temporaryFolder();
  await mkdir(join(folder, "node_modules"));
  await symlink(process.cwd(), join(folder, "node_modules", "iscep"));
  for (const service of [".", "services/world"]) {
    expect((await iscep(["init", service], { folder })).code).toBe(0);
    const [first = ""] = (await readFile(join(folder, service, "iscep.yaml"), "utf8")).split("\n");
    const [, schema = ""] = /^# yaml-language-server: \$schema=(\.\/\S+)$/.exec(first) ?? [];
    const { title } = JSON.parse(await readFile(join(folder, service, schema), "utf8")) as { title: string };
    expect(title).toBe("iscep.yaml");
    expect((await iscep(["check"], { folder: join(folder, service) })).code).toBe(0);
  }
});

test("the steps that it prints can be pasted into a shell", async () => {
  const folder = temporaryFolder();
  const { code, stdout } = await iscep(["init", "it's mine"], { folder });
  expect(code).toBe(0);
  const steps = stdout.split("\n").filter((line) => line.startsWith("    "));
  expect(steps.slice(0, 2)).toEqual([String.raw`    cd 'it'\''s mine'`, "    iscep serve"]);
  // Its port may be taken here: the steps are run with another one.
  const port = await ownPort();
  const yaml = join(folder, "it's mine", "iscep.yaml");
  await writeFile(yaml, (await readFile(yaml, "utf8")).replace("127.0.0.1:8989", `127.0.0.1:${port}`));
  const serving = await serve([], { folder: join(folder, "it's mine") });
  const script = [`iscep() { '${process.execPath}' '${mainFile}' "$@"; }`, "set -e", ...steps.slice(2)].join("\n");
  const shell = spawn("sh", ["-c", script.replace(":8989?", `:${port}?`)], {
    cwd: folder,
    env: { PATH: process.env["PATH"], HOME: folder },
  });
  const result = await ended(shell);
  expect(result).toMatchObject({ code: 0, stderr: "" });
  expect(result.stdout).toMatch(/^COMMAND[^]*hello, Ada\narchives\/data-/);
  await serving.stop();
});

test("nothing that is there is overwritten; all of it is listed", async () => {
  const folder = temporaryFolder();
  await writeFile(join(folder, "iscep.yaml"), "precious");
  await writeFile(join(folder, "key.pem"), "precious");
  const { code, stdout, stderr } = await iscep(["init"], { folder });
  expect({ code, stdout }).toEqual({ code: 64, stdout: "" });
  expect(stderr).toMatch(/^iscep: iscep\.yaml, key\.pem are there already and will not be overwritten/);
  expect(await readFile(join(folder, "iscep.yaml"), "utf8")).toBe("precious");
  await expect(stat(join(folder, "archive.sh"))).rejects.toMatchObject({ code: "ENOENT" });
});

import { spawnSync } from "node:child_process";
import { chmod, chown, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { isPrivateGroup } from "#iscep/commands/script/accounts";
import { initialisedFolder, iscep, serve } from "../support/iscep.js";
import { mainFile } from "../support/iscep-process.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { check, findings } from "../support/checked-configuration.js";

const canMount = spawnSync("unshare", ["-rm", "true"]).status === 0;

async function configure(folder: string, change: (text: string) => string): Promise<void> {
  const file = join(folder, "iscep.yaml");
  await writeFile(file, change(await readFile(file, "utf8")));
}

async function everyFile(folder: string): Promise<string[]> {
  return (await readdir(folder, { recursive: true })).toSorted();
}

test("a hook that nobody signs is a warning, and one whose command is not there is wrong, at its line", async () => {
  const folder = temporaryFolder();
  const yaml = (command: string): string =>
    `listen: unix:./socket\ntokens: false\nhttp:\n  hooks:\n    open: { command: ${command}, kind: unsigned }\ncommands: { list: { run: [ls] } }\n`;
  await writeFile(join(folder, "iscep.yaml"), yaml("list"));
  const { findings: found, code } = await findings(folder);
  expect(code).toBe(0);
  expect(found).toContainEqual({
    level: "warning",
    about: "http",
    message: 'hook "open" is unsigned: everybody who can connect may run "list" by it',
  });
  await writeFile(join(folder, "iscep.yaml"), yaml("lost"));
  const { findings: wrong } = await findings(folder);
  expect(wrong).toMatchObject([
    { level: "wrong", message: expect.stringMatching(/iscep\.yaml:5:5: hook "open" runs command "lost"/) },
  ]);
});

describe("iscep check", () => {
  test("tells what it found, in order, and makes no file", async () => {
    const folder = await initialisedFolder();
    await configure(folder, (text) => text.replace("# logs: logs", "logs: some/logs\nstate: kept"));
    const before = await everyFile(folder);
    const { code, stdout, stderr } = await check(folder);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout.split("\n").map((line) => line.replaceAll(folder, "FOLDER").replace(/sha256:\S+/, "PIN"))).toEqual([
      "ok       file: iscep.yaml: 2 scripts, 0 functions",
      "ok       commands: 2 in all",
      "ok       listen: 127.0.0.1:8989 with TLS",
      "ok       http: on the same places",
      "ok       certificate: FOLDER/cert.pem: PIN",
      "ok       tokens: FOLDER/tokens.json: 1 token of 1 owner",
      "ok       logs: FOLDER/some/logs can be written",
      "ok       state: FOLDER/kept can be written",
      "",
    ]);
    expect(await everyFile(folder)).toEqual(before);
    expect((await findings(folder)).findings.map(({ level, about }) => `${level} ${about}`)).toEqual(
      ["file", "commands", "listen", "http", "certificate", "tokens", "logs", "state"].map((about) => `ok ${about}`),
    );
  });

  test("tells the zone and the next time of what is scheduled", async () => {
    const folder = await initialisedFolder();
    await configure(folder, (text) =>
      text.replace(/^commands:\n/m, '$&  nightly: { run: [date], schedule: "0 3 1 1 *" }\n'),
    );
    const { findings: found } = await findings(folder);
    const own = new Intl.DateTimeFormat().resolvedOptions().timeZone;
    expect(found.find(({ about }) => about === "schedule")).toMatchObject({
      level: "ok",
      message: expect.stringContaining(`nightly is scheduled: 0 3 1 1 * (${own}), next at `),
    });
  });

  test("with a key that the server would make itself, and with one that it made", async () => {
    const folder = temporaryFolder();
    await writeFile(join(folder, "iscep.yaml"), "state: kept\ncommands: { hello: { run: [echo, hello] } }\n");
    const made = join(folder, "kept", "server-key.pem");
    expect((await findings(folder)).findings.find(({ about }) => about === "certificate")?.message).toBe(
      `will be made in ${join(folder, "kept")} at the first start`,
    );
    await mkdir(join(folder, "kept"));
    await iscep(["cert", "--cert", "kept/server-cert.pem", "--key", made], { folder });
    expect((await findings(folder)).findings.find(({ about }) => about === "certificate")?.message).toMatch(
      /: sha256:/,
    );
    await chmod(made, 0o644);
    expect(await findings(folder)).toMatchObject({ code: 64, ok: false });
  });

  test("of modules and several files, with the options of serve", async () => {
    const folder = temporaryFolder();
    const library = JSON.stringify(import.meta.resolve("iscep"));
    await writeFile(
      join(folder, "one.mjs"),
      `import { defineCommand } from ${library};\nexport const one = defineCommand({ name: "one", run: () => 1 });\n`,
    );
    await writeFile(join(folder, "a.yaml"), "commands: { two: { run: [echo] } }\n");
    const open = ["--host", "0.0.0.0", "--no-tls", "--no-auth", "--allow-cleartext"];
    const { stdout, code } = await check(folder, "one.mjs", "a.yaml", ...open);
    expect(code).toBe(0);
    expect(stdout).toContain("file: one.mjs: 0 scripts, 1 function\n");
    expect(stdout).toContain("file: a.yaml: 1 script, 0 functions\n");
    expect(stdout).toContain("listen: 0.0.0.0:8989 with cleartext\n");
    const twice = await findings(folder, "one.mjs", "one.mjs");
    expect(twice).toMatchObject({ code: 64, ok: false });
    expect(twice.findings.filter(({ level }) => level === "wrong")).toEqual([
      { level: "wrong", about: "commands", message: expect.stringContaining('two commands named "one"') as string },
    ]);
  });

  test.each<[string, (text: string) => string, (folder: string) => Promise<unknown>, string, RegExp]>([
    [
      "a mistake in the file",
      (text) => `${text}threds: 1\n`,
      async () => {},
      "file",
      /^iscep\.yaml:\d+:1: .*"threads"/,
    ],
    [
      "a program that is missing",
      (text) => text.replace("./archive.sh", "./gone.sh"),
      async () => {},
      "file",
      /gone\.sh/,
    ],
    [
      "a module that does not load",
      (text) => `${text}modules: [m.mjs]\n`,
      (folder) => writeFile(join(folder, "m.mjs"), "throw 1"),
      "file",
      /m\.mjs: cannot be loaded/,
    ],
    [
      "a tokens file that is open",
      (text) => text,
      (folder) => chmod(join(folder, "tokens.json"), 0o644),
      "tokens",
      /chmod 600/,
    ],
    [
      "a tokens file that is missing",
      (text) => text.replace("tokens.json", "gone.json"),
      async () => {},
      "tokens",
      /gone\.json: there is no such file/,
    ],
    [
      "a certificate that is none",
      (text) => text,
      (folder) => writeFile(join(folder, "cert.pem"), "x"),
      "certificate",
      /cert\.pem is not a certificate/,
    ],
    [
      "a key of another certificate",
      (text) => text,
      (folder) => iscep(["cert", "--cert", "other.pem", "--key", "key.pem", "--force"], { folder }),
      "certificate",
      /do not belong together/,
    ],
    [
      "a file where the logs shall go",
      (text) => `${text}logs: key.pem/logs\n`,
      async () => {},
      "logs",
      /key\.pem is no folder/,
    ],
    [
      "a certificate that is missing",
      (text) => text.replace(/cert: \S*cert\.pem/, "cert: gone.pem"),
      async () => {},
      "certificate",
      /^iscep\.yaml:\d+:\d+: the certificate file .*gone\.pem does not exist; check the path/,
    ],
    [
      "a folder of a script that is missing",
      (text) => text.replace(/^commands:\n/m, "$&  a: { run: [ls], folder: nope }\n"),
      async () => {},
      "commands",
      /^iscep\.yaml:\d+:\d+: the folder of command "a", .*nope, is no folder; make it/,
    ],
    [
      "a base of paths that is missing",
      (text) => text.replace(/^commands:\n/m, '$&  a: { run: [ls, "{p}"], args: { p: { type: path, base: nope } } }\n'),
      async () => {},
      "commands",
      /^iscep\.yaml:\d+:\d+: the base of argument "p" of command "a", .*nope, is no folder; make it/,
    ],
    [
      "a time zone beside the schedule",
      (text) => text.replace(/^commands:\n/m, "$&  a: { run: [ls], time_zone: UTC }\n"),
      async () => {},
      "file",
      /^iscep\.yaml:\d+:\d+: .*no key "time_zone"; it belongs to the schedule/,
    ],
    [
      "choices from itself",
      (text) => {
        const script = (from: string): string =>
          `{ run: [ls, "{v}"], args: { v: { type: enum, optional: true, choices: { from: ${from} } } } }`;
        return text.replace(/^commands:\n/m, `$&  a: ${script("b")}\n  b: ${script("b")}\n`);
      },
      async () => {},
      "file",
      /^iscep\.yaml:\d+:\d+: the choices of "b" come from "b", a circle/,
    ],
    [
      "a socket without its folder",
      (text) => text.replace(/listen: .*/, "listen: unix:gone/a.sock"),
      async () => {},
      "listen",
      /folder of the unix socket .* does not exist/,
    ],
    [
      "a file where a socket shall be",
      (text) => text.replace(/listen: .*/, "listen: [0, unix:key.pem]"),
      async () => {},
      "listen",
      /key\.pem is there already, and is no socket/,
    ],
    [
      "a socket whose path is too long",
      (text) => text.replace(/listen: .*/, `listen: unix:${"x".repeat(120)}`),
      async () => {},
      "listen",
      /the system allows/,
    ],
    [
      "no tokens beyond this machine",
      (text) => text.replace(/listen: .*/, "listen: 0.0.0.0:8989").replace("tokens: tokens.json", ""),
      async () => {},
      "listen",
      /without tokens everybody/,
    ],
  ])("64 for %s", async (_, change, prepare, about, sentence) => {
    const folder = await initialisedFolder();
    await configure(folder, change);
    await prepare(folder);
    const result = await findings(folder);
    expect(result).toMatchObject({ code: 64, ok: false });
    expect(result.findings.filter(({ level }) => level === "wrong")).toEqual([
      { level: "wrong", about, message: expect.stringMatching(sentence) as string },
    ]);
  });

  test("64 for a state folder below a file, with its place in the configuration", async () => {
    const folder = temporaryFolder();
    await writeFile(join(folder, "iscep.yaml"), "commands: { a: { run: [ls] } }\nstate: /dev/null/x\n");
    const { code, findings: found } = await findings(folder);
    expect(code).toBe(64);
    const message = "iscep.yaml:2:8: /dev/null/x cannot be made: /dev/null is no folder; choose another";
    expect(found.filter(({ level }) => level === "wrong")).toEqual([
      { level: "wrong", about: "certificate", message },
      { level: "wrong", about: "state", message },
    ]);
  });

  test("tells several faults of a file one by one, and the other files as well", async () => {
    const folder = await initialisedFolder();
    await configure(folder, (text) => `${text}threds: 1\nlogz: x\n`);
    const { code, stdout } = await check(folder, "iscep.yaml", "gone.mjs");
    expect(code).toBe(64);
    expect(stdout).toMatch(
      /^wrong    file: iscep\.yaml:\d+:1: .*\nwrong    file: iscep\.yaml:\d+:1: .*\nwrong    file: gone\.mjs: /,
    );
  });

  test("warns of what works and may not be meant, and ends with 0", async () => {
    const folder = await initialisedFolder();
    await chmod(join(folder, "key.pem"), 0o644);
    await mkdir(join(folder, "shared"));
    await chmod(join(folder, "shared"), 0o777);
    await configure(folder, (text) => text.replace(/listen: .*/, "listen: [0, unix:shared/a.sock]"));
    await iscep(["tokens", "add", "brief", "--expires", "1h"], { folder });
    const result = await findings(folder);
    expect(result).toMatchObject({ code: 0, ok: true });
    expect(result.findings.filter(({ level }) => level === "warning").map(({ message }) => message)).toEqual([
      expect.stringMatching(/^every user may write to the folder of .*a\.sock/),
      expect.stringMatching(/^other users can read the key .*chmod 600/),
      expect.stringMatching(/^token \w+ of "brief" ends at /),
    ]);
  });

  test.each<[string, string, string, RegExp]>([
    ["Windows line ends", "#!/bin/sh\r\necho\r\n", "wrong", /CRLF.*; sed -i 's\/\\r\$\/\/' \/.*s\.sh$/],
    ["Windows line ends for env", "#!/usr/bin/env sh\r\n", "wrong", /CRLF/],
    ["a byte order mark", "\uFEFF#!/bin/sh\n", "wrong", /byte order mark.*sed -i .* \/.*s\.sh$/],
    [
      "an interpreter that is missing",
      "#!/opt/none/python\n",
      "wrong",
      /\/opt\/none\/python .*does not exist; install/,
    ],
    ["an interpreter that nobody may execute", "#! /etc/passwd\n", "wrong", /not executable; chmod \+x \/etc\/passwd/],
    [
      "a name that env will not find",
      "#!/usr/bin/env -S no-such-program -x\n",
      "wrong",
      /no-such-program, .*install it/,
    ],
    ["several words for env", "#!/usr/bin/env sh -e\n", "wrong", /#!\/usr\/bin\/env -S sh -e/],
    ["a first line without a name", "#!\n", "wrong", /names no interpreter/],
    ["no first line", "echo hello\n", "warning", /begin it with #!\/bin\/sh/],
    ["nothing in it", "", "warning", /is empty/],
  ])("reads the first line of a script with %s, and says what to do", async (_, text, level, sentence) => {
    const folder = temporaryFolder();
    await writeFile(join(folder, "s.sh"), text, { mode: 0o755 });
    await writeFile(join(folder, "iscep.yaml"), "listen: unix:socket\ncommands: { it: { run: [./s.sh] } }\n");
    const { ok, findings: found } = await findings(folder);
    expect(ok).toBe(level === "warning");
    expect(found.filter((finding) => finding.level !== "ok")).toEqual([
      { level, about: "commands", message: expect.stringMatching(sentence) as string },
    ]);
  });

  test("finds nothing in first lines that are right, and in programs that need none", async () => {
    const folder = temporaryFolder();
    const lines = [
      "#!/bin/sh",
      "#! /bin/sh -e",
      "#!/usr/bin/env sh",
      "#!/usr/bin/env -S sh -e",
      "#!/usr/bin/env -S A=b sh",
    ];
    for (const [index, line] of lines.entries())
      await writeFile(join(folder, `s${index}`), `${line}\n`, { mode: 0o755 });
    const scripts = lines.map((_line, index) => `  s${index}: { run: [./s${index}] }\n`).join("");
    await writeFile(join(folder, "iscep.yaml"), `listen: unix:socket\ncommands:\n${scripts}  c: { run: [ls] }\n`);
    expect((await findings(folder)).findings.filter(({ level }) => level !== "ok")).toEqual([]);
  });

  test.runIf(isPrivateGroup(userInfo().uid, userInfo().gid))(
    "warns of a program that its owner's group may write, and serve starts with it",
    async () => {
      const folder = temporaryFolder();
      await writeFile(join(folder, "s.sh"), "#!/bin/sh\necho ran\n");
      await chmod(join(folder, "s.sh"), 0o775);
      await writeFile(join(folder, "iscep.yaml"), "listen: unix:socket\ncommands: { it: { run: [./s.sh] } }\n");
      const warning = /s\.sh of it can be changed by its group, .*chmod g-w \/.*s\.sh/;
      const { ok, findings: found } = await findings(folder);
      expect(ok).toBe(true);
      expect(found.filter(({ level }) => level === "warning").map(({ message }) => message)).toEqual([
        expect.stringMatching(warning),
      ]);
      const serving = await serve([], { folder });
      expect((await iscep(["call", "it"], { folder, environment: { ISCEP_URL: serving.url } })).stdout).toBe("ran\n");
      expect((await serving.stop()).stderr).toMatch(warning);
    },
  );

  test.runIf(canMount)("takes programs of a folder that is open to all, on a mount that is read-only", async () => {
    const folder = temporaryFolder();
    const lines = [
      "mkdir v; mount -t tmpfs -o mode=0777 none v",
      "printf '#!/bin/sh\\n' > v/s.sh; chmod 777 v/s.sh; printf 'listen: unix:/tmp/none\\ncommands: { it: { run: [./s.sh] } }\\n' > v/iscep.yaml",
      `"$0" "$1" check v/iscep.yaml && exit 9; mount -o remount,ro v; exec "$0" "$1" check v/iscep.yaml`,
    ];
    const words = ["-rm", "sh", "-ec", lines.join("\n"), process.execPath, mainFile];
    const { status, stdout, stderr } = spawnSync("unshare", words, { cwd: folder, encoding: "utf8" });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(/^wrong .*chmod o-w|^wrong .*chmod go-w/m);
    expect(stdout).toContain("ok       commands: 1 in all\n");
  });

  test.runIf(process.getuid?.() === 0)(
    "warns root of a program of another user, unless it runs as that user",
    async () => {
      const folder = temporaryFolder();
      const nobody = 65_534;
      await writeFile(join(folder, "theirs.sh"), "#!/bin/sh\n", { mode: 0o755 });
      await chown(join(folder, "theirs.sh"), nobody, nobody);
      const scripts = "a: { run: [./theirs.sh] }, b: { run: [./theirs.sh], user: nobody }, c: { run: [ls] }";
      await writeFile(join(folder, "iscep.yaml"), `listen: unix:socket\ncommands: { ${scripts} }\n`);
      const { ok, findings: found } = await findings(folder);
      expect(ok).toBe(true);
      expect(found.filter(({ level }) => level === "warning").map(({ message }) => message)).toEqual([
        expect.stringMatching(/theirs\.sh of a belongs to user 65534, .*chown root /),
      ]);
    },
  );
});

test("iscep serve tells the place of a file that is missing, and what to do", async () => {
  const folder = await initialisedFolder();
  await configure(folder, (text) => text.replace("tokens.json", "gone.json"));
  const { code, stderr } = await iscep(["serve"], { folder });
  expect(code).toBe(64);
  expect(stderr).toMatch(/iscep\.yaml:\d+:\d+: tokens file .*gone\.json: there is no such file; `iscep tokens add/);
});

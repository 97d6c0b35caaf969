import { execFile } from "node:child_process";
import { chmod, chown, mkdir, symlink, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import { declareArguments, defineScript } from "iscep";
import { isPrivateGroup } from "#iscep/commands/script/accounts";
import { refusedVariables } from "#iscep/commands/script/environment";
import { temporaryFolder } from "../support/temporary-folder.js";

async function program(folder: string, name: string, mode: number): Promise<string> {
  const file = path.join(folder, name);
  await writeFile(file, '#!/bin/sh\nprintf "%s\\n" "$@"\n');
  await chmod(file, mode);
  return file;
}

function configurationError(message: RegExp): unknown {
  return expect.objectContaining({ code: "configuration", message: expect.stringMatching(message) as string });
}

describe("the program of a script", () => {
  test("is a path, one relative to the folder, or a name in the fixed PATH, whatever PATH the server has", async () => {
    const folder = temporaryFolder();
    const file = await program(folder, "it.sh", 0o755);
    expect(defineScript({ name: "a", run: [file] }).program).toBe(file);
    expect(defineScript({ name: "a", run: ["./it.sh"], folder }).program).toBe(file);
    const { PATH } = process.env;
    onTestFinished(() => {
      process.env["PATH"] = PATH;
    });
    process.env["PATH"] = folder;
    await program(folder, "ls", 0o755);
    expect(defineScript({ name: "a", run: ["ls"] }).program).toMatch(/^\/(?:usr\/)?bin\/ls$/);
    expect(() => defineScript({ name: "a", run: ["it.sh"] })).toThrow(
      configurationError(/no program "it\.sh" in .*\.\/it\.sh/),
    );
  });

  test.each<[string, number, RegExp]>([
    ["not executable", 0o644, /chmod \+x .*it\.sh/],
    ["everybody may write", 0o757, /chmod go-w .*it\.sh/],
  ])("is refused when %s, and the fix is told", async (_, mode, message) => {
    const folder = temporaryFolder();
    await program(folder, "it.sh", mode);
    expect(() => defineScript({ name: "a", run: ["./it.sh"], folder })).toThrow(configurationError(message));
    await symlink("it.sh", path.join(folder, "link"));
    expect(() => defineScript({ name: "a", run: ["./link"], folder })).toThrow(configurationError(/chmod/));
  });

  test("may be written by the group of its owner alone, as git makes it with umask 002, and by no other group", async () => {
    const folder = temporaryFolder();
    await program(folder, "it.sh", 0o775);
    const { uid, gid } = userInfo();
    const isAlone = isPrivateGroup(uid, gid);
    const define = (): unknown => defineScript({ name: "a", run: ["./it.sh"], folder });
    if (isAlone) expect(define).not.toThrow();
    else expect(define).toThrow(configurationError(/chmod go-w .*it\.sh/));
    if (uid !== 0) return;
    await chown(path.join(folder, "it.sh"), uid, 65_534);
    expect(define).toThrow(configurationError(/chmod go-w .*it\.sh/));
    expect(isPrivateGroup(1, gid)).toBe(false);
  });

  // PITFALLS 7: batch files are run by a shell with rules of its own (CVE-2024-27980).
  test("is refused when it is missing, a folder, a batch file, a template, or nothing", async () => {
    const folder = temporaryFolder();
    await mkdir(path.join(folder, "inner"));
    for (const name of ["it.bat", "it.CMD", "it.Bat "]) await program(folder, name, 0o755);
    const cases: [string, RegExp][] = [
      ["./none.sh", /none\.sh does not exist/],
      ["./it.bat", /batch file/],
      ["./it.CMD", /batch file/],
      ["./it.Bat ", /batch file/],
      ["./inner", /is not a file/],
      ["./{program}", /must be fixed/],
      ["", /path or a name/],
      ["a\0", /path or a name/],
    ];
    for (const [run, message] of cases)
      expect(() => defineScript({ name: "a", run: [run], folder })).toThrow(configurationError(message));
  });

  test.each([[[]], ["tar -c ."], [undefined], [["tar", 5]], [[null]]])("run: %j is no list of texts", (run) => {
    expect(() => defineScript({ name: "a", run: run as unknown as [string] })).toThrow(
      configurationError(/list of texts/),
    );
  });
});

describe("the environment of a script", () => {
  test("has a fixed PATH, LANG, HOME, TZ and what is added, and nothing of the server's", async () => {
    process.env["ISCEP_TEST_SECRET"] = "secret";
    const { TZ } = process.env;
    process.env["TZ"] = "UTC";
    onTestFinished(() => {
      delete process.env["ISCEP_TEST_SECRET"];
      if (TZ === undefined) delete process.env["TZ"];
      else process.env["TZ"] = TZ;
    });
    const script = defineScript({ name: "a", run: ["env"], environment: { WORLDS: "/srv/worlds", DEBUG: "" } });
    const { stdout } = await promisify(execFile)(script.program, script.invocation({}).argv, {
      env: script.environment,
    });
    const { HOME } = script.environment;
    expect(stdout.trim().split("\n").toSorted()).toEqual(
      [
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG=C.UTF-8",
        "PYTHONUNBUFFERED=1",
        `HOME=${HOME}`,
        "TZ=UTC",
        "WORLDS=/srv/worlds",
        "DEBUG=",
      ].toSorted(),
    );
  });

  test.each([
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "NODE_OPTIONS",
    "BASH_ENV",
    "ENV",
    "IFS",
    "NODE_PATH",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "PERL5OPT",
    "RUBYOPT",
    "GIT_SSH_COMMAND",
    "ISCEP_TOKEN",
    "ld_preload",
  ])("refuses %s, which changes what a program does", (name) => {
    expect(() => defineScript({ name: "a", run: ["env"], environment: { [name]: "x" } })).toThrow(
      configurationError(new RegExp(name)),
    );
  });

  test("takes variables that only change how programs behave, and a refusal names these", () => {
    for (const name of refusedVariables.flatMap(({ allowed }) => allowed)) {
      expect(defineScript({ name: "a", run: ["env"], environment: { [name]: "x" } }).environment[name]).toBe("x");
    }
    expect(() => defineScript({ name: "a", run: ["env"], environment: { PYTHONPATH: "x" } })).toThrow(
      configurationError(/PYTHONPATH is refused, because PYTHON\* load modules.*allowed of these are .*PYTHONUTF8/),
    );
    expect(defineScript({ name: "a", run: ["env"], environment: { PYTHONUNBUFFERED: "" } }).environment).toMatchObject({
      PYTHONUNBUFFERED: "",
    });
  });

  test("refuses what is no variable", () => {
    for (const environment of [
      { "A=B": "x" },
      { "": "x" },
      { "1A": "x" },
      { A: "x\0" },
      { A: 5 as unknown as string },
    ]) {
      expect(() => defineScript({ name: "a", run: ["env"], environment })).toThrow(
        configurationError(/environment variable/),
      );
    }
  });
});

describe("a script", () => {
  const script = defineScript({
    name: "backup_world",
    description: "Archive a world",
    run: ["printf", "%s\\n", "--", "{world}"],
    args: { world: { type: "string", pattern: "[a-z0-9_-]+", default: "overworld" } },
    timeoutMs: 600_000,
    folder: "/",
  });

  test("says what it is", () => {
    expect(script).toMatchObject({
      kind: "script",
      name: "backup_world",
      description: "Archive a world",
      timeoutMs: 600_000,
      folder: "/",
    });
    expect(script.argsSchema).toMatchObject({
      type: "object",
      additionalProperties: false,
      properties: { world: { type: "string" } },
    });
  });

  test("checks its arguments", async () => {
    expect(await script.checkArguments({})).toEqual({ ok: true, args: { world: "overworld" } });
    expect(await script.checkArguments({ world: "$(id)" })).toMatchObject({ ok: false });
    expect(await script.checkArguments({ wrold: "x" })).toMatchObject({
      ok: false,
      message: expect.stringContaining('"wrold"') as string,
    });
  });

  test("says that its args are plain declarations when it gets what declareArguments made", () => {
    const args: object = declareArguments({});
    expect(() => defineScript({ name: "a", run: ["date"], args: { ...args } })).toThrow(
      expect.objectContaining({
        code: "usage",
        message: expect.stringContaining("without declareArguments()") as string,
      }),
    );
  });

  test("without args takes none", async () => {
    const none = defineScript({ name: "none", run: ["true"] });
    expect(await none.checkArguments(undefined)).toEqual({ ok: true, args: {} });
    expect(await none.checkArguments({ a: 1 })).toMatchObject({ ok: false });
  });

  test("works where the server stood when it was defined, unless told otherwise", () => {
    expect(defineScript({ name: "here", run: ["true"] }).folder).toBe(process.cwd());
  });

  test("cannot be changed afterwards", () => {
    expect(Object.isFrozen(script)).toBe(true);
    expect(Object.isFrozen(script.environment)).toBe(true);
  });

  test.each(["", "a b", "iscep.list", "ä"])("cannot be named %j", (name) => {
    expect(() => defineScript({ name, run: ["true"] })).toThrow(expect.objectContaining({ code: "usage" }));
  });

  test.each([0, -1, 1.5, Number.NaN, 2 ** 31])("cannot have a timeout of %d ms", (timeoutMs) => {
    expect(() => defineScript({ name: "a", run: ["true"], timeoutMs })).toThrow(
      expect.objectContaining({ code: "usage" }),
    );
  });
});

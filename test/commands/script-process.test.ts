/** Whose a script's process is, and what it may use and print: as it is defined, and as the system then sees it. */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { userInfo } from "node:os";
import { describe, expect, test } from "vitest";
import { defineScript, type ScriptDefinition } from "iscep";
import { cgroupFolder } from "#iscep/commands/script/cgroup";
import type { ScriptCommand } from "#iscep/model/command";
import { loadConfiguration } from "#iscep/configuration/configuration";
import type { ArgumentDeclarations } from "#iscep/commands/arguments/declaration";
import { RunOutput } from "#iscep/runs/streams/output";
import { watchForLeaks } from "../support/leaks.js";
import { resultOf, run } from "../support/scripts.js";
import { temporaryFolder } from "../support/temporary-folder.js";

watchForLeaks();

type Changes = Partial<ScriptDefinition<string, ArgumentDeclarations>>;

/** The program is in a folder that every user may enter. */
function script(lines: string, changes: Changes = {}): ScriptCommand {
  const folder = temporaryFolder();
  chmodSync(folder, 0o755);
  const file = path.join(folder, "program.sh");
  writeFileSync(file, `#!/bin/sh\n${lines}\n`);
  chmodSync(file, 0o755);
  return defineScript({ name: "it", run: [file], folder, ...changes });
}

async function printed(lines: string, changes: Changes = {}): Promise<string> {
  const outcome = await run(script(lines, changes));
  expect(outcome).toMatchObject({ status: "completed" });
  return resultOf(outcome).stdout;
}

function wrong(changes: Readonly<Record<string, unknown>>): unknown {
  try {
    script("", changes);
  } catch (error) {
    return error;
  }
  throw new Error("it was accepted");
}

const isRoot = process.getuid?.() === 0;
const passwd = readFileSync("/etc/passwd", "utf8")
  .split("\n")
  .map((line) => line.split(":"));

describe("limits", () => {
  test("are those of the process", async () => {
    const limits = { cpuSeconds: 7, memoryBytes: 200 * 1024 * 1024, files: 32 };
    const seen = await printed("cat /proc/self/limits", { limits });
    expect(seen).toMatch(/Max cpu time +7 +8 +seconds/);
    expect(seen).toMatch(/Max address space +209715200 +209715200 +bytes/);
    expect(seen).toMatch(/Max open files +32 +32 +files/);
  });

  const hasGroups = cgroupFolder() !== undefined;
  const forks = (seconds: number): string =>
    `for i in 1 2 3 4 5 6 7 8 9 10; do sleep ${seconds} & done; wait; echo all`;

  test.skipIf(!hasGroups)("bound the processes of a run, each run on its own, and leave no group behind", async () => {
    const folder = cgroupFolder() ?? "";
    const [few, many] = await Promise.all([
      // On a busy machine, the first must not have ended when the last are forked.
      run(script(forks(3), { limits: { processes: 5 } })),
      run(script(`${forks(0.2)}; cat /proc/self/cgroup`, { limits: { processes: 12 } })),
    ]);
    expect(resultOf(many).stdout).toMatch(/^all\n(?:.*\n)*.*iscep-run-/);
    expect(few).toMatchObject({ status: "failed", value: { stderr: expect.stringMatching(/fork/i) as string } });
    const groups = (): string[] => readdirSync(folder).filter((name) => name.startsWith(`iscep-run-${process.pid}-`));
    // A process that has closed its output may still be in its group; then the next run removes that.
    const left = async (): Promise<string[]> => {
      await run(script("true", { limits: { processes: 5 } }));
      return groups();
    };
    await expect.poll(left).toEqual([]);
  });

  test.skipIf(!hasGroups || !isRoot)("bound them together with a user and other limits", async () => {
    const limits = { processes: 3, files: 64 };
    const seen = await printed("id -un; ulimit -n; grep -c . /proc/self/cgroup; (sleep 0.1 & wait); echo done", {
      limits,
      user: "nobody",
    });
    expect(seen).toMatch(/^nobody\n64\n\d+\ndone\n$/);
    const many = await run(script(forks(3), { limits, user: "nobody" }));
    expect(many).toMatchObject({ status: "failed" });
  });

  test.skipIf(!hasGroups)("a group that a killed server left behind goes with the next run", async () => {
    // No process can have the first number, and the second one keeps apart what two copies of the tests make.
    const left = path.join(cgroupFolder() ?? "", `iscep-run-4194305-${process.pid}`);
    mkdirSync(left);
    expect(await printed("echo ok", { limits: { processes: 5 } })).toBe("ok\n");
    expect(existsSync(left)).toBe(false);
  });

  test.skipIf(hasGroups || isRoot)("bound those of the user where there are no groups", async () => {
    expect(await printed("ulimit -u", { limits: { processes: 4000 } })).toBe("4000\n");
  });

  test("leave all others as they are", async () => {
    const seen = await printed("cat /proc/self/limits", { limits: { files: 32 } });
    const ours = readFileSync("/proc/self/limits", "latin1");
    expect(seen.split("\n").filter((line) => !line.startsWith("Max open files"))).toStrictEqual(
      ours.split("\n").filter((line) => !line.startsWith("Max open files")),
    );
  });

  test("pass on arguments, folder, environment and exit code as without them", async () => {
    const outcome = await run(
      script('printf "%s\\n" "$@" "$(pwd)" "$ONLY"; exit 7', {
        run: ["/bin/sh", "-c", 'printf "%s|" "$@" "$PWD" "$ONLY"; exit 7', "sh", "--as=1", "--", "{text}"],
        args: { text: { type: "string" } },
        limits: { files: 64 },
        environment: { ONLY: "this" },
        folder: "/",
      }),
      { args: { text: "a b;$HOME" } },
    );
    expect(outcome).toMatchObject({ status: "failed", exitCode: 7, value: { stdout: "--as=1|--|a b;$HOME|/|this|" } });
  });

  test("end a script that computes for too long, and the outcome says why", async () => {
    const outcome = await run(script("while :; do :; done", { limits: { cpuSeconds: 1 } }));
    expect(outcome).toMatchObject({ status: "killed", signal: "SIGXCPU" });
    expect("error" in outcome && outcome.error.message).toContain("time of computing");
  });

  test("make a script fail that wants too much memory", async () => {
    const lines = "dd if=/dev/zero of=/dev/null bs=200M count=1";
    expect((await run(script(lines))).status).toBe("completed");
    const outcome = await run(script(lines, { limits: { memoryBytes: 64 * 1024 * 1024 } }));
    expect(outcome).toMatchObject({ status: "failed", exitCode: 1 });
  });

  test.each([
    [{ limits: { cpuSeconds: 0 } }, "limits", /limits\.cpuSeconds .* from 1 to/],
    [{ limits: { files: 3 } }, "limits", /limits\.files .* from 10 to/],
    [{ limits: { memoryBytes: 1.5 } }, "limits", /limits\.memoryBytes/],
    [{ limits: { processes: 0 } }, "limits", /limits\.processes .* from 1 to/],
    [{ limits: { threads: 3 } }, "limits", /no limit "threads"/],
    [{ maxOutputBytes: -1 }, "maxOutputBytes", /maxOutputBytes .* from 0 to/],
    [{ whenOutputIsFull: "wait" }, "whenOutputIsFull", /fail, truncate, kill/],
    [{ user: "nobody-of-this-name" }, "user", /no user "nobody-of-this-name" in \/etc\/passwd/],
  ])("%j is refused", (changes, field, message) => {
    expect(wrong(changes)).toMatchObject({
      code: "configuration",
      message: expect.stringMatching(message) as string,
      details: { field },
    });
  });
});

describe("user", () => {
  test("of the server itself changes nothing", async () => {
    const { username } = userInfo();
    expect(script("", { user: username })).not.toHaveProperty("user");
    expect((await printed("id -u", { user: username })).trim()).toBe(String(process.getuid?.()));
  });

  test.runIf(!isRoot)("of another name is refused where the server is not root", () => {
    expect(wrong({ user: "root" })).toMatchObject({ code: "configuration", details: { field: "user" } });
  });

  test.runIf(isRoot)("is whom the program runs as, with his home, and none of root's groups", async () => {
    const [, , uid, gid, , home] = passwd.find(([name]) => name === "nobody") ?? [];
    const seen = await printed(
      'id -u; id -g; id -G; echo "$HOME $USER $LOGNAME"; umask; touch made 2>&1 || echo closed',
      {
        user: "nobody",
      },
    );
    expect(seen).toMatch(
      new RegExp(`^${uid}\n${gid}\n${gid}\n${home} nobody nobody\n0?077\n(?:touch: .*\n)?closed\n$`),
    );
  });

  test.runIf(isRoot)("and limits go together", async () => {
    const seen = await printed("id -u; grep 'open files' /proc/self/limits", { user: "nobody", limits: { files: 40 } });
    expect(seen).toMatch(/^\d+\nMax open files +40 +40/);
    expect(seen.startsWith("0\n")).toBe(false);
  });

  const withGroups = readFileSync("/etc/group", "utf8")
    .split("\n")
    .map((line) => line.split(":"))
    .flatMap(([group, , , members = ""]) => members.split(",").map((name) => ({ group, name })))
    .find(({ name }) => name !== "" && passwd.some(([user, , uid]) => user === name && uid !== "0"));
  test.runIf(isRoot && withGroups !== undefined)("has the other groups that he belongs to", async () => {
    const { group = "", name = "" } = withGroups ?? {};
    expect((await printed("id -Gn", { user: name })).trim().split(" ")).toContain(group);
    expect(await printed("id -Gn", { user: name })).not.toMatch(/\broot\b/);
  });

  const users = ["nobody", ...(withGroups === undefined ? [] : [withGroups.name])];
  test.runIf(isRoot).each(
    users.flatMap((user): [string, Changes][] => [
      [user, {}],
      [`${user}, with limits,`, { limits: { files: 40 } }],
    ]),
  )("%s opens what arguments became, by path", async (who, changes) => {
    const given = script("", {
      run: ["cat", "{text:file}", "/dev/stdin"],
      args: { text: { type: "string" } },
      stdin: "{text}",
      user: who.split(",")[0] ?? who,
      ...changes,
    });
    expect(resultOf(await run(given, { args: { text: "read" } })).stdout).toBe("readread");
  });
});

describe("output that is more than it may be", () => {
  const flood = "head -c 100000 /dev/zero | tr '\\0' x; echo too late >&2; exit 0";

  test("is cut, and a script that ends well has failed", async () => {
    const outcome = await run(script(flood, { maxOutputBytes: 5_000 }));
    expect(outcome).toMatchObject({ status: "failed", truncated: true, error: { code: "too_large" } });
    expect(outcome).not.toHaveProperty("value");
    const failing = await run(script("yes | head -c 6000; exit 3", { maxOutputBytes: 5_000 }));
    expect(failing).toMatchObject({ status: "failed", truncated: true, exitCode: 3 });
  });

  test("is cut and flagged, and the script goes on to its end, where it may be cut", async () => {
    const output = new RunOutput({ maxRetainedOutputBytes: 1_000_000, streamWindowBytes: 1_000_000 });
    const outcome = await run(script(flood, { maxOutputBytes: 5_000, whenOutputIsFull: "truncate" }), { output });
    expect(outcome).toMatchObject({ status: "completed", exitCode: 0, value: { truncated: true, stderr: "" } });
    expect(resultOf(outcome).stdout).toBe("x".repeat(5_000));
    expect(output.end).toBe(5_000);
  });

  test("of exactly as much is whole", async () => {
    const outcome = await run(script("printf 12345; printf 678 >&2", { maxOutputBytes: 8 }));
    expect(outcome).toMatchObject({ value: { truncated: false, stdout: "12345", stderr: "678" } });
  });

  test.each([
    ["that would go on", "yes"],
    ["that has ended by itself meanwhile", "head -c 5001 /dev/zero"],
  ])("ends a script %s, where it shall", async (_which, lines) => {
    const outcome = await run(script(lines, { maxOutputBytes: 5_000, whenOutputIsFull: "kill" }));
    expect(outcome).toMatchObject({ status: "failed", error: { code: "too_large" } });
    expect(outcome).not.toHaveProperty("exitCode");
  });

  test("is what the server's own limit says, where the script says nothing", async () => {
    const limits = { maxScriptOutputBytes: 10 };
    expect(await run(script(flood), { limits })).toMatchObject({ error: { code: "too_large" } });
    const outcome = await run(script(flood, { whenOutputIsFull: "truncate" }), { limits });
    expect(outcome).toMatchObject({ status: "completed", value: { truncated: true, stdout: "xxxxxxxxxx" } });
  });
});

describe("a umask", () => {
  test.each([
    [undefined, 0o600],
    ["022", 0o644],
    ["0002", 0o664],
    ["7", 0o660],
  ])("%j makes files with mode %o, and the server's own stays", async (umask, mode) => {
    const ours = process.umask();
    const lines = "umask; echo x > made; cat /dev/fd/3";
    const command = script(lines, umask === undefined ? {} : { umask });
    const started = run({
      ...command,
      invocation: (args) => ({ ...command.invocation(args), descriptors: [Buffer.from("x")] }),
    });
    expect(process.umask()).toBe(ours);
    expect(resultOf(await started).stdout).toMatch(/^\d+\nx$/);
    expect(statSync(path.join(command.folder, "made")).mode & 0o777).toBe(mode);
  });

  test.each(["", "8", "0888", "1777", "0o22", "u=rwx", "22 ", 18, null])("%j is none", (umask) => {
    expect(wrong({ umask })).toMatchObject({ code: "configuration", details: { field: "umask" } });
  });
});

test("a program in a folder, or below one, that everybody may change is refused, unless that has the sticky bit", () => {
  const folder = path.join(temporaryFolder(), "open");
  mkdirSync(folder);
  const file = path.join(folder, "program.sh");
  writeFileSync(file, "#!/bin/sh\n", { mode: 0o700 });
  chmodSync(folder, 0o777);
  expect(wrong({ run: [file] })).toMatchObject({
    code: "configuration",
    message: expect.stringContaining(`chmod o-w ${folder}`) as string,
  });
  const below = path.join(folder, "closed");
  mkdirSync(below, { mode: 0o755 });
  const inner = path.join(below, "program.sh");
  writeFileSync(inner, "#!/bin/sh\n", { mode: 0o700 });
  expect(wrong({ run: [inner] })).toMatchObject({
    message: expect.stringContaining(`chmod o-w ${folder}`) as string,
  });
  chmodSync(folder, 0o1777);
  expect(script("", { run: [file] }).program).toBe(file);
});

test("iscep.yaml has the same in its own words", async () => {
  const folder = temporaryFolder();
  const file = path.join(folder, "iscep.yaml");
  const text = (keys: string): string => `commands:\n  it:\n    run: [sh, -c, exit]\n${keys}`;
  writeFileSync(
    file,
    text(
      "    limits: { cpu: 1500ms, memory: 256MiB, files: 64 }\n    umask: '022'\n    max_output: 2GiB\n    when_output_is_full: kill\n    user: root\n",
    ).replace(/ {4}user.*\n/, isRoot ? "$&" : ""),
  );
  const { commands } = await loadConfiguration(file);
  expect(commands[0]).toMatchObject({
    launcher: [expect.stringMatching(/prlimit$/), "--cpu=2:3", "--as=268435456", "--nofile=64", "--"],
    maxOutputBytes: 2 ** 31,
    umask: 0o022,
    whenOutputIsFull: "kill",
  });
  for (const [keys, message] of [
    ["    user: nobody-of-this-name\n", /4:11: .*no user/],
    ["    umask: 022\n", /4:12: .*quotes/],
    ["    umask: '999'\n", /4:12: .*"022"/],
    ["    limits: { cpu: 10 }\n", /4:20: .*duration|4:20: .*unit/],
    ["    limits: { disk: 10MiB }\n", /4:15: .*disk/],
    ["    limits: { files: 2 }\n", /4:22: /],
    ["    when_output_is_full: wait\n", /4:26: .*truncate/],
  ] as const) {
    writeFileSync(file, text(keys));
    await expect(loadConfiguration(file)).rejects.toMatchObject({
      code: "configuration",
      message: expect.stringMatching(message) as string,
    });
  }
});

import { execFile, execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { mkdir, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { connect, Server } from "iscep";
import { candidateLine } from "#iscep/cli/completion/shell-candidate";
import { typedLine } from "#iscep/cli/completion/typed-words";
import { loadCommandModule } from "#iscep/commands/load-module";
import { defaultLimits } from "#iscep/limits/limits";
import { addToken } from "#iscep/identity/tokens-writer";
import { anyCharacter } from "../support/any-character.js";
import { iscep, type RunOptions } from "../support/iscep.js";
import { mainFile } from "../support/iscep-process.js";
import { temporaryFolder } from "../support/temporary-folder.js";

// Not the kind that waits: the server answers in this process.
const run = promisify(execFile);
const choicesFile = fileURLToPath(new URL("programs/choices.mjs", import.meta.url));

interface Served {
  readonly options: RunOptions;
  readonly url: string;
  readonly server: Server;
  readonly token: string;
  /** Empty, too, when the server needed longer than somebody at a prompt waits, as on a busy machine. */
  complete(line: string, shell?: string): Promise<string[]>;
  /** Until the last answer is kept: from then on, no server can be too slow. */
  keepAnswer(): Promise<void>;
}

/** A server with tokens, and `iscep` in the folder bin/. */
async function served(): Promise<Served> {
  const folder = temporaryFolder();
  const { token } = await addToken(join(folder, "tokens.json"), { owner: "tester" });
  const server = new Server({
    commands: await loadCommandModule(choicesFile),
    unix: join(folder, "s.sock"),
    tokens: join(folder, "tokens.json"),
  });
  onTestFinished(() => server.close({ graceMs: 0 }));
  const { url } = await server.listen();
  await mkdir(join(folder, "bin"));
  await writeFile(join(folder, "bin", "iscep"), `#!/bin/sh\nexec '${process.execPath}' '${mainFile}' "$@"\n`, {
    mode: 0o755,
  });
  const environment = {
    ISCEP_URL: url,
    ISCEP_TOKEN: token,
    XDG_CACHE_HOME: join(folder, "cache"),
    PATH: `${join(folder, "bin")}:${process.env["PATH"] ?? ""}`,
  };
  const options = { folder, environment };
  const complete: Served["complete"] = async (line, shell = "bash") => {
    const { stdout, stderr } = await iscep(["__complete", shell, line], options);
    expect(stderr).toBe("");
    return stdout.split("\n").slice(0, -1);
  };
  return {
    options,
    url,
    server,
    token,
    complete,
    async keepAnswer() {
      await expect.poll(() => complete("iscep call c")).toEqual(["choose"]);
    },
  };
}

describe("what may stand at the cursor", () => {
  test.each<[string, string[]]>([
    ["iscep ca", ["call"]],
    ["iscep call ", ["choose", "ns:other"]],
    ["iscep call ns:", ["other"]],
    ["iscep call choose ", ["--value", "--many", "--fast", "--no-fast", "--times"]],
    ["iscep call choose --fast --va", ["--value"]],
    ["iscep call choose --value plain --many one --fast --", ["--many", "--times"]],
    ["iscep call choose --value p", ["plain"]],
    ["iscep call choose --value=pl", ["plain"]],
    ["iscep call choose --many t", ["two"]],
    ["iscep call choose --fast=", ["true", "false"]],
    ["iscep call choose --value f:g", ["g=h"]],
    ["iscep call --protocol ", ["1", "2"]],
    ["iscep call --js", ["--json"]],
    ["iscep call nothing --js", ["--json"]],
    ["A=1 iscep runs ", ["show", "attach", "cancel"]],
    ["true; iscep runs at", ["attach"]],
    ["iscep runs attach --off", ["--offset"]],
    ["iscep tokens ro", ["rotate"]],
    ["iscep help ser", ["serve", "servers"]],
    ["iscep completion ", ["bash", "zsh", "fish"]],
    ["iscep frobnicate ", []],
    ["", ["init"]],
  ])("%j", async (line, expected) => {
    const { complete } = await served();
    const hasMore = line === "" || line.endsWith("--");
    await expect.poll(() => complete(line)).toEqual(hasMore ? expect.arrayContaining(expected) : expected);
  });

  test.each(["iscep call --ca ", "iscep call --args @", "iscep serve ", "iscep tokens add x --tokens-path "])(
    "%j: names of files, which the shell knows",
    async (line) => {
      const { options } = await served();
      expect(await iscep(["__complete", "bash", line], options)).toMatchObject({ code: 10, stdout: "", stderr: "" });
    },
  );

  test("nothing, and no word of complaint, when there is no server or no token", async () => {
    const { options } = await served();
    for (const environment of [
      { ISCEP_URL: "iscep+unix:///nowhere" },
      { ISCEP_TOKEN: "" },
      { ISCEP_URL: "nonsense" },
    ]) {
      const more = { folder: options.folder, environment: { ...options.environment, ...environment } };
      expect(await iscep(["__complete", "bash", "iscep call "], more)).toMatchObject({
        code: 0,
        stdout: "",
        stderr: "",
      });
    }
  });

  test("a server that does not answer is not waited for", async () => {
    const { options, server } = await served();
    await server.close();
    const { createServer } = await import("node:net");
    const silent = createServer(() => {}).listen(join(options.folder, "silent.sock"));
    onTestFinished(() => void silent.close());
    const environment = { ...options.environment, ISCEP_URL: `iscep+unix://${join(options.folder, "silent.sock")}` };
    const startedMs = performance.now();
    const { stdout } = await iscep(["__complete", "bash", "iscep call "], { folder: options.folder, environment });
    expect(stdout).toBe("");
    expect(performance.now() - startedMs).toBeLessThan(defaultLimits.connectTimeoutMs);
  });
});

test("of runs, the ids of the newest", async () => {
  const { url, token, complete } = await served();
  await using client = await connect(url, { token });
  const run = client.run("ns:other", {});
  const id = await run.id;
  await expect.poll(() => complete("iscep runs show ")).toEqual([id]);
  await expect.poll(() => complete(`iscep runs attach ${id.slice(0, 9)}`)).toEqual([id]);
  await expect.poll(() => complete("iscep runs cancel ", "fish")).toEqual([`${id}\tns:other, completed`]);
});

describe("the last answer", () => {
  test("is kept in a file that is its owner's alone, holds no token, and is used for a while", async () => {
    const { options, complete, server, token } = await served();
    await expect.poll(() => complete("iscep call c")).toEqual(["choose"]);
    const folder = join(options.folder, "cache", "iscep");
    const [name = "", ...others] = readdirSync(folder);
    expect(others).toEqual([]);
    const file = join(folder, name);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    const secret = token.split("_")[2] ?? "";
    expect(secret.length).toBeGreaterThan(20);
    expect(`${file} ${readFileSync(file, "utf8")}`).not.toContain(secret);
    await server.close();
    expect(await complete("iscep call c")).toEqual(["choose"]);
    const longAgo = new Date(Date.now() - 3_600_000);
    await utimes(file, longAgo, longAgo);
    expect(await complete("iscep call c")).toEqual([]);
  });

  test("is not another caller's, and a broken file is no harm", async () => {
    const { options, complete } = await served();
    await expect.poll(() => complete("iscep call c")).toEqual(["choose"]);
    const stranger = { ...options.environment, ISCEP_TOKEN: "isct_nobody" };
    const { stdout } = await iscep(["__complete", "bash", "iscep call c"], { ...options, environment: stranger });
    expect(stdout).toBe("");
    const folder = join(options.folder, "cache", "iscep");
    await writeFile(join(folder, readdirSync(folder)[0] ?? ""), '[{"name":');
    await expect.poll(() => complete("iscep call c")).toEqual(["choose"]);
  });
});

/** What `iscep completion SHELL` prints, as a file: its process takes longer than all else that is done with it. */
async function completionFile(shell: string, options: RunOptions): Promise<string> {
  const { code, stdout } = await iscep(["completion", shell], options);
  expect(code).toBe(0);
  const file = join(options.folder, `completion.${shell}`);
  await writeFile(file, stdout);
  return file;
}

/** Whatever a shell would run. */
const hostileLines = [
  'iscep call "$(touch pwned)" --',
  "iscep call `touch pwned` --",
  "iscep call 'a' $(touch pwned",
  'iscep --url "$(touch pwned)" call ',
  "iscep call choose --value a$(touch pwned",
  "iscep call choose --value '$(touch pwned)",
  "iscep call choose --value ${x:-$(touch pwned)}",
  "iscep call <(touch pwned) ",
  "iscep $((a[$(touch pwned)])) ",
  "iscep call choose --value a[$(touch pwned)]",
];

describe("bash", () => {
  /** What bash would offer, by the very function that it calls at TAB. */
  async function offered(line: string, options: RunOptions): Promise<string[]> {
    const { folder, environment } = options;
    const file = await completionFile("bash", options);
    const program = 'source "$2"; COMP_LINE=$1; COMP_POINT=${#1}; _iscep; printf "%s\\n" "${COMPREPLY[@]}"';
    const { stdout } = await run("bash", ["--norc", "-c", program, "bash", line, file], {
      cwd: folder,
      env: { ...environment, HOME: folder },
    });
    return stdout.split("\n").filter((word) => word !== "");
  }

  test("offers what the server tells, behind backslashes", async () => {
    const { options } = await served();
    await expect
      .poll(() => offered("iscep call choose --value ", options))
      .toEqual([
        "plain",
        String.raw`the\ end`,
        String.raw`a\$\(touch\ pwned\)`,
        "b\\`touch\\ pwned\\`",
        String.raw`c\'\;touch\ pwned\;\'`,
        String.raw`d\"\&\&touch\ pwned`,
        String.raw`e\!x`,
        "f:g=h",
        String.raw`\~g`,
      ]);
    expect(await offered(String.raw`iscep call choose --value the\ `, options)).toEqual([String.raw`the\ end`]);
    expect(await offered("iscep call choose --value 'p", options)).toEqual(["plain"]);
    expect(await offered("iscep call choose --value 'a", options)).toEqual([]);
  });

  test("evaluates nothing of what was typed", async () => {
    const { options } = await served();
    for (const line of hostileLines) await offered(line, options);
    expect(existsSync(join(options.folder, "pwned"))).toBe(false);
  });

  test("any candidate stands for itself on a command line, byte for byte", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.string(),
            fc.string({ unit: "grapheme" }),
            fc.constantFrom("$(x)", "`x`", "!!", "~", "*", "{a,b}"),
          ),
          {
            minLength: 1,
            maxLength: 20,
          },
        ),
        (values) => {
          const empty = typedLine("iscep ").current;
          const usable = values.flatMap((value) => {
            const line = candidateLine({ value }, empty, "bash");
            return line === undefined ? [] : [{ value, line }];
          });
          const script = `printf '%s\\0' ${usable.map(({ line }) => line).join(" ")}`;
          const output = execFileSync("bash", ["--norc", "-c", script], { encoding: "utf8" });
          if (usable.length > 0) expect(output.split("\0").slice(0, -1)).toEqual(usable.map(({ value }) => value));
        },
      ),
      { numRuns: 50 },
    );
  });
});

/** Types into a shell on a terminal, and waits for what each step shows. */
async function typeInto(
  shell: readonly string[],
  { folder, environment }: RunOptions,
  steps: readonly (readonly [keys: string, shows: string])[],
): Promise<void> {
  const child = spawn("script", ["-qec", shell.join(" "), "/dev/null"], {
    cwd: folder,
    env: { ...environment, HOME: folder, TERM: "xterm", ISCEP_PROMPT: "ready" },
  });
  onTestFinished(() => void (child.exitCode === null && child.kill("SIGKILL")));
  const end = new Promise((resolve) => child.once("close", resolve));
  child.stdin.on("error", () => {});
  let text = "";
  let wake = (): void => {};
  child.stdout.on("data", (chunk: Buffer) => {
    text += chunk.toString();
    wake();
  });
  for (const [keys, shows] of steps) {
    text = "";
    child.stdin.write(keys);
    while (!text.includes(shows)) await new Promise<void>((resolve) => (wake = resolve));
  }
  child.stdin.write("exit\r");
  await end;
}

const hasScript = spawnSync("script", ["--version"]).status === 0;

function isInstalled(shell: string): boolean {
  return spawnSync(shell, ["-c", "exit 0"]).status === 0;
}

describe.skipIf(!hasScript)("typed on a terminal, a hostile choice is completed, called, and never run", () => {
  const steps = [
    ["iscep call cho\t", "ose"],
    ["--va\t", "lue"],
    ["a\t", "pwned"],
    ["\r", "chosen: a$(touch pwned)"],
    ["iscep call choose --value=b\t", "pwned"],
    ["\r", "chosen: b`touch pwned`"],
  ] as const;

  test("in bash", async () => {
    const { options, keepAnswer } = await served();
    await keepAnswer();
    const start = 'source <(iscep completion bash); echo so""urced\r';
    await typeInto(["bash", "--norc", "-i"], options, [[start, "sourced"], ...steps]);
    expect(existsSync(join(options.folder, "pwned"))).toBe(false);
  });

  test.skipIf(!isInstalled("zsh"))("in zsh", async () => {
    const { options, keepAnswer } = await served();
    await keepAnswer();
    const start = 'autoload -U compinit; compinit -u -D; source <(iscep completion zsh); echo so""urced\r';
    await typeInto(["zsh", "-f", "-i"], options, [[start, "sourced"], ...steps]);
    expect(existsSync(join(options.folder, "pwned"))).toBe(false);
  });
});

describe.skipIf(!isInstalled("fish"))("fish", () => {
  test("offers what the server tells, and evaluates nothing of what was typed", async () => {
    const { options, keepAnswer } = await served();
    await keepAnswer();
    const file = await completionFile("fish", options);
    const program = 'source "$argv[2]"; complete -C "$argv[1]"';
    const offered = async (line: string): Promise<string[]> => {
      const { stdout } = await run("fish", ["--no-config", "-c", program, line, file], {
        cwd: options.folder,
        env: { ...options.environment, HOME: options.folder },
      });
      return stdout.split("\n");
    };
    expect(await offered("iscep call ch")).toContain("choose\tTakes one of hostile choices");
    expect(await offered("iscep call choose --value a")).toContain("a$(touch pwned)");
    for (const line of [...hostileLines, "iscep call (touch pwned) --"]) await offered(line);
    expect(existsSync(join(options.folder, "pwned"))).toBe(false);
  });
});

describe("the words of a line", () => {
  test.each<[string, string[], string]>([
    ["iscep call a", ["iscep", "call"], "a"],
    ["iscep  call ", ["iscep", "call"], ""],
    [`iscep 'a b' "c\\"d" e\\ f g`, ["iscep", "a b", 'c"d', "e f"], "g"],
    ["iscep 'open qu", ["iscep"], "open qu"],
    ["a | iscep x", ["iscep"], "x"],
    ["X=1 Y= iscep x", ["iscep"], "x"],
    ["iscep '' x", ["iscep", ""], "x"],
    ["iscep \\", ["iscep"], ""],
  ])("%j", (line, words, current) => {
    const typed = typedLine(line);
    expect(typed.words.map(({ text }) => text)).toEqual(words);
    expect(typed.current.text).toBe(current);
  });

  test("any line has some", () => {
    fc.assert(fc.property(fc.string({ unit: anyCharacter }), (line) => void typedLine(line)));
  });
});

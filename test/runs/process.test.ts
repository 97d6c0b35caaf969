import { createHash } from "node:crypto";
import { chmodSync, chownSync, closeSync, openSync, statSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { IscepError } from "#iscep/errors";
import type { ScriptCommand, ScriptInvocation } from "#iscep/model/command";
import { RunInput } from "#iscep/runs/streams/input";
import { RunOutput } from "#iscep/runs/streams/output";
import { createRunId } from "#iscep/runs/run/run-id";
import { openFiles, watchForLeaks } from "../support/leaks.js";
import { later } from "../support/cleanup.js";
import { node, resultOf, run, script, shell } from "../support/scripts.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { expectGone } from "../support/processes.js";

watchForLeaks();

describe("how a script ends", () => {
  test("exit code 0 completes it, with its output", async () => {
    const outcome = await run(shell("echo out; echo err >&2"));
    expect(outcome).toMatchObject({ status: "completed", exitCode: 0 });
    expect(resultOf(outcome)).toMatchObject({
      exitCode: 0,
      signal: null,
      stdout: "out\n",
      stderr: "err\n",
      truncated: false,
    });
    expect(Number.isSafeInteger(resultOf(outcome).durationMs)).toBe(true);
  });

  test.each([1, 2, 127, 255])("exit code %i fails it, with a sentence and its output", async (exitCode) => {
    const outcome = await run(shell(`echo why; exit ${exitCode}`));
    expect(outcome).toMatchObject({
      status: "failed",
      exitCode,
      error: { code: "failed" },
      value: { stdout: "why\n", exitCode },
    });
    expect("error" in outcome && outcome.error.message).toContain(`exit code ${exitCode}`);
  });

  test.each(["SIGKILL", "SIGSEGV", "SIGTERM"])("%s from elsewhere is told as such", async (signal) => {
    const outcome = await run(shell(`echo before; kill -${signal.slice(3)} $$`));
    expect(outcome).toMatchObject({
      status: "killed",
      signal,
      error: { code: "killed" },
      value: { exitCode: null, signal },
    });
    expect(resultOf(outcome).stdout).toBe("before\n");
  });

  test("arguments that the command refuses never start it", async () => {
    const refusal = new IscepError("invalid_arguments", "no");
    const command = shell("touch started", {
      argv: () => {
        throw refusal;
      },
    });
    expect(await run(command)).toStrictEqual({ status: "rejected", error: refusal });
    expect(() => statSync(path.join(command.folder, "started"))).toThrow("ENOENT");
  });

  test("a fault in placing the arguments is one of ours", async () => {
    const command = shell("", {
      argv: () => {
        throw new TypeError("oops");
      },
    });
    expect(await run(command)).toMatchObject({ status: "rejected", error: { code: "internal" } });
  });
});

describe("what a script gets", () => {
  test("its arguments as they are, without a shell", async () => {
    const args = ["$HOME", "a b", "`id`", "; exit 1", "", "*", "\n", "ä€😀", "-rf", "--"];
    const outcome = await run(node("process.stdout.write(JSON.stringify(process.argv.slice(2)))"), { args });
    expect(JSON.parse(resultOf(outcome).stdout)).toStrictEqual(args);
  });

  test("the environment of the command and the run's id, and nothing of ours (PITFALLS C19)", async () => {
    const runId = createRunId();
    const environment = { PATH: "/usr/bin:/bin", ONLY: "this" };
    const outcome = await run(node("process.stdout.write(JSON.stringify(process.env))", { environment }), { runId });
    expect(JSON.parse(resultOf(outcome).stdout)).toStrictEqual({ ...environment, ISCEP_RUN: runId });
  });

  test("its folder, an empty standard input, a umask of 077 and a process group of its own", async () => {
    const ours = process.umask();
    const folder = temporaryFolder();
    const outcome = await run(
      shell('pwd; cat; umask; touch made; [ "$(cut -d " " -f 5 /proc/$$/stat)" = $$ ] && echo leader', { folder }),
    );
    expect(resultOf(outcome).stdout).toMatch(/^.+\n0?077\nleader\n$/);
    expect(resultOf(outcome).stdout).toContain(path.basename(folder));
    expect(statSync(path.join(folder, "made")).mode & 0o777).toBe(0o600);
    expect(process.umask()).toBe(ours);
  });

  test("no file that we have open", async () => {
    const folder = temporaryFolder();
    const file = openSync(path.join(folder, "ours"), "w");
    later(() => closeSync(file));
    const outcome = await run(shell("", { program: "/bin/ls", argv: () => ["-l", "/proc/self/fd"] }));
    expect(resultOf(outcome).stdout).toContain("/dev/null");
    expect(resultOf(outcome).stdout).not.toContain(path.basename(folder));
  });
});

describe("output", () => {
  test("a flood is read to its end, and cut at the limit, each output for itself", async () => {
    const flood =
      "const block = Buffer.alloc(1 << 20, 'x'); for (let i = 0; i < 10; i++) require('fs').writeSync(1, block);";
    const outcome = await run(node(`${flood} console.error('all written')`), { limits: { maxRunOutputBytes: 65_536 } });
    expect(outcome.status).toBe("completed");
    expect(resultOf(outcome)).toMatchObject({ truncated: true, stderr: "all written\n", stdout: "x".repeat(65_536) });
  });

  test("exactly the limit is not cut", async () => {
    const outcome = await run(shell("printf 12345"), { limits: { maxRunOutputBytes: 5 } });
    expect(resultOf(outcome)).toMatchObject({ stdout: "12345", truncated: false });
  });

  test("the limit in the middle of a character leaves it out", async () => {
    const outcome = await run(shell("printf 'ab\\342\\202\\254'"), { limits: { maxRunOutputBytes: 4 } });
    expect(resultOf(outcome)).toMatchObject({ stdout: "ab", truncated: true });
  });

  test("bytes that are not UTF-8 are replaced", async () => {
    expect(resultOf(await run(shell("printf 'a\\377b\\303'"))).stdout).toBe("a\uFFFDb\uFFFD");
  });

  test("fifty at once are not mixed up", async () => {
    const command = shell('for i in 1 2 3; do echo "$1-$i"; echo "$1!$i" >&2; done');
    const names = Array.from({ length: 50 }, (_, n) => `run${n}`);
    const outcomes = await Promise.all(names.map((name) => run(command, { args: [name] })));
    expect(outcomes.map((outcome) => resultOf(outcome).stdout)).toStrictEqual(
      names.map((name) => `${name}-1\n${name}-2\n${name}-3\n`),
    );
    expect(outcomes.map((outcome) => resultOf(outcome).stderr)).toStrictEqual(
      names.map((name) => `${name}!1\n${name}!2\n${name}!3\n`),
    );
  });

  test("a grandchild that holds the pipes is not waited for, and stays, as the script ended by itself", async () => {
    const runId = createRunId();
    const outcome = await run(shell('sleep 300 & echo "$!"; exit 3'), { runId, limits: { pipeGraceMs: 50 } });
    expect(outcome).toMatchObject({ status: "failed", exitCode: 3 });
    process.kill(Number(resultOf(outcome).stdout), "SIGKILL");
    await expectGone(runId);
  });
});

describe("what cannot be started", () => {
  test("a program that does not exist", async () => {
    const outcome = await run(shell("", { program: "/nonexistent/program" }));
    expect(outcome).toMatchObject({ status: "failed", error: { code: "failed", details: { systemCode: "ENOENT" } } });
    expect(sentence(outcome)).toContain("does not exist");
    expect(sentence(outcome)).not.toContain("/nonexistent");
  });

  test("an interpreter that does not exist", async () => {
    expect(sentence(await run(script("#!/nonexistent/interpreter\n")))).toContain("interpreter");
  });

  test.each([
    ["Windows line ends", "#!/bin/sh\r\necho ran\r\n", "sed -i 's/\\r$//' FILE"],
    ["an interpreter that nobody may execute", "#!/etc/passwd\n", "chmod +x /etc/passwd"],
  ])("a script with %s, and the sentence says what to do", async (_, text, advice) => {
    const outcome = await run(script(text));
    expect(sentence(outcome)).toContain(advice);
    expect(sentence(outcome)).not.toContain("iscep-");
  });

  test("a folder that does not exist", async () => {
    expect(sentence(await run(shell("", { folder: "/nonexistent" })))).toContain("folder does not exist");
  });

  test("a program that is not executable", async () => {
    const command = shell("");
    chmodSync(command.program, 0o600);
    expect(sentence(await run(command))).toContain("not executable");
  });

  test("a program that others can change since it was defined; only the log has its path", async () => {
    const command = shell("echo ran");
    for (const mode of process.getuid?.() === 0 ? [0o720, 0o702] : [0o702]) {
      chmodSync(command.program, mode);
      // Only root can give it to a group that is not the user's own.
      if (mode === 0o720) chownSync(command.program, 0, 65_534);
      const outcome = await run(command);
      expect(sentence(outcome)).toContain("can be changed by others");
      expect(sentence(outcome)).not.toContain(command.program);
      const cause: unknown = "error" in outcome ? outcome.error.cause : undefined;
      expect(String(cause)).toContain(`chmod go-w ${command.program}`);
    }
    chmodSync(command.program, 0o700);
    expect(await run(command)).toMatchObject({ status: "completed" });
  });

  test("arguments that are too long", async () => {
    const outcome = await run(shell("echo ran"), { args: Array.from({ length: 200 }, () => "x".repeat(100_000)) });
    expect(outcome).toMatchObject({ status: "failed", error: { details: { systemCode: "E2BIG" } } });
    expect(sentence(outcome)).toContain("send less");
  });

  test("an argument with NUL", async () => {
    expect(sentence(await run(shell(""), { args: ["a\0b"] }))).toContain("NUL");
  });
});

function sentence(outcome: Awaited<ReturnType<typeof run>>): string {
  expect(outcome.status).toBe("failed");
  return "error" in outcome ? outcome.error.message : "";
}

describe("what a call gives a script beside its arguments", () => {
  function given(lines: string, invocation: Partial<ScriptInvocation>): ScriptCommand {
    const command = shell(lines);
    return { ...command, invocation: (args) => ({ ...command.invocation(args), ...invocation }) };
  }

  test("standard input, whole and then its end; what the caller sends beside it is dropped", async () => {
    const bytes = Buffer.from(Array.from({ length: 200_000 }, (_, n) => (n * 13) & 255));
    const sent = new RunInput();
    sent.write(Buffer.from("not this"));
    const outcome = await run(given("sha256sum", { stdin: bytes }), { input: sent });
    expect(resultOf(outcome).stdout).toContain(createHash("sha256").update(bytes).digest("hex"));
  });

  test("descriptors, to read from and to open by their names, and closed here", async () => {
    const before = openFiles();
    const command = given("cat <&3; cat /dev/fd/4; cat /proc/$$/cmdline", {
      descriptors: [Buffer.from("first "), Buffer.from("second")],
    });
    expect(resultOf(await run(command)).stdout).toMatch(/^first second/);
    expect(openFiles()).toBe(before);
    const missing = { ...command, program: "/nonexistent/program" };
    expect((await run(missing)).status).toBe("failed");
    expect(openFiles()).toBe(before);
  });

  test("secrets, which are masked in all that it prints (PITFALLS C18)", async () => {
    const output = new RunOutput({ maxRetainedOutputBytes: 1_000_000, streamWindowBytes: 1_000_000 });
    const told: unknown[] = [];
    const command = given(
      'cat; printf hun; sleep 0.05; echo ter2; echo "is it hunter2?" >&2; echo "::progress 0.5 with hunter2" >&2; printf hunter >&2',
      { secrets: ["hunter2"], stdin: Buffer.from("hunter2\n") },
    );
    const outcome = await run(command, { output, progress: (fraction, message) => told.push([fraction, message]) });
    expect(resultOf(outcome)).toMatchObject({ stdout: "***\n***\n", stderr: "is it ***?\nhunter" });
    expect(told).toStrictEqual([[0.5, "with ***"]]);
    let live = "";
    for (let at = 0; at < output.end;) {
      const piece = output.read(at, 1_000);
      live += piece?.bytes.toString();
      at += piece?.bytes.length ?? 1;
    }
    expect(live).not.toContain("hunter2");
    expect(live).toContain("***");
  });
});

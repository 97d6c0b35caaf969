import { randomBytes } from "node:crypto";
import { spawn, spawnSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { Server } from "iscep";
import { loadCommandModule } from "#iscep/commands/load-module";
import { ended, firstLine, iscep, startIscep, type Ended, type RunOptions } from "../support/iscep.js";
import { mainFile, startProcess } from "../support/iscep-process.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const liveFile = fileURLToPath(new URL("programs/live.mjs", import.meta.url));
const hasScript = spawnSync("script", ["--version"]).status === 0;

interface Served {
  readonly options: RunOptions;
  /** What a shell understands, with `iscep` among its commands. */
  shell(line: string): Promise<Ended>;
}

async function served(): Promise<Served> {
  const folder = temporaryFolder();
  const server = new Server({ commands: await loadCommandModule(liveFile), unix: join(folder, "s.sock") });
  onTestFinished(() => server.close({ graceMs: 0 }));
  const { url } = await server.listen();
  const options = { folder, environment: { ISCEP_URL: url } };
  return {
    options,
    shell: (line) => {
      const child = spawn("sh", ["-c", `iscep() { '${process.execPath}' '${mainFile}' "$@"; }\n${line}`], {
        cwd: folder,
        env: { PATH: process.env["PATH"], HOME: folder, ...options.environment },
      });
      onTestFinished(() => void (child.exitCode === null && child.kill("SIGKILL")));
      return ended(child);
    },
  };
}

describe("standard input goes to the command", () => {
  test("from a pipe, byte for byte", async () => {
    const { options } = await served();
    const child = startProcess(["call", "echo"], options);
    const sent = randomBytes(1_000_000);
    child.stdin.end(sent);
    const chunks: Buffer[] = [];
    for await (const chunk of child.stdout) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).equals(sent)).toBe(true);
  });

  test("while it comes: the answer to a line is there before the next one is sent", async () => {
    const { options } = await served();
    const child = startIscep(["call", "echo"], options);
    const end = ended(child);
    child.stdin.write("first\n");
    expect(await firstLine(child)).toBe("first");
    child.stdin.end("second\n");
    expect(await end).toMatchObject({ code: 0, stdout: "first\nsecond\n" });
  });

  test("from a file", async () => {
    const { options, shell } = await served();
    await writeFile(join(options.folder, "dump.sql"), "select 1;\n");
    expect(await shell("iscep call echo < dump.sql")).toMatchObject({ code: 0, stdout: "select 1;\n", stderr: "" });
    expect(await shell("iscep call echo --no-stdin < dump.sql")).toMatchObject({ code: 0, stdout: "", stderr: "" });
    expect(await shell("iscep call echo < /dev/null")).toMatchObject({ code: 0, stdout: "", stderr: "" });
  });

  test("but not from a folder", async () => {
    const { shell } = await served();
    const result = await shell("iscep call echo < .");
    expect(result).toMatchObject({ code: 64, stdout: "" });
    expect(result.stderr).toContain("standard input is a folder");
  });

  test("not where --args has read it", async () => {
    const { options } = await served();
    const result = await iscep(["call", "echo", "--args", "-"], { ...options, input: "{}" });
    expect(result).toMatchObject({ code: 0, stdout: "" });
  });

  test("not over version 1, nor with --detach: a file or pipe that is not sent makes a warning", async () => {
    const { options, shell } = await served();
    await writeFile(join(options.folder, "dump.sql"), "select 1;\n");
    const version1 = await shell("iscep call --protocol 1 echo < dump.sql");
    expect(version1).toMatchObject({ code: 0, stdout: "" });
    expect(version1.stderr).toBe(
      "iscep: warning: standard input is not sent over version 1 of the protocol; --no-stdin says that this is meant\n",
    );
    expect((await shell("iscep call --detach echo < dump.sql")).stderr).toContain(
      "standard input is not sent with --detach",
    );
    const piped = await shell("cat dump.sql | iscep call --detach echo");
    expect(piped.stderr).toContain("standard input is not sent with --detach");
    expect((await shell("iscep call --detach --no-stdin echo < dump.sql")).stderr).toBe("");
  });
});

describe("of the standard input of a call to a command that takes none, nothing is read", () => {
  test("a shell that reads its commands from there goes on, and so does a loop", async () => {
    const { options, shell } = await served();
    const call = `'${process.execPath}' '${mainFile}' call deaf`;
    await writeFile(join(options.folder, "lines"), "one\ntwo\nthree\n");
    await writeFile(
      join(options.folder, "script"),
      `${call}\nwhile read -r line; do ${call}; done < lines\necho after\n`,
    );
    const { stdout, stderr } = await shell("sh -s < script");
    expect({ stdout, stderr }).toEqual({ stdout: "done\n".repeat(4) + "after\n", stderr: "" });
  });

  test("--stdin is refused, and the help of one that takes it says so", async () => {
    const { options } = await served();
    const refused = await iscep(["call", "--stdin", "deaf"], options);
    expect(refused).toMatchObject({ code: 64, stdout: "" });
    expect(refused.stderr).toContain('the command "deaf" takes no standard input');
    expect((await iscep(["call", "echo", "--help"], options)).stdout).toContain("Standard input is sent");
    expect((await iscep(["call", "deaf", "--help"], options)).stdout).not.toContain("Standard input");
  });
});

describe("a command that does not read is not held up by standard input", () => {
  test("that never ends", async () => {
    const { options } = await served();
    const child = startProcess(["call", "deaf"], options);
    // Left open, as a build server does it.
    expect(await ended(child)).toEqual({ code: 0, signal: null, stdout: "done\n", stderr: "" });
  });

  test("that never stops coming", async () => {
    const { options } = await served();
    const child = startProcess(["call", "deaf"], options);
    const flood = (): void => {
      while (!child.stdin.destroyed && child.stdin.write("y\n".repeat(10_000)));
    };
    child.stdin.on("drain", flood);
    flood();
    expect(await ended(child)).toMatchObject({ code: 0, stdout: "done\n" });
  });
});

describe.skipIf(!hasScript)("a terminal", () => {
  async function typed(words: readonly string[], keys: string): Promise<string> {
    const { options } = await served();
    const command = [process.execPath, mainFile, ...words].map((word) => `'${word}'`).join(" ");
    const child = spawn("script", ["-qec", `stty -echo; echo go; exec ${command}`, "/dev/null"], {
      cwd: options.folder,
      env: { PATH: process.env["PATH"], HOME: options.folder, TERM: "xterm", ...options.environment },
    });
    onTestFinished(() => void (child.exitCode === null && child.kill("SIGKILL")));
    child.stdout.once("data", () => child.stdin.write(keys));
    return (await ended(child)).stdout;
  }

  test("is read when --stdin asks for it, and else never", async () => {
    expect(await typed(["call", "--stdin", "echo"], "hello\r\x04")).toBe("go\r\nhello\r\n");
    expect(await typed(["call", "echo"], "hello\r")).toBe("go\r\n");
  });
});

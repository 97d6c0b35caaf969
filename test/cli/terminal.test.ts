/** What people see on a terminal, which `script` (util-linux) makes. */
import { spawn, spawnSync, type ChildProcessWithoutNullStreams } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { Server } from "iscep";
import { loadCommandModule } from "#iscep/commands/load-module";
import { progressLine } from "#iscep/cli/terminal/progress-bar";
import { ended } from "../support/iscep.js";
import { mainFile } from "../support/iscep-process.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const programs = ["commands.mjs", "live.mjs"].map((name) =>
  fileURLToPath(new URL(`programs/${name}`, import.meta.url)),
);
const hasScript = spawnSync("script", ["--version"]).status === 0;

interface Terminal {
  readonly folder: string;
  /** `before` is for the shell that starts it. */
  start(
    words: readonly string[],
    environment?: Record<string, string>,
    before?: string,
  ): ChildProcessWithoutNullStreams;
  show(words: readonly string[], environment?: Record<string, string>, before?: string): Promise<string>;
}

async function terminal(): Promise<Terminal> {
  const folder = temporaryFolder();
  const commands = (await Promise.all(programs.map(loadCommandModule))).flat();
  const server = new Server({
    commands: commands.filter(({ name }, index) => commands.findIndex((other) => other.name === name) === index),
    unix: join(folder, "s.sock"),
  });
  onTestFinished(() => server.close({ graceMs: 0 }));
  const { url } = await server.listen();
  const start: Terminal["start"] = (words, environment = {}, before = "stty cols 60") => {
    const command = [process.execPath, mainFile, ...words].map((word) => `'${word}'`).join(" ");
    const child = spawn("script", ["-qec", `${before}; exec ${command}`, "/dev/null"], {
      cwd: folder,
      env: { PATH: process.env["PATH"], HOME: folder, TERM: "xterm", ISCEP_URL: url, ...environment },
    });
    onTestFinished(() => void (child.exitCode === null && child.kill("SIGKILL")));
    return child;
  };
  return { folder, start, show: async (...how) => (await ended(start(...how))).stdout };
}

describe.skipIf(!hasScript)("on a terminal", () => {
  test("what steers it is shown, unless --raw says otherwise", async () => {
    const { show } = await terminal();
    expect(await show(["call", "steer"])).toBe("\\x1b]0;title\\x07\r\n");
    expect(await show(["call", "--raw", "steer"])).toBe("\x1b]0;title\x07\r\n");
  });

  test("so it is in output that comes in pieces of one byte", async () => {
    const { show } = await terminal();
    // The terminal itself makes a line end of each newline.
    expect(await show(["call", "steering"])).toBe("\\x1b]0;title\\x07é\r\r\n中\\x9b31m\r\r\n");
    expect(await show(["call", "--raw", "steering"], {}, "stty -opost")).toBe("\x1b]0;title\x07é\r\n中\x9b31m\r\n");
  });

  test("colours and a progress bar look as the script meant them, and end with the run", async () => {
    const { show } = await terminal();
    expect(await show(["call", "paint"])).toBe("\r 10%\r 50%\r\x1b[K\x1b[32mdone\r\r\n\x1b[0m");
    expect(await show(["call", "paint"], { NO_COLOR: "1" })).toBe("\r 10%\r 50%\rdone\r\r\n");
  });

  test("headings and errors have colour", async () => {
    const { show } = await terminal();
    expect((await show(["ls"])).startsWith("\x1b[1mCOMMAND")).toBe(true);
    expect(await show(["call", "crash"])).toContain("\x1b[31miscep:");
  });

  /** Lets the command of the test end once its progress, and all that it says first, is there. */
  async function talk(environment?: Record<string, string>, before?: string): Promise<string> {
    const { folder, start } = await terminal();
    const file = join(folder, "go on");
    const child = start(["call", "talk", "--file", file], environment, before);
    let text = "";
    let mayEnd: Promise<void> | undefined;
    child.stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (
        text.includes("first") &&
        text.includes("aside") &&
        (text.includes("42%") || environment?.["TERM"] === "dumb")
      )
        mayEnd ??= writeFile(file, "");
    });
    await ended(child);
    await mayEnd;
    return text;
  }

  test("a bar tells the progress, below all output, and nothing of it stays", async () => {
    const text = await talk();
    expect(text).toContain(" 42% [\x1b[36m");
    expect(text).toContain("waiting for \\x1b[31m");
    expect(screenOf(text)).toBe("first\naside\nsecond\nvalue\n");
  });

  test("without colour for NO_COLOR, and short on a narrow terminal", async () => {
    const text = await talk({ NO_COLOR: "1" });
    expect(text).toContain(" 42% [============                 ] waiting");
    expect(text).not.toContain("\x1b[3");
    const narrow = await talk({}, "stty cols 10");
    expect(narrow).toContain("\r\x1b[K 42%");
    expect(narrow).not.toContain("[=");
  });

  test("a terminal that cannot clear a line gets none", async () => {
    expect(await talk({ TERM: "dumb" })).toBe("first\r\naside\r\nsecond\r\nvalue\r\n");
  });

  test("Ctrl-C typed: says that it cancels, and leaves no bar behind", async () => {
    const { folder, start } = await terminal();
    const child = start(["call", "talk", "--file", join(folder, "never")]);
    let text = "";
    let isTyped = false;
    child.stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (isTyped || !["first", "aside", "42%"].every((part) => text.includes(part))) return;
      isTyped = true;
      child.stdin.write("\x03");
    });
    expect((await ended(child)).code).toBe(130);
    const screen = screenOf(text);
    expect(screen).toContain("iscep: cancelling the run; once more leaves at once\n");
    expect(screen).not.toContain("%");
  });
});

/** What stays visible: a carriage return and the code that clears the line take away what stood there. */
function screenOf(text: string): string {
  return text
    .replaceAll("\r\n", "\n")
    .split("\n")
    .map((line) => line.split("\r\x1b[K").at(-1))
    .join("\n")
    .replaceAll(/\x1b\[\d+m/g, ""); // eslint-disable-line no-control-regex -- colours
}

describe("the line of the progress bar", () => {
  test("is never wider than the terminal, whatever the message", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.string({ unit: "grapheme" }),
        fc.nat(200),
        (fraction, message, columns) => {
          const line = progressLine(fraction, message, columns);
          const width = [...line].reduce((sum, character) => sum + (character <= "~" || character === "…" ? 1 : 2), 0);
          expect(width).toBeLessThanOrEqual(columns);
        },
      ),
    );
  });

  test("does not say 100% before the end", () => {
    expect(progressLine(0.999, "", 40)).toContain(" 99% ");
    expect(progressLine(1, "", 40)).toContain("100% [====================]");
  });
});

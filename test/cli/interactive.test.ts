/** A person at a terminal, which `script` (util-linux) makes, calls a command that has a terminal too. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { defineScript, Server } from "iscep";
import { mainFile } from "../support/iscep-process.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { until } from "../support/until.js";

const hasScript = spawnSync("script", ["--version"]).status === 0 && process.platform === "linux";

const commands = Object.entries({
  login: 'read -p "name? " name; read -s -p "password? " word; echo; echo "$name has ${#word}"; exit 5',
  // stty sets rows and columns one after the other, and bash forgets a signal that comes while it still does what the
  // one before asked for: so it looks by itself as well.
  sizes: "stty size; trap 'echo told' WINCH; echo ready; while ! read -t 0.1 x; do stty size; done",
  stay: "trap 'echo interrupted' INT; echo ready; while :; do sleep 1; done",
  look: "stty size; echo $TERM; read x; echo $?",
  screen: String.raw`printf '\033[?1049h\033[?25l\033]0;title\007inside'; read x; echo left`,
}).map(([name, text]) => defineScript({ name, run: ["/bin/bash", "-c", text], terminal: true }));

interface Sitting {
  readonly server: Server;
  readonly screen: () => string;
  type(keys: string): void;
  sees(text: string | RegExp): Promise<void>;
  /** The process of the command line. */
  pid(): number;
  resize(rows: number, columns: number): void;
  readonly over: Promise<void>;
}

/** Behind the call, the terminal tells the exit code, and whether it is as before. */
async function sit(words: string, environment: Record<string, string> = {}): Promise<Sitting> {
  const folder = temporaryFolder();
  const server = new Server({ commands, unix: join(folder, "s.sock"), limits: { killGraceMs: 500 } });
  onTestFinished(() => server.close({ graceMs: 0 }));
  const { url } = await server.listen();
  const pidFile = join(folder, "pid");
  const call = `sh -c 'echo $$ > ${pidFile}; exec ${process.execPath} ${mainFile} ${words}'`;
  const text = `stty rows 33 cols 101; before=$(stty -g); ${call}; code=$?; [ "$before" = "$(stty -g)" ] && echo "same $code" || stty -a`;
  const child = spawn("script", ["-qec", text, "/dev/null"], {
    cwd: folder,
    env: { PATH: process.env["PATH"], HOME: folder, TERM: "xterm", ISCEP_URL: url, ...environment },
  });
  onTestFinished(() => void (child.exitCode === null && child.kill("SIGKILL")));
  let screen = "";
  child.stdout.on("data", (chunk: Buffer) => {
    screen += chunk.toString();
  });
  const over = new Promise<void>((resolve) => child.once("close", () => resolve()));
  return {
    server,
    screen: () => screen,
    over,
    type: (keys) => void child.stdin.write(keys),
    async sees(wanted) {
      const matches = (): boolean => (typeof wanted === "string" ? screen.includes(wanted) : wanted.test(screen));
      await until(matches).catch(() => {
        throw new Error(`${String(wanted)} was not seen on the screen, which has ${JSON.stringify(screen)}`);
      });
    },
    pid: () => Number(existsSync(pidFile) ? readFileSync(pidFile, "utf8") : Number.NaN),
    resize(rows, columns) {
      const [device] = readdirSync(`/proc/${child.pid}/fd`)
        .filter((fd) => readlinkSync(`/proc/${child.pid}/fd/${fd}`).endsWith("/ptmx"))
        .map((fd) => /tty-index:\s*(\d+)/.exec(readFileSync(`/proc/${child.pid}/fdinfo/${fd}`, "utf8"))?.[1]);
      spawnSync("stty", ["-F", `/dev/pts/${device}`, "rows", String(rows), "cols", String(columns)]);
    },
  };
}

describe.skipIf(!hasScript)("iscep call of a command with a terminal", () => {
  test("shows prompts and no password, and leaves the terminal as it was, with the command's exit code", async () => {
    const { type, sees, over, screen } = await sit("call login");
    await sees("name? ");
    type("joe\r");
    await sees("password? ");
    type("tr0ub4dor\r");
    await over;
    expect(screen()).toContain("joe has 9\r\n");
    expect(screen()).not.toContain("tr0ub4dor");
    expect(screen()).toMatch(/same 5\r\n$/);
  });

  test("the command has the size of the window, also when it changes", async () => {
    const { type, sees, over, screen, resize } = await sit("call sizes");
    await sees("33 101");
    await sees("ready");
    resize(20, 60);
    await sees("20 60");
    await sees("told");
    type("\r");
    await over;
    expect(screen()).toMatch(/same 0\r\n$/);
  });

  test("Ctrl-C goes to the command, and ~. leaves", async () => {
    const { type, sees, over, screen } = await sit("call stay");
    await sees("ready");
    type("\u0003");
    await sees("interrupted");
    type("\r~.");
    await over;
    expect(screen()).toContain("left by ~.");
    expect(screen()).toMatch(/same \d+\r\n$/);
  });

  test("what the command switched on the terminal is switched back, and no title was set", async () => {
    const { type, sees, over, screen } = await sit("call screen");
    await sees("inside");
    type("\r");
    await over;
    expect(screen()).toContain("\u001b[?1049h\u001b[?25linside");
    expect(screen()).toContain("left\r\n\u001b[?1049l\u001b[?25h");
    expect(screen()).not.toContain("title");
  });

  test.each(["SIGTERM", "SIGHUP", "SIGINT"] as const)("the terminal is put back after %s", async (signal) => {
    const { sees, over, pid, screen } = await sit("call stay");
    await sees("ready");
    process.kill(pid(), signal);
    await over;
    expect(screen()).toMatch(/same \d+\r\n$/);
  });

  test("the terminal is put back when the server goes away", async () => {
    const { server, sees, over, screen } = await sit("call stay");
    await sees("ready");
    await server.close({ graceMs: 0 });
    await over;
    expect(screen()).toMatch(/same \d+\r\n$/);
  });

  test("without a terminal here, output is that of any script", async () => {
    const { over, screen } = await sit("call look < /dev/null | cat");
    await over;
    expect(screen()).toBe("24 80\r\r\ndumb\r\r\n1\r\r\nsame 0\r\n");
  });
});

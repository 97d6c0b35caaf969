/**
 * The sessions in the documents are what the program really prints. A `console` block after `<!-- session -->` holds
 * commands behind `$ ` and what they print. A block after `<!-- file: PATH -->` is written to that file. All blocks of a
 * document are one session, in a new folder. In what is printed, "…" stands for any text within a line, and as a line of
 * its own for any lines; in a command, the run id that begins before it is the last one that was printed.
 * `npx iscep serve` goes on to the end of the document. The default port is replaced by one of our own, and ISCEP_URL is
 * what `export ISCEP_URL=` said last, and that port before; https://127.0.0.1:8989 leads there too. A line of
 * `npx iscep` alone is run in this process, and all others by a shell.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { startIscep } from "../support/iscep.js";
import { ownPort } from "../support/own-port.js";

const root = process.cwd();
const defaultPort = "8989";
const documents = ["README.md", ...readdirSync("docs").map((file) => path.join("docs", file))].filter(
  (file) => file.endsWith(".md") && readFileSync(file, "utf8").includes("<!-- session -->"),
);

type Step =
  | { readonly file: string; readonly text: string }
  | { readonly command: string; readonly prints: string; readonly goesOn: boolean };

function stepsOf(document: string): Step[] {
  const blocks = readFileSync(document, "utf8").matchAll(
    /^<!-- (?:session|file: (\S+)) -->\n+```\w+\n([\s\S]*?)^```$/gm,
  );
  return [...blocks].flatMap(([, file, text = ""]): Step[] =>
    file === undefined ? commandsOf(text) : [{ file, text }],
  );
}

function commandsOf(block: string): Step[] {
  return block
    .split(/^\$ /m)
    .slice(1)
    .map((step) => {
      const [command = "", ...lines] = step.split("\n");
      return { command, prints: lines.join("\n").trimEnd(), goesOn: / serve\b/.test(command) };
    });
}

/** A pattern of the text, in which "…" is any text of one line, or any lines where it is a line of its own. */
function pattern(text: string): RegExp {
  const escaped = text.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
  return new RegExp(`^${escaped.replaceAll(/^…$/gm, "[^]*?").replaceAll("…", "[^\\n]*?")}$`);
}

/** How much of the output one event holds depends on how busy the machine is, so those of one channel count as one. */
function joinEvents(text: string): string {
  const twoEvents =
    /^id: \d+\nevent: output\ndata: (\{"channel":"(\w+)","offset":\d+,"text":".*)"\}\n\n(id: \d+\nevent: output\ndata: )\{"channel":"\2","offset":\d+,"text":"/m;
  for (let joined = text; ;) {
    const next = joined.replace(twoEvents, "$3$1");
    if (next === joined) return joined;
    joined = next;
  }
}

/** The words behind `npx iscep` of a line that asks nothing else of the shell. */
function wordsOf(line: string): string[] | undefined {
  const [, words] = /^npx iscep((?: (?:[\w.:/-]+|"[\w.:/* -]+"))+)$/.exec(line) ?? [];
  return words?.match(/[^ "]+|"[^"]+"/g)?.map((word) => word.replaceAll('"', ""));
}

/** A terminal in an empty project in which iscep is installed. */
class Terminal {
  readonly #home = mkdtempSync(path.join(os.tmpdir(), "iscep-session-"));
  readonly #servers: ChildProcess[] = [];
  readonly #port: string;
  readonly #environment: Record<string, string>;
  #folder = this.#home;
  #run = "";

  constructor(port: string) {
    this.#port = port;
    const own = Object.entries(process.env).flatMap(([name, value]) =>
      value === undefined || /^(?:npm_|INIT_CWD$|ISCEP_|XDG_|NODE_OPTIONS$)/.test(name) ? [] : [[name, value]],
    );
    this.#environment = {
      ...(Object.fromEntries(own) as Record<string, string>),
      HOME: this.#home,
      ISCEP_URL: `iscep://127.0.0.1:${port}`,
      PATH: `${this.#home}/node_modules/.bin:${process.env["PATH"] ?? ""}`,
    };
    mkdirSync(path.join(this.#home, "node_modules/.bin"), { recursive: true });
    writeFileSync(path.join(this.#home, "package.json"), "{}");
    symlinkSync(root, path.join(this.#home, "node_modules/iscep"), "junction");
    const sdk = "node_modules/@modelcontextprotocol";
    symlinkSync(path.join(root, sdk), path.join(this.#home, sdk), "junction");
    // npx itself takes longer than most commands. That it finds iscep is for the tests of the package.
    const npx = `#!/bin/sh\nshift\nnpm_command=exec exec "${process.execPath}" "${root}/dist/cli/main.js" "$@"\n`;
    writeFileSync(path.join(this.#home, "node_modules/.bin/npx"), npx, { mode: 0o755 });
  }

  write(file: string, text: string): void {
    writeFileSync(path.join(this.#home, file), text);
  }

  /** Types a command, and gives what it prints: all of it, or `lines` lines where it goes on. */
  async type(command: string, lines?: number): Promise<string> {
    const change = /^cd (\S+)$/.exec(command)?.[1];
    if (change !== undefined) {
      this.#folder = path.join(this.#folder, change);
      return "";
    }
    this.#useOwnPort();
    const line = command
      .replace(/\b[0-9a-f]{4}…/, this.#run)
      .replace(/(https?:\/\/127\.0\.0\.1):8989/, `$1:${this.#port}`);
    const words = lines === undefined ? wordsOf(line) : undefined;
    const printed = words === undefined ? await this.#printedByShell(line, lines) : await this.#printedHere(words);
    const url = /export ISCEP_URL='(.*)'/.exec(printed)?.[1];
    if (url !== undefined) this.#environment["ISCEP_URL"] = url.replace(`:${defaultPort}`, `:${this.#port}`);
    this.#run = /(?<=^|"run":")[0-9a-f]{8}-[0-9a-f-]{27}(?=$|")/m.exec(printed)?.[0] ?? this.#run;
    return printed.replaceAll(`:${this.#port}`, `:${defaultPort}`).trimEnd();
  }

  async #printedByShell(line: string, lines: number | undefined): Promise<string> {
    const child = spawn("sh", ["-c", `exec 2>&1; ${line}`], {
      cwd: this.#folder,
      env: this.#environment,
      stdio: ["ignore", "pipe", "ignore"],
      detached: true,
    });
    if (lines !== undefined) this.#servers.push(child);
    return printedBy(child, lines);
  }

  async #printedHere(words: readonly string[]): Promise<string> {
    const environment = {
      ...this.#environment,
      XDG_STATE_HOME: path.join(this.#home, ".local/state"),
      npm_command: "exec",
    };
    const running = startIscep(words, { folder: this.#folder, environment });
    running.stdin.end();
    let printed = "";
    for (const stream of [running.stdout, running.stderr])
      stream.on("data", (chunk: Buffer) => (printed += String(chunk)));
    await once(running, "close");
    return printed;
  }

  async close(): Promise<void> {
    for (const server of this.#servers) {
      if (server.pid === undefined || server.exitCode !== null || server.signalCode !== null) continue;
      const exit = once(server, "exit");
      process.kill(-server.pid, "SIGKILL");
      await exit;
    }
    // What was killed may not have left it yet.
    rmSync(this.#home, { recursive: true, force: true, maxRetries: 3 });
  }

  #useOwnPort(): void {
    const folders = readdirSync(this.#home, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    for (const folder of ["", ...folders.map(({ name }) => name)]) {
      const file = path.join(this.#home, folder, "iscep.yaml");
      if (!existsSync(file)) continue;
      const text = readFileSync(file, "utf8");
      const changed = text.replaceAll(`:${defaultPort}`, `:${this.#port}`);
      if (changed !== text) writeFileSync(file, changed);
    }
  }
}

/** All that a program prints until it ends, or its first lines where it goes on. */
async function printedBy(child: ChildProcess, lines = Infinity): Promise<string> {
  let printed = "";
  await new Promise<void>((resolve, reject) => {
    const take = (chunk: Buffer): void => {
      printed += String(chunk);
      if (printed.split("\n").length > lines) resolve();
    };
    child.stdout?.on("data", take);
    child.once("error", reject);
    child.once("close", resolve);
  });
  return printed;
}

test("the README has a session", () => {
  expect(documents).toContain("README.md");
});

describe.skipIf(process.platform === "win32").each(documents)("%s", (document) => {
  let terminal: Terminal | undefined;
  afterAll(async () => terminal?.close());

  test("shows what the program prints", { timeout: 120_000 }, async () => {
    terminal = new Terminal(String(await ownPort()));
    const steps = stepsOf(document);
    expect(steps.length).toBeGreaterThan(2);
    for (const step of steps) {
      if ("file" in step) {
        terminal.write(step.file, step.text);
        continue;
      }
      const { command, prints, goesOn } = step;
      const printed = await terminal.type(command, goesOn ? prints.split("\n").length : undefined);
      expect(
        pattern(joinEvents(prints)).test(joinEvents(printed)),
        `$ ${command}\n${printed}\n\nThe document says:\n${prints}`,
      ).toBe(true);
    }
  });
});

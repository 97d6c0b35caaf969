/** A server as people run it, with scripts for every flow of the console, in a process and a folder of its own. */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { mainFile } from "./iscep-process.js";
import { ownPort } from "./own-port.js";

/** What a page must not do, in every form in which text could become more than text. */
export const hostileMarkup = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`;
export const hostileText = `${hostileMarkup}\u202egnp.exe\u2066`;

const configuration = (port: number): string => `
listen: 127.0.0.1:${port}
http: true
tokens: tokens.json
state: state
log_args: true
commands:
  hello:
    description: Greet someone
    run: [echo, "hello, {name}"]
    args: { name: { type: string, default: world, max_length: 20 } }
    read_only: true
  steps:
    description: Print some lines, tell how far it is, and wait for a file
    run:
      - sh
      - -c
      - |
        printf '\\033[32mgreen\\033[0m one\\n'; echo trouble >&2; echo '::progress 0.25 packing' >&2
        until [ -e "$0" ]; do sleep 0.02; done
        printf '10%%\\r100%%\\n'; echo last
      - "{file}"
    args: { file: { type: string, allow: [dash] } }
    concurrency: { limit: 2, when_full: queue }
  grows:
    description: Print lines, and more when files are there
    run:
      - sh
      - -c
      - |
        seq -f "line %.0f" 1 200; until [ -e "$0" ]; do sleep 0.02; done
        seq -f "line %.0f" 201 300; until [ -e "$0-on" ]; do sleep 0.02; done
        seq -f "line %.0f" 301 400
      - "{file}"
    args: { file: { type: string } }
  one_at_a_time:
    description: Wait for a file, one after the other
    run: [sh, -c, 'until [ -e "$0" ]; do sleep 0.02; done; echo done', "{file}"]
    args: { file: { type: string } }
    concurrency: { limit: 1, when_full: queue }
  fails:
    description: It ends with 3
    run: [sh, -c, "echo no luck >&2; exit 3"]
  wipe:
    description: Remove everything, which cannot be undone
    run: [echo, wiped]
    confirm: true
  every_type:
    description: An argument of each type
    run: [printf, "<%s>\\\\n", "{word}", "{whole}", "{ratio}", "{loud}", "{mode}", "{many}", "{day}", "{where}", "{note}", "{list}"]
    args:
      word: { type: string, pattern: "[a-z]+", min_length: 2, max_length: 10, description: a word }
      whole: { type: integer, minimum: 1, maximum: 9 }
      ratio: { type: number, maximum: 1.5, optional: true }
      loud: { type: boolean, default: false }
      mode: { type: enum, choices: [fast, full], default: fast }
      many: { type: enum, choices: [one, two, three, four, five, six] }
      day: { type: string, format: date, optional: true }
      where: { type: path, base: ., presence: either, optional: true }
      note: { type: string, multiline: true, optional: true }
      list: { type: list, items: { type: integer, maximum: 5 }, max_items: 3, optional: true }
      password: { type: secret, min_length: 4, optional: true }
    stdin: args
  reads:
    description: Print what it reads
    run: [sh, -c, 'echo "$0"; cat', "{label}"]
    args: { label: { type: string, default: label } }
    stdin: true
  asks:
    description: Ask for a name on a terminal
    run: [sh, -c, 'printf "name? "; read name; echo "hi $name"; until [ -e "$0" ]; do sleep 0.02; done', "{file}"]
    args: { file: { type: string } }
    terminal: true
  answers:
    description: Answer each line
    run: [sh, -c, 'while read line; do echo "got <$line>"; done; echo "no more"']
    stdin: true
  shell:
    description: A shell
    run: [sh, -c, "PS1='$ ' HISTFILE= exec bash --norc -i"]
    terminal: true
  keys:
    description: Show the bytes of keys, until q
    run: [sh, -c, 'stty raw -echo; printf "\\033[?1h\\033[?2004hready\\r\\n"; while key=$(dd bs=1 count=1 2>/dev/null | od -An -tx1); do printf "%s" "$key"; [ "$key" = " 71" ] && break; done; stty sane; echo; stty size']
    terminal: true
  lines:
    description: So many lines
    run: [sh, -c, 'seq 1 "$0" | sed "s/$/ $1/"', "{count}", "{text}"]
    args:
      count: { type: integer }
      text: { type: string, default: of output }
  hostile:
    description: ${JSON.stringify(hostileText)}
    run: [printf, "%s\\\\n%b\\\\n", ${JSON.stringify(hostileText)}, '\\033]0;owned\\007\\033[2J\\033[8mhidden\\033[0m\\033Zend', '{name}']
    args:
      name: { type: string, default: ok, description: ${JSON.stringify(hostileText)} }
  nightly:
    description: Runs by itself
    run: [echo, night]
    schedule: { cron: "30 3 * * 1-5", time_zone: Europe/Berlin }
`;

export interface ConsoleServer {
  /** The address of HTTP, without a path. */
  readonly origin: string;
  readonly folder: string;
  /** A token that may do everything. */
  readonly token: string;
  /** A token that may run `hello` only. */
  readonly narrowToken: string;
  /** A token that is good for nine minutes. */
  readonly shortToken: string;
  /** The tokens that were asked for, in their order. */
  readonly moreTokens: readonly string[];
  /** Ends the process at once, as a crash does. */
  stop(): Promise<void>;
  /** Starts it again on the same port. */
  start(): Promise<void>;
  /** Makes the file that commands wait for. */
  touch(name: string): void;
  remove(): Promise<void>;
}

/** @param more the words behind `iscep tokens add`, for each further token */
export async function openConsoleServer(extra = "", more: readonly (readonly string[])[] = []): Promise<ConsoleServer> {
  const folder = mkdtempSync(path.join(tmpdir(), "console-"));
  const port = await ownPort();
  writeFileSync(path.join(folder, "iscep.yaml"), configuration(port) + extra);
  const environment = { PATH: process.env["PATH"] ?? "", HOME: folder, XDG_STATE_HOME: path.join(folder, "state") };
  const addToken = (...words: string[]): string =>
    execFileSync(process.execPath, [mainFile, "tokens", "add", ...words], {
      cwd: folder,
      env: environment,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  const token = addToken("ada");
  const narrowToken = addToken("grace", "--run", "hello", "--expires", "12h");
  const shortToken = addToken("eve", "--expires", "9m");
  const moreTokens = more.map((words) => addToken(...words));
  let child: ChildProcess | undefined;

  const stop = async (): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  };
  const start = async (): Promise<void> => {
    child = spawn(process.execPath, [mainFile, "serve"], {
      cwd: folder,
      env: environment,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const { stdout, stderr } = child;
    if (stdout === null || stderr === null) throw new Error("the server has no output");
    let said = "";
    stderr.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(-2_000)));
    for await (const line of createInterface({ input: stdout })) {
      if (line.includes("https://")) return;
    }
    throw new Error(`the server did not start: ${said}`);
  };
  await start();
  return {
    origin: `https://127.0.0.1:${port}`,
    folder,
    token,
    narrowToken,
    shortToken,
    moreTokens,
    start,
    stop,
    touch: (name) => writeFileSync(path.join(folder, name), ""),
    async remove() {
      await stop();
      rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

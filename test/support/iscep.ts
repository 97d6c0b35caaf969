/**
 * The command line, run in this process as `main.ts` runs it in one of its own: with its words, folder, environment,
 * streams and signals. What only a process has is in iscep-process.ts.
 */
import { AsyncResource } from "node:async_hooks";
import { EventEmitter, once } from "node:events";
import { PassThrough, type Readable, type Writable } from "node:stream";
import { cpSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { onTestFinished } from "vitest";
import { runCommandLine } from "#iscep/cli/program";
import { temporaryFolder } from "./temporary-folder.js";

export interface RunOptions {
  readonly folder: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly input?: string;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command line under way, in this process or in one of its own. */
export interface Running extends EventEmitter {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  kill(signal: NodeJS.Signals): boolean;
}

/** Nothing of the tester's own settings, tokens and state. */
export function environmentOf({ folder, environment }: RunOptions): Record<string, string> {
  return {
    PATH: process.env["PATH"] ?? "",
    HOME: folder,
    XDG_STATE_HOME: path.join(folder, "state"),
    ...environment,
  };
}

/** Working folder and home are of the whole process: command lines that run at the same time share them. */
let running = 0;
let before: { readonly folder: string; readonly environment: NodeJS.ProcessEnv } | undefined;

function enter(options: RunOptions): void {
  before ??= { folder: process.cwd(), environment: { ...process.env } };
  running++;
  process.chdir(options.folder);
  const { HOME, XDG_STATE_HOME } = environmentOf(options);
  Object.assign(process.env, { HOME, XDG_STATE_HOME });
}

function leave(): void {
  running--;
  if (running > 0 || before === undefined) return;
  process.chdir(before.folder);
  for (const name of ["HOME", "XDG_STATE_HOME"]) {
    const value = before.environment[name];
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
  before = undefined;
}

/** Handlers run in the surroundings in which they were given, as those of a process do. */
class Signals extends EventEmitter {
  override on(event: string, handler: (...values: unknown[]) => void): this {
    return super.on(event, Object.assign(AsyncResource.bind(handler), { listener: handler }));
  }
}

export function startIscep(words: readonly string[], options: RunOptions): Running {
  const signals = new Signals();
  const streams = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() };
  let exit = (_code: number): void => {};
  const exited = new Promise<number>((resolve) => (exit = resolve));
  enter(options);
  const returned = runCommandLine(words, {
    ...streams,
    env: environmentOf(options),
    events: signals,
    exit,
    inputKind: () => "socket",
    ownsProcess: false,
  });
  const child = Object.assign(new EventEmitter(), {
    ...streams,
    kill: (signal: NodeJS.Signals) => signals.emit(signal),
  });
  let isOver = false;
  void Promise.race([returned, exited]).then(async (code) => {
    isOver = true;
    leave();
    child.emit("exit", code, null);
    await Promise.all(
      [streams.stdout, streams.stderr].map(async (stream) => {
        const closed = once(stream, "close");
        stream.end();
        if (!stream.closed) await closed;
      }),
    );
    child.emit("close", code, null);
  });
  // Only for a test that failed before it stopped its command line.
  onTestFinished(async () => {
    if (isOver) return;
    signals.emit("SIGTERM");
    await Promise.race([returned, exited]);
  });
  return child;
}

export function ended(child: Running): Promise<Ended> {
  return new Promise((resolve, reject) => {
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.on("error", reject);
    child.on("close", (code: number | null, signal: NodeJS.Signals | null) =>
      resolve({ code, signal, stdout, stderr }),
    );
  });
}

export async function iscep(words: readonly string[], options: RunOptions): Promise<Ended> {
  return endedWith(startIscep(words, options), options);
}

export function endedWith(child: Running, { input = "" }: RunOptions): Promise<Ended> {
  child.stdin.end(input);
  return ended(child);
}

let initFolder: string | undefined;

/** A folder as `iscep init` leaves it: a copy of one that all tests of a file share, as making keys takes long. */
export async function initialisedFolder(): Promise<string> {
  if (initFolder === undefined) {
    const made = mkdtempSync(path.join(tmpdir(), "init-"));
    const { code, stderr } = await iscep(["init"], { folder: made });
    if (code !== 0) throw new Error(`iscep init ended with ${code}: ${stderr}`);
    initFolder = made;
  }
  const folder = temporaryFolder();
  cpSync(initFolder, folder, { recursive: true });
  return folder;
}

export interface Serving {
  readonly url: string;
  /** The whole first line. */
  readonly line: string;
  readonly child: Running;
  readonly ended: Promise<Ended>;
  /** SIGTERM, and how it ended. */
  stop(): Promise<Ended>;
}

/** `iscep serve …`, when it listens. Rejects with what it wrote when it does not. */
export function serve(words: readonly string[], options: RunOptions): Promise<Serving> {
  return listening(startIscep(["serve", ...words], options));
}

export async function listening(child: Running): Promise<Serving> {
  const end = ended(child);
  const line = await Promise.race([
    firstLine(child),
    end.then(({ code, stdout, stderr }) => {
      throw new Error(`iscep serve ended with ${code}: ${stdout}${stderr}`);
    }),
  ]);
  const url = line.startsWith("{")
    ? String((JSON.parse(line) as { url?: unknown }).url)
    : line.replace("listening on ", "");
  return {
    url,
    line,
    child,
    ended: end,
    stop: () => {
      child.kill("SIGTERM");
      return end;
    },
  };
}

export function firstLine(child: Running): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const read = (chunk: string): void => {
      text += chunk;
      const end = text.indexOf("\n");
      if (end === -1) return;
      child.stdout.off("data", read);
      resolve(text.slice(0, end));
    };
    child.stdout.setEncoding("utf8").on("data", read);
  });
}

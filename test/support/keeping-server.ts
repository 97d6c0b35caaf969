/** A server with a runs folder: as a process of its own that can be killed and started again, or in this process. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { connect, type Client, type ConnectOptions, type Limits } from "iscep";
import { later } from "./cleanup.js";
import { keepingServer } from "./programs/keeping-commands.mjs";
import { tokens, writeTokens } from "./servers.js";
import { temporaryFolder } from "./temporary-folder.js";

const program = fileURLToPath(new URL("programs/keeping-server.mjs", import.meta.url));

export interface KeepingHere {
  readonly runsFolder: string;
  readonly commandsLog: string;
  /** The server closes in good order. */
  stop(): Promise<void>;
  client(options?: ConnectOptions): Promise<Client>;
}

export interface Keeping extends KeepingHere {
  readonly startMs: number;
  kill(): Promise<void>;
  /** In good order, and what is under way may end. Resolves when the process has. */
  drain(): Promise<void>;
}

export interface KeepingOptions {
  readonly logs?: boolean;
  readonly limits?: Partial<Limits>;
  /** The system lets no file grow beyond it, as a full disk would not. */
  readonly maxFileBytes?: number;
}

export function keepingFolder(): string {
  const folder = temporaryFolder();
  writeTokens(path.join(folder, "tokens.json"), tokens);
  return folder;
}

export async function startKeeping(
  folder: string,
  { logs = false, limits = {}, maxFileBytes }: KeepingOptions = {},
): Promise<Keeping> {
  const startedMs = performance.now();
  const words = [process.execPath, program, folder, logs ? "logs" : "no", JSON.stringify(limits)];
  const limited = ["-c", `ulimit -f ${(maxFileBytes ?? 0) / 1024}; exec "$@"`, "bash", ...words];
  const child = spawn(
    maxFileBytes === undefined ? process.execPath : "bash",
    maxFileBytes === undefined ? words.slice(1) : limited,
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  const exited = once(child, "exit");
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal);
    await exited;
  };
  later(() => end("SIGKILL"));
  const url = await Promise.race([
    once(child.stdout, "data").then(([chunk]) => String(chunk).trim()),
    exited.then(([code]) => {
      throw new Error(`the server ended with ${String(code)}`);
    }),
  ]);
  return {
    ...placesOf(folder, logs),
    startMs: performance.now() - startedMs,
    kill: () => end("SIGKILL"),
    stop: () => end("SIGTERM"),
    drain: () => end("SIGUSR2"),
    client: (options) => clientOf(url, options),
  };
}

/** The same in this process, which takes milliseconds: for what needs no process of its own, as a kill does. */
export async function startKeepingHere(
  folder: string,
  { logs = false, limits = {} }: Omit<KeepingOptions, "maxFileBytes"> = {},
): Promise<KeepingHere> {
  const server = keepingServer(folder, logs, limits);
  const stop = (): Promise<void> => server.close({ graceMs: 0 });
  later(stop);
  const { url } = await server.listen();
  return { ...placesOf(folder, logs), stop, client: (options) => clientOf(url, options) };
}

function placesOf(folder: string, logs: boolean): Pick<KeepingHere, "runsFolder" | "commandsLog"> {
  return {
    runsFolder: path.join(folder, "runs"),
    commandsLog: path.join(folder, logs ? "logs" : "runs", "commands.log"),
  };
}

async function clientOf(url: string, options: ConnectOptions = {}): Promise<Client> {
  const client = await connect(url, { token: tokens.alice, protocol: 2, ...options });
  later(() => client.close());
  return client;
}

export interface ListedRun {
  readonly run: string;
  readonly command: string;
  readonly status: string;
  readonly outputBytes: number;
}

/** Gives the runs of the first page. */
export async function runsOf(client: Pick<Client, "runs">): Promise<readonly ListedRun[]> {
  const answer: unknown = await client.runs();
  return (Array.isArray(answer) ? answer : (answer as { runs: unknown }).runs) as readonly ListedRun[];
}

export interface LogLine {
  readonly runId: string;
  readonly command: string;
  readonly status: string;
  readonly outputBytes?: number;
}

/** Every line has to be whole JSON. */
export function linesOf(file: string): LogLine[] {
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as LogLine);
}

/** Ends of each run, in the order in which they were written. */
export function endsOf(lines: readonly LogLine[]): Map<string, string[]> {
  const ends = new Map<string, string[]>();
  for (const { runId, status } of lines) {
    const list = ends.get(runId) ?? [];
    if (status !== "running") list.push(status);
    ends.set(runId, list);
  }
  return ends;
}

export function textOfFolder(folder: string): string {
  return readdirSync(folder, { recursive: true, encoding: "utf8", withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(path.join(entry.parentPath, entry.name), "latin1"))
    .join("\n");
}

// @ts-check
/** What the examples and their tests need around a service: a folder, a process, and a clean end of both. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const packageFolder = fileURLToPath(new URL("../..", import.meta.url));
/** @typedef {[code: number | null, signal: string | null]} Ending */

/** The file that `npx iscep` runs. */
const commandLine = join(packageFolder, "dist/cli/main.js");

/**
 * Makes a copy of examples/world in a temporary folder, as if somebody had installed iscep there. `environment` is for
 * everything that runs in it, so that iscep keeps all its files in that folder.
 */
export async function makeWorldFolder() {
  const folder = await mkdtemp(join(tmpdir(), "iscep-world-"));
  await cp(join(packageFolder, "examples/world"), folder, { recursive: true });
  await mkdir(join(folder, "node_modules"));
  await symlink(packageFolder, join(folder, "node_modules/iscep"), "junction");
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("ISCEP_"));
  const environment = { ...Object.fromEntries(inherited), ISCEP_STATE_DIR: join(folder, "state") };
  return { folder, environment, remove: () => rm(folder, { recursive: true, force: true }) };
}

/**
 * Runs `iscep WORDS` to its end and gives what it printed. Throws when it fails.
 * @param {readonly string[]} words
 * @param {{ folder: string, environment: NodeJS.ProcessEnv }} place
 */
export async function iscep(words, { folder, environment }) {
  return runToEnd([commandLine, ...words], folder, environment);
}

/**
 * Runs a program of Node to its end and gives what it printed. Throws when it fails.
 * @param {readonly string[]} words
 * @param {string} folder
 * @param {NodeJS.ProcessEnv} environment
 */
export async function runToEnd(words, folder, environment) {
  const child = spawn(process.execPath, words, { cwd: folder, env: environment, stdio: ["ignore", "pipe", "pipe"] });
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
  const [code, signal] = /** @type {Ending} */ (await once(child, "close"));
  if (code !== 0) throw new Error(`${words[1] ?? words[0]} ended with ${signal ?? code}: ${stderr()}${stdout()}`);
  return stdout();
}

/**
 * Starts `iscep serve WORDS` and resolves when it listens.
 * @param {readonly string[]} words
 * @param {{ folder: string, environment: NodeJS.ProcessEnv }} place
 */
export async function startServer(words, { folder, environment }) {
  const server = spawn(process.execPath, [commandLine, "serve", "--json", ...words], {
    cwd: folder,
    env: environment,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const stderr = collect(server.stderr);
  const ended = once(server, "close");
  const kill = () => server.kill("SIGKILL");
  process.once("exit", kill);
  let said = "";
  for await (const line of createInterface({ input: server.stdout })) {
    said += line;
    const { event, url } = /** @type {{ event: string, url: string }} */ (JSON.parse(line));
    if (event !== "listening") continue;
    server.stdout.resume();
    return { url, pid: server.pid, stop };
  }
  await ended;
  throw new Error(`the server did not start: ${said}${stderr()}`);

  /** Ends the server in good order. Returns how it ended, and what it printed for people. */
  async function stop() {
    server.kill("SIGTERM");
    const [code, signal] = /** @type {Ending} */ (await ended);
    process.off("exit", kill);
    return { code, signal, stderr: stderr() };
  }
}

/** @param {import("node:stream").Readable} stream */
function collect(stream) {
  let text = "";
  stream.setEncoding("utf8").on("data", (/** @type {string} */ chunk) => (text += chunk));
  return () => text;
}

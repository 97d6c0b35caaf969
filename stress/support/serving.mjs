// @ts-check
/** Servers in processes of their own, and what the system says of a process. */
import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { addToken } from "#iscep/identity/tokens-writer";

/** @typedef {{ host: string, port: number, tls: boolean }} Target */
/** @typedef {{ rss: number, heapUsed: number, external: number, resources: number }} Memory */

const MiB = 1024 * 1024;

/** The first message that it sends. @param {import("node:child_process").ChildProcess} child @returns {Promise<unknown>} */
export function messageOf(child) {
  return new Promise((resolve, reject) => {
    const ended = (/** @type {unknown} */ code) => {
      child.off("message", said);
      reject(new Error(`a program ended with ${String(code)} before it said anything`));
    };
    const said = (/** @type {unknown} */ message) => {
      child.off("exit", ended);
      resolve(message);
    };
    child.once("exit", ended);
    child.once("message", said);
  });
}

export function temporaryFolder() {
  return mkdtempSync(path.join(tmpdir(), "iscep-stress-"));
}

/** The server of the library (server.mjs); with `tokens` it has a token of alice. */
export class StressServer {
  /** @param {import("node:child_process").ChildProcess} child @param {string} folder @param {{ url: string, port: number }} said @param {boolean} tls @param {string} token */
  constructor(child, folder, said, tls, token) {
    this.child = child;
    this.folder = folder;
    this.url = said.url;
    this.token = token;
    this.pid = child.pid ?? 0;
    /** @type {Target} */
    this.target = { host: "127.0.0.1", port: said.port, tls };
    this.exited = once(child, "exit");
  }

  get isAlive() {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** After a collection of garbage. @returns {Promise<Memory>} */
  async memory() {
    const answer = messageOf(this.child);
    this.child.send("memory");
    return /** @type {Memory} */ (await answer);
  }

  async close() {
    if (this.isAlive) this.child.disconnect();
    const timer = setTimeout(() => this.child.kill("SIGKILL"), 20_000);
    if (this.isAlive) await this.exited;
    clearTimeout(timer);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/**
 * @param {Record<string, unknown> & { tls?: boolean, tokens?: boolean, limits?: Record<string, number> }} [options] those of
 *   `Server`; `tokens: true` makes a file with one token
 */
export async function startServer({ tls = false, tokens = false, ...options } = {}) {
  const folder = temporaryFolder();
  const file = path.join(folder, "tokens.json");
  const token = tokens ? (await addToken(file, { owner: "alice" })).token : "";
  const given = {
    port: 0,
    tls,
    stateFolder: folder,
    logs: path.join(folder, "logs"),
    ...(tokens ? { tokens: file } : {}),
    ...options,
  };
  const program = path.join(import.meta.dirname, "server.mjs");
  const child = fork(program, [folder, JSON.stringify(given)], {
    execArgv: ["--expose-gc"],
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  let said = "";
  child.stderr?.on("data", (/** @type {Buffer} */ chunk) => (said = (said + chunk.toString()).slice(-4_000)));
  try {
    const address = /** @type {{ url: string, port: number }} */ (await messageOf(child));
    return new StressServer(child, folder, address, tls, token);
  } catch (error) {
    throw new Error(`the server did not start: ${said}`, { cause: error });
  }
}

/** Runs `measure` with a server, and closes it whatever happens. @template Result @param {Parameters<typeof startServer>[0]} options @param {(server: StressServer) => Promise<Result>} measure */
export async function withServer(options, measure) {
  const server = await startServer(options);
  try {
    return await measure(server);
  } finally {
    await server.close();
  }
}

/**
 * A port that is free now. It is given up and taken again while servers are killed. Systems choose ports from 32768 on
 * (Linux), so none of their own connections takes it meanwhile.
 * @returns {Promise<number>}
 */
export async function freePort() {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = 10_000 + Math.floor(Math.random() * 9_000);
    const server = createServer().listen(port, "127.0.0.1");
    try {
      await once(server, "listening");
    } catch {
      continue;
    }
    server.close();
    await once(server, "close");
    return port;
  }
  throw new Error("no port was free");
}

/** `iscep serve` in a folder that has an iscep.yaml. */
export class ServeProcess {
  stderr = "";
  stdout = "";

  /** @param {string} folder @param {readonly string[]} [words] */
  constructor(folder, words = []) {
    const main = path.join(import.meta.dirname, "../../dist/cli/main.js");
    this.child = spawn(process.execPath, [main, "serve", ...words], {
      cwd: folder,
      env: { PATH: process.env["PATH"], HOME: folder, ISCEP_STATE_DIR: path.join(folder, "state") },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.pid = this.child.pid ?? 0;
    this.child.stderr.on("data", (/** @type {Buffer} */ chunk) => (this.stderr += chunk.toString()));
    this.exited = /** @type {Promise<{ code: number | null, signal: string | null }>} */ (
      new Promise((resolve) => this.child.once("exit", (code, signal) => resolve({ code, signal })))
    );
    this.url = /** @type {Promise<string>} */ (
      new Promise((resolve, reject) => {
        this.child.stdout.on("data", (/** @type {Buffer} */ chunk) => {
          this.stdout += chunk.toString();
          const [, url] = /listening on (\S+)/.exec(this.stdout) ?? [];
          if (url !== undefined) resolve(url);
        });
        void this.exited.then(() => reject(new Error(`iscep serve ended: ${this.stdout}${this.stderr}`)));
      })
    );
    this.url.catch(() => {});
  }

  get isAlive() {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** @param {NodeJS.Signals} signal */
  async end(signal = "SIGTERM") {
    if (this.isAlive) this.child.kill(signal);
    const timer = setTimeout(() => this.child.kill("SIGKILL"), 30_000);
    const how = await this.exited;
    clearTimeout(timer);
    return how;
  }
}

/** An iscep.yaml and the scripts that it names. @param {string} yaml @param {Record<string, string>} [scripts] */
export function serviceFolder(yaml, scripts = {}) {
  const folder = temporaryFolder();
  writeFileSync(path.join(folder, "iscep.yaml"), yaml);
  for (const [name, lines] of Object.entries(scripts))
    writeFileSync(path.join(folder, name), `#!/bin/sh\n${lines}\n`, { mode: 0o700 });
  return folder;
}

/** @param {number} pid */
export function rssBytes(pid) {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilobytes) * 1024;
}

/** @param {number} pid */
export function descriptorsOf(pid) {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Follows the memory of a process until it is told to stop. @param {number} pid */
export function watchRss(pid) {
  const before = rssBytes(pid);
  let top = before;
  const timer = setInterval(() => {
    try {
      top = Math.max(top, rssBytes(pid));
    } catch {
      // It has ended, and the measurement notices that.
    }
  }, 20);
  return {
    before,
    stop() {
      clearInterval(timer);
      return { growthBytes: top - before, topBytes: top };
    },
  };
}

/** Living processes of a process, itself among them. @param {number} root */
export function descendantsOf(root) {
  /** @type {Map<number, number[]>} */
  const children = new Map();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const [state, parent] = readFileSync(`/proc/${name}/stat`, "latin1").split(") ").at(-1)?.split(" ") ?? [];
      if (state === "Z" || state === "X") continue;
      children.set(Number(parent), [...(children.get(Number(parent)) ?? []), Number(name)]);
    } catch {
      // It ended while we looked.
    }
  }
  /** @type {number[]} */
  const found = [];
  const look = (/** @type {number} */ pid) => {
    for (const child of children.get(pid) ?? []) {
      found.push(child);
      look(child);
    }
  };
  look(root);
  return found;
}

/** @param {readonly number[]} numbers @param {number} share */
export function percentile(numbers, share) {
  const sorted = numbers.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** @param {number} bytes */
export function inMiB(bytes) {
  return `${(bytes / MiB).toFixed(1)} MiB`;
}

/** @param {() => boolean | Promise<boolean>} condition @param {number} timeoutMs @returns {Promise<number>} how long it took; Infinity when it did not come */
export async function until(condition, timeoutMs) {
  const fromMs = performance.now();
  while (performance.now() - fromMs < timeoutMs) {
    if (await condition()) return performance.now() - fromMs;
    await sleep(5);
  }
  return Number.POSITIVE_INFINITY;
}

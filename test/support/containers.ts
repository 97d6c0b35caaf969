/**
 * Containers without an engine: a process with a network, a root folder and process numbers of its own, as an engine
 * makes them. Nothing of it has a name outside: when the process has ended, all of it is gone.
 */
import { execFileSync, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmdirSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { imageSettings } from "./dockerfile.js";

const checkout = process.cwd();
export const image = imageSettings("examples/container/Dockerfile");

/** Why there can be no containers here; undefined when there can. */
export function whyNoContainers(): string | undefined {
  if (process.platform !== "linux") return "containers are Linux's";
  if (process.getuid?.() !== 0) return "only root may make network and mount namespaces; run this as root";
  const missing = ["ip", "unshare", "nsenter", "setpriv", "chroot", "mount", "tini"].filter(
    (program) => spawnSync("sh", ["-c", `command -v ${program}`]).status !== 0,
  );
  if (missing.length > 0)
    return `${missing.join(", ")} missing; they are in Debian's iproute2, util-linux, coreutils and tini`;
  const tried = spawnSync("unshare", ["--net", "--mount", "--pid", "--fork", "true"], { encoding: "utf8" });
  return tried.status === 0 ? undefined : `this machine refuses namespaces: ${tried.stderr}`;
}

export interface Folder {
  /** The path on the host. */
  readonly from: string;
  readonly to: string;
  readonly readOnly?: boolean;
}

export interface ContainerOptions {
  /** Default: the image's user, and its entrypoint. */
  readonly user?: { readonly uid: number; readonly gid: number };
  readonly entrypoint?: readonly string[];
  readonly groups?: readonly number[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly folders?: readonly Folder[];
  /** Lines of /etc/hosts. */
  readonly hosts?: string;
  /** What follows the entrypoint. */
  readonly words: readonly string[];
}

export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Container {
  readonly #child: ChildProcess;
  readonly #options: ContainerOptions;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #lines: string[] = [];
  readonly #ended: Promise<unknown[]>;
  readonly #killAtExit = (): void => this.#kill();
  #stderr = "";

  constructor(options: ContainerOptions) {
    this.#options = options;
    const { user = image.user, groups = [], folders = [], hosts = "", words } = options;
    const entrypoint = options.entrypoint ?? image.entrypoint;
    this.#environment = { PATH: "/opt/bin:/usr/bin:/usr/sbin", ...image.environment, ...options.environment };
    const root = mkdtempSync(path.join(os.tmpdir(), "iscep-container-"));
    const program = ["sh", "test/support/programs/root-folder.sh", root, process.execPath, checkout];
    program.push(`127.0.0.1 localhost\n${hosts}`, path.join(checkout, "examples/container/iscep.yaml"));
    program.push(String(user.uid), String(user.gid), groups.join());
    for (const { from, to, readOnly = false } of folders) program.push(from, to, readOnly ? "ro" : "rw");
    program.push("--", ...entrypoint, ...words);
    const walls = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"];
    const child = spawn("unshare", [...walls, ...program], {
      env: { ...this.#environment, PATH: `${this.#environment["PATH"]}:${process.env["PATH"]}` },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    child.stderr.setEncoding("utf8").on("data", (text: string) => (this.#stderr += text));
    createInterface({ input: child.stdout }).on("line", (line) => this.#lines.push(line));
    process.once("exit", this.#killAtExit);
    this.#ended = once(child, "close").finally(() => {
      process.off("exit", this.#killAtExit);
      rmdirSync(root); // the mount has gone with its namespace; what is not empty now would be ours, and left
    });
  }

  /** What it wrote to standard error so far. */
  get stderr(): string {
    return this.#stderr;
  }

  /** Its process 1, as the host counts. @throws when it has ended */
  get pid(): number {
    const parent = this.#child.pid ?? 0;
    const pid = Number(readFileSync(`/proc/${parent}/task/${parent}/children`, "utf8"));
    if (pid <= 1) throw new Error(`the container has ended: ${this.#stderr}`);
    return pid;
  }

  /** Its first lines on standard output, as many as `count`. */
  async lines(count: number): Promise<readonly string[]> {
    let over = false;
    const ended = this.#ended.then(() => (over = true));
    while (this.#lines.length < count) {
      if (over) throw new Error(`the container ended too early: ${this.#stderr}`);
      if (this.#child.stdout) await Promise.race([once(this.#child.stdout, "data"), ended]);
    }
    return this.#lines;
  }

  /** A network interface in this container, connected to one of `other`, or of the host. Both get addresses of a /30. */
  connectNetwork(name: string, address: string, other: { name: string; address: string; container?: Container }): void {
    const ip = (...words: readonly string[]): void => void execFileSync("ip", words, { stdio: "pipe" });
    const elsewhere = other.container === undefined ? [] : ["netns", String(other.container.pid)];
    ip(
      "link",
      "add",
      "name",
      other.name,
      ...elsewhere,
      "type",
      "veth",
      "peer",
      "name",
      name,
      "netns",
      String(this.pid),
    );
    addAddress(this.pid, name, address);
    addAddress(other.container?.pid, other.name, other.address);
  }

  /** A program in this container, as its user or another one. */
  async run(words: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Ended> {
    const { user = image.user, groups = [] } = this.#options;
    const rights = ["--reuid", String(user.uid), "--regid", String(user.gid)];
    rights.push(...(groups.length === 0 ? ["--clear-groups"] : ["--groups", groups.join()]));
    const enter = ["--target", String(this.pid), "--net", "--mount", "--pid", "--root", "--wd=/"];
    const child = spawn("nsenter", [...enter, "setpriv", ...rights, "--no-new-privs", "--", ...words], {
      env: { ...this.#environment, PATH: `${this.#environment["PATH"]}:${process.env["PATH"]}`, ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    const [code, signal] = (await once(child, "close")) as [number | null, string | null];
    return { code, signal, stdout, stderr };
  }

  /** SIGTERM to its process 1, as `docker stop` does it. The exit code is that of process 1. */
  async stop(): Promise<number | null> {
    process.kill(this.pid, "SIGTERM");
    const [code] = (await this.#ended) as [number | null];
    return code;
  }

  /** For the end of a test: at once, and whether it runs or not. */
  async remove(): Promise<void> {
    this.#kill();
    await this.#ended;
  }

  #kill(): void {
    try {
      // Process 1 takes all others of its container with it.
      process.kill(this.pid, "SIGKILL");
    } catch {
      // It has ended.
    }
  }
}

function addAddress(pid: number | undefined, name: string, address: string): void {
  const words = ["ip", "-batch", "-"];
  const [program = "", ...args] = pid === undefined ? words : ["nsenter", "--target", String(pid), "--net", ...words];
  execFileSync(program, args, {
    input: `address add ${address}/30 dev ${name}\nlink set ${name} up\n${pid === undefined ? "" : "link set lo up\n"}`,
    stdio: "pipe",
  });
}

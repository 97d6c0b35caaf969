/** A real nats-server in a folder of its own, on a port that it keeps when it is started again. It ends with the test process. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { later } from "./cleanup.js";
import { ownPort } from "./own-port.js";
import { temporaryFolder } from "./temporary-folder.js";

const folders = [...(process.env["PATH"] ?? "").split(path.delimiter), "/usr/sbin", "/usr/local/bin"];

function programOf(name: string): string | undefined {
  return folders.map((folder) => path.join(folder, name)).find((file) => existsSync(file));
}

/** undefined when it is not installed. NATS_SERVER_PROGRAM names another one, such as a newer version. */
export const natsServerProgram = process.env["NATS_SERVER_PROGRAM"] ?? programOf("nats-server");
/** It kills the server when the thread that started it is gone, even by SIGKILL. */
const setpriv = programOf("setpriv");

export interface NatsServerOptions {
  /** More of its configuration, as text. */
  readonly config?: string;
  /** Keeps streams in its folder. Default: false. */
  readonly jetStream?: boolean;
  readonly maxPayload?: number;
}

export class NatsServer {
  readonly folder: string;
  port = 0;
  #monitorPort = -1;
  #options: NatsServerOptions;
  #child: ChildProcess | undefined;
  #log = "";

  private constructor(folder: string, options: NatsServerOptions) {
    this.folder = folder;
    this.#options = options;
  }

  /** Ended by `cleanUp` after the test. */
  static async start(options: NatsServerOptions = {}): Promise<NatsServer> {
    const server = new NatsServer(temporaryFolder(), options);
    server.port = await ownPort();
    later(() => server.kill("SIGKILL"));
    await server.#start();
    return server;
  }

  /** `nats://127.0.0.1:PORT` */
  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  /** What all its lives have written. */
  get log(): string {
    return this.#log;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  async #start(): Promise<void> {
    if (natsServerProgram === undefined) throw new Error("nats-server is not installed");
    const file = path.join(this.folder, "nats.conf");
    writeFileSync(file, this.#configuration());
    const [program, ...words] = [
      ...(setpriv === undefined ? [] : [setpriv, "--pdeathsig", "KILL", "--"]),
      natsServerProgram,
    ];
    const child = spawn(program ?? "", [...words, "--config", file], {
      cwd: this.folder,
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#child = child;
    let log = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      log += text;
      this.#log += text;
    });
    const exited = once(child, "exit");
    while (!log.includes("Server is ready") && child.exitCode === null && child.signalCode === null) {
      await Promise.race([once(child.stderr, "data"), exited]);
    }
    if (child.exitCode === null && child.signalCode === null) {
      this.#monitorPort = Number(/http monitor on 127\.0\.0\.1:(\d+)/.exec(log)?.[1] ?? -1);
      return;
    }
    throw new Error(`nats-server did not start: ${log}`);
  }

  #configuration(): string {
    const { config = "", jetStream = false, maxPayload } = this.#options;
    return [
      `host: 127.0.0.1`,
      `port: ${this.port}`,
      `http: "127.0.0.1:-1"`,
      ...(jetStream ? [`jetstream { store_dir: "${path.join(this.folder, "jetstream")}" }`] : []),
      ...(maxPayload === undefined ? [] : [`max_payload: ${maxPayload}`]),
      config,
      "",
    ].join("\n");
  }

  /** Ends it, and resolves when it is gone. What JetStream has kept stays. */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill(signal);
    await exited;
  }

  /** Starts it again on the same port, with what is changed in its options. */
  async restart(changed: NatsServerOptions = {}, signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    await this.kill(signal);
    this.#options = { ...this.#options, ...changed };
    await this.#start();
  }

  /** Lets it read its configuration again, with what is changed, while it runs. */
  async reload(changed: NatsServerOptions): Promise<void> {
    this.#options = { ...this.#options, ...changed };
    writeFileSync(path.join(this.folder, "nats.conf"), this.#configuration());
    const before = this.#log.length;
    this.#child?.kill("SIGHUP");
    while (!/Reloaded server configuration|Failed to reload/.test(this.#log.slice(before))) await sleep(10);
  }

  /** What it tells of itself, such as `slow_consumers`. */
  async monitor(page: "varz" | "connz" | "subsz" | "jsz" = "varz"): Promise<Record<string, unknown>> {
    const answer = await fetch(`http://127.0.0.1:${this.#monitorPort}/${page}`);
    return (await answer.json()) as Record<string, unknown>;
  }
}

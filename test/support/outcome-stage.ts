/** Servers of the commands that end in every way, with a teller for each door. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Server } from "iscep";
import { httpDoor } from "iscep/http";
import { natsDoor } from "iscep/nats";
import { later } from "./cleanup.js";
import type { NatsServer } from "./nats-server.js";
import { outcomeServer } from "./programs/outcome-commands.mjs";
import { tokens, writeTokens } from "./servers.js";
import { temporaryFolder } from "./temporary-folder.js";
import {
  clientTeller,
  commandLineTeller,
  httpTeller,
  mcpTeller,
  natsTeller,
  requestTeller,
  version1Teller,
  version2Teller,
  type Places,
  type Teller,
} from "./told.js";
import { until } from "./until.js";

const program = fileURLToPath(new URL("programs/outcome-server.mjs", import.meta.url));

export interface Stage {
  readonly tellers: Readonly<Record<string, Teller>>;
  /** Closes the clients of the tellers. */
  leave(): Promise<void>;
}

/** @param server undefined for one in another process */
export async function openTellers(
  { url, doorUrls }: { readonly url: string; readonly doorUrls: readonly string[] },
  service: string,
  nats: NatsServer | undefined,
  server?: Server,
): Promise<Stage> {
  const steps: (() => unknown)[] = [];
  const places: Places = {
    url,
    origin: (doorUrls.find((each) => each.startsWith("http")) ?? "").replace(/\/$/, ""),
    broker: nats?.url ?? "",
    service,
    token: tokens.alice,
    later: (step) => {
      steps.push(step);
      later(step);
    },
  };
  const client = server?.client({ source: "127.0.0.1", token: tokens.alice });
  if (client !== undefined) places.later(() => client.close());
  const tellers: Record<string, Teller> = {
    "version 2": await version2Teller(places),
    "version 1": await version1Teller(places),
    HTTP: httpTeller(places),
    MCP: mcpTeller(places),
    "command line": commandLineTeller(places),
    ...(client === undefined ? {} : { "in process": clientTeller(client) }),
    ...(nats === undefined ? {} : { "NATS session": await natsTeller(places) }),
    ...(nats === undefined ? {} : { "NATS request": await requestTeller(places) }),
  };
  const leave = async (): Promise<void> => {
    for (const step of steps) await step();
  };
  return { tellers, leave };
}

export function outcomeFolder(): string {
  const folder = temporaryFolder();
  writeTokens(path.join(folder, "tokens.json"), tokens);
  return folder;
}

export async function startHere(
  folder: string,
  nats: NatsServer | undefined,
): Promise<Stage & { readonly server: Server }> {
  const doors = [httpDoor(), ...(nats === undefined ? [] : [natsDoor({ url: nats.url, name: "here" })])];
  const server = outcomeServer(folder, { doors, limits: { maxRuns: places, killGraceMs: 20_000 } });
  later(() => server.close({ graceMs: 0 }));
  const listening = await server.listen();
  return { ...(await openTellers(listening, "here", nats, server)), server };
}

/** How many runs go on at once. Further ones wait. */
export const places = 3;

/** The same in a process of its own, which can be killed. */
export async function startThere(
  folder: string,
  port: number,
  nats: NatsServer | undefined,
): Promise<{ readonly url: string; readonly doorUrls: readonly string[]; kill(): Promise<void> }> {
  const words = [program, folder, String(port), ...(nats === undefined ? [] : [nats.url])];
  const child: ChildProcess = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await exited;
  };
  later(kill);
  const [line] = (await Promise.race([once(child.stdout!, "data"), exited])) as [unknown];
  return { ...(JSON.parse(String(line)) as { url: string; doorUrls: readonly string[] }), kill };
}

/** The files with which a test holds runs. */
export class Gates {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  has(mark: string, what: "begun" | "ready" | "stopping"): Promise<void> {
    return until(() => existsSync(path.join(this.#folder, `${mark}.${what}`)), `${mark} is not ${what}`);
  }

  open(mark: string): void {
    writeFileSync(path.join(this.#folder, `${mark}.go`), "");
  }
}

/** A command with concurrency, and what its callers are told. */
import { z } from "zod";
import { defineCommand, type Command, type ConcurrencyDefinition } from "iscep";
import type { RunHandle } from "#iscep/client/protocol/run-handle";
import { startServer, type TestServerOptions } from "./servers.js";

export type Work = { readonly world: string; readonly note: string };

/** A backup that says so, and waits until the test lets it go; several of one world at once would show. */
export function backup(concurrency: ConcurrencyDefinition<Work>) {
  const open = new Map<string, () => void>();
  const begun: string[] = [];
  const listeners: (() => void)[] = [];
  const reasons: string[] = [];
  const command = defineCommand({
    name: "back_up",
    args: z.object({ world: z.string(), note: z.string().default("") }),
    concurrency,
    run: async ({ world, note }, { output, progress, signal }) => {
      const id = `${world}${note}`;
      begun.push(id);
      for (const listener of listeners.splice(0)) listener();
      await output.write("stdout", `packing ${id}\n`);
      progress(0.5, "packing");
      await new Promise<void>((resolve, reject) => {
        open.set(id, resolve);
        const stop = () => {
          reasons.push((signal.reason as Error).message);
          reject(signal.reason as Error);
        };
        if (signal.aborted) stop();
        else signal.addEventListener("abort", stop);
      });
      await output.write("stderr", "done\n");
      return id;
    },
  });
  return {
    command,
    begun,
    reasons,
    end: (id: string) => open.get(id)?.(),
    async whenBegun(count: number): Promise<void> {
      while (begun.length < count) await new Promise<void>((resolve) => listeners.push(resolve));
    },
  };
}

export async function serve(command: Command, limits: TestServerOptions["limits"] = {}) {
  const server = await startServer({ commands: [command], limits: { queuePositionIntervalMs: 10, ...limits } });
  return { server, client: await server.client({ protocol: 2 }) };
}

/** The positions that a call was told, and a wait for one of them. */
export function positionsOf(run: RunHandle) {
  const told: number[] = [];
  const waiting: (() => void)[] = [];
  run.onQueued((position) => {
    told.push(position);
    for (const look of waiting.splice(0)) look();
  });
  return {
    told,
    async until(position: number): Promise<void> {
      while (!told.includes(position)) await new Promise<void>((resolve) => waiting.push(resolve));
    },
  };
}

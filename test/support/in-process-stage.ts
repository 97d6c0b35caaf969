/** A client of a server, over a socket or in its process, and commands for it. */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { connect, declareArguments, defineCommand, defineScript, IscepError, type Client } from "iscep";
import { later } from "./cleanup.js";
import { gate, originalTasks } from "./commands.js";
import { writer } from "./output.js";
import { startServer, tokens, type TestServer, type TestServerOptions } from "./servers.js";

export interface Stage {
  readonly client: Client;
  readonly server: TestServer;
  /** Another client over the same way. */
  another(token?: string | null): Promise<Client>;
  readonly gate: ReturnType<typeof gate>;
  readonly writer: ReturnType<typeof writer>;
}

export type Way = "socket" | "in process";

export async function stageFor(way: Way, options: TestServerOptions): Promise<Stage> {
  const slow = gate();
  const writes = writer();
  const commands = [
    ...originalTasks,
    slow.command,
    writes.command,
    echoInput,
    progress,
    refuses,
    noJson,
    details,
    script,
    one,
  ];
  const server = await startServer({ commands, ...options });
  const another = async (token: string | null = tokens.alice): Promise<Client> => {
    const client =
      way === "socket"
        ? await connect(server.url, { protocol: 2, limits, ...(token === null ? {} : { token }) })
        : server.server.client({ token, source: "127.0.0.1" });
    later(() => client.close());
    return client;
  };
  return { client: await another(), server, another, gate: slow, writer: writes };
}

export const echoInput = defineCommand({
  name: "echo_input",
  run: async (_args, { stdin, output }) => {
    let bytes = 0;
    for await (const chunk of stdin) {
      bytes += chunk.length;
      await output.write("stdout", chunk);
    }
    return bytes;
  },
});

export const progress = defineCommand({
  name: "progress",
  run: async (_args, context) => {
    context.progress(0.25, "first");
    await sleep(1);
    await context.output.write("stderr", "half\n");
    context.progress(0.5);
    await sleep(1);
    return context.identity;
  },
});

export const refuses = defineCommand({
  name: "refuses",
  args: z.object({ code: z.enum(["busy", "failed", "timeout"]) }),
  run: ({ code }): string => {
    throw new IscepError(code, `it says ${code}`);
  },
});

export const details = defineCommand({
  name: "details",
  args: declareArguments({ kind: { type: "string" }, password: { type: "secret", optional: true } }),
  run: ({ kind, password }): string => {
    const kinds: Record<string, Readonly<Record<string, unknown>>> = {
      plain: { world: "end", steps: [1, { deep: null }] },
      "the protocol's names": { status: "completed", run: "mine", other: 1 },
      "too large": { text: "x".repeat(5_000) },
      "no JSON": { count: 10n },
      secret: { hint: `it begins with ${password ?? ""}` },
    };
    throw new IscepError("failed", "it says why", { details: kinds[kind] ?? {} });
  },
});

export const noJson = defineCommand({ name: "no_json", run: () => ({ deep: Number.NaN }) });

export const script = defineScript({ name: "script", run: ["/bin/sh", "-c", "echo out; echo err >&2; exit 3"] });

export const one = defineCommand({
  name: "one",
  concurrency: { limit: 1, whenFull: "queue" },
  run: (_args, { signal }) =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, 30);
      signal.addEventListener("abort", () => clearTimeout(timer));
    }),
});

export const never = "01900000-0000-7000-8000-000000000000";

/** It is the server that ends a run at its timeout, however busy the machine is. */
export const limits = { callerGraceMs: 30, answerGraceMs: 20_000 };

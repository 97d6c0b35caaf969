import type { Client } from "../../client/client.js";
import { IscepError, isIscepError, type ErrorCode } from "../../errors.js";
import { resolveLimits } from "../../limits/limits.js";
import { durationMs } from "../arguments/option-values.js";
import { addClientOptions, openClient, type ClientOptions } from "../calling/client-options.js";
import { interruptible } from "../terminal/interrupt.js";
import type { DefineVerb } from "../terminal/invocation.js";
import { warn } from "../terminal/streams.js";
import { surroundings } from "../terminal/surroundings.js";

interface McpOptions extends ClientOptions {
  readonly answerWithin?: number;
  readonly yes?: boolean;
}

const explanation = `
Speaks MCP on standard input and output, for an assistant that starts it. Every command that this caller may run is a
tool, except those with \`hidden_from: [mcp]\`. In the configuration of a desktop client:

  { "mcpServers": { "backups": { "command": "iscep", "args": ["mcp", "--server", "backups"] } } }

\`iscep login backups ADDRESS\` keeps address and token beforehand. A server with \`http: true\` speaks MCP at /mcp too.`;

export const define: DefineVerb = (command, invocation) => {
  addClientOptions(command)
    .option(
      "--answer-within <duration>",
      "how long a call waits before its answer is the id of the run (default: 45s; some clients give up after 60s)",
      durationMs,
    )
    .option("--yes", "let commands that want to be confirmed run, because the client itself asks before each call")
    .addHelpText("after", explanation)
    .action(async (options: McpOptions) => {
      if (options.protocol === "1") throw new IscepError("usage", "MCP needs version 2 of the protocol");
      await interruptible(invocation, (signal) => serve(options, signal));
    });
};

async function serve(options: McpOptions, signal: AbortSignal): Promise<void> {
  const limits = resolveLimits(options.answerWithin === undefined ? {} : { mcpAnswerMs: options.answerWithin });
  const connection = new Connection({ ...options, protocol: "2" }, signal);
  try {
    await connection.client().catch(warnUnlessPermanent);
    const { serveMcpStreams } = await import("../../doors/mcp/stdio.js");
    const { stdin, stdout } = surroundings();
    await serveMcpStreams({
      input: stdin,
      output: stdout,
      limits,
      isConfirmed: options.yes === true,
      client: () => connection.client(),
      onFault: ({ message }) => void warn(message),
      signal,
    });
  } finally {
    await connection.close();
  }
}

/** An assistant starts this once and keeps it, so a server that is down now may be there for the next call. */
const passing: readonly ErrorCode[] = ["connect_failed", "timeout", "busy", "closed"];

async function warnUnlessPermanent(error: unknown): Promise<void> {
  if (!isIscepError(error) || !passing.includes(error.code)) throw error;
  await warn(`${error.message}; it is tried again with each call`);
}

/** One client for all requests. An attempt that failed is made again for the next request. */
class Connection {
  readonly #options: McpOptions;
  readonly #signal: AbortSignal;
  #client: Promise<Client> | undefined;

  constructor(options: McpOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
  }

  client(): Promise<Client> {
    this.#client ??= openClient(this.#options, this.#signal).catch((error: unknown) => {
      this.#client = undefined;
      throw error;
    });
    return this.#client;
  }

  async close(): Promise<void> {
    const client = await this.#client?.catch(() => undefined);
    await client?.close();
  }
}

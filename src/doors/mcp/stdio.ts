/** MCP on two streams, for a client that has started this process. */
import type { Readable, Writable } from "node:stream";
import type { Server } from "@modelcontextprotocol/server";
import { serveStdio, StdioServerTransport } from "@modelcontextprotocol/server/stdio";
import type { Client } from "../../client/client.js";
import { toIscepError, type IscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import type { CommandDescription } from "../../model/command.js";
import { mcpServer } from "./server.js";

export interface McpStreamsOptions {
  readonly input: Readable;
  readonly output: Writable;
  readonly limits: Limits;
  /** Every command counts as confirmed, because the client asks its person before each call. */
  readonly isConfirmed: boolean;
  /** The connection to the server, which is made when there is none. */
  client(): Promise<Client>;
  /** Tells of faults that no answer tells. */
  onFault(error: IscepError): void;
  readonly signal: AbortSignal;
}

/** Resolves when the client has closed its end, or at the signal. */
export async function serveMcpStreams(options: McpStreamsOptions): Promise<void> {
  const { input, output, limits, isConfirmed, signal } = options;
  const transport = new Streams(input, output, limits.maxPacketBytes);
  const stop = (): void => void transport.close();
  const changes = new ToolChanges();
  const handle = serveStdio(
    () => {
      const server = mcpServer({
        limits,
        isConfirmed,
        tellsChanges: true,
        caller: async () => ({ client: await options.client(), limits }),
        looked: (descriptions, isTold) => changes.looked(descriptions, isTold),
      });
      changes.server = server;
      return server;
    },
    { transport, onerror: (error) => options.onFault(toIscepError(error)) },
  );
  // No message of version 2 tells that commands have changed.
  const look = setInterval(() => {
    if (!changes.isAsked) return;
    options
      .client()
      .then(async (client) => changes.looked(await client.list(), false))
      // If the server cannot be asked, the next call tells of it.
      .catch(() => {});
  }, limits.mcpToolsMs);
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  await transport.closed;
  clearInterval(look);
  signal.removeEventListener("abort", stop);
  await handle.close();
}

class Streams extends StdioServerTransport {
  readonly closed: Promise<void>;
  #close: (() => void) | undefined;

  constructor(input: Readable, output: Writable, maxBufferSize: number) {
    super(input, output, { maxBufferSize });
    this.closed = new Promise((resolve) => (this.#close = resolve));
  }

  override async close(): Promise<void> {
    await super.close();
    this.#close?.();
  }
}

/** Compares what the client was told with what there is. */
class ToolChanges {
  server: Server | undefined;
  #told: string | undefined;

  get isAsked(): boolean {
    return this.#told !== undefined;
  }

  looked(descriptions: readonly CommandDescription[], isTold: boolean): void {
    const now = JSON.stringify(descriptions);
    const isNews = !isTold && this.#told !== undefined && this.#told !== now;
    if (isTold || isNews) this.#told = now;
    // A client that misses this message asks again by itself.
    if (isNews) this.server?.sendToolListChanged().catch(() => {});
  }
}

/** Clients of the SDK against the MCP door, over each way and in each revision. */
import path from "node:path";
import { PassThrough } from "node:stream";
import {
  Client,
  StreamableHTTPClientTransport,
  type JSONRPCMessage,
  type Transport,
} from "@modelcontextprotocol/client";
import { ReadBuffer, serializeMessage, type CallToolResult, type ElicitResult } from "@modelcontextprotocol/client";
import { connect } from "iscep";
import { httpDoor } from "#iscep/doors/http/door";
import { serveMcpStreams } from "#iscep/doors/mcp/stdio";
import { resolveLimits, type Limits } from "#iscep/limits/limits";
import { later } from "./cleanup.js";
import { until } from "./until.js";
import { readLogs, startServer, tokens, type TestServer, type TestServerOptions } from "./servers.js";

export type Way = "stdio" | "http";
export type Revision = "2025-11-25" | "2026-07-28";

export const everyWay: readonly (readonly [Way, Revision])[] = [
  ["stdio", "2025-11-25"],
  ["stdio", "2026-07-28"],
  ["http", "2025-11-25"],
  ["http", "2026-07-28"],
];

export interface McpServerOptions extends TestServerOptions {
  /** Limits of the server and of `iscep mcp`. */
  readonly limits?: Partial<Limits>;
}

export interface McpTestServer extends TestServer {
  /** The address of MCP over HTTP. */
  readonly mcpUrl: URL;
  readonly mcpLimits: Partial<Limits>;
}

export async function startMcpServer(options: McpServerOptions): Promise<McpTestServer> {
  const server = await startServer({ ...options, doors: [httpDoor({ listen: [{ host: "127.0.0.1", port: 0 }] })] });
  const [base = ""] = server.doorUrls;
  return { ...server, mcpUrl: new URL("mcp", base), mcpLimits: options.limits ?? {} };
}

export interface McpClientOptions {
  readonly token?: string | null;
  /** How the person answers; undefined: the client cannot ask. */
  readonly person?: (message: string) => ElicitResult["action"];
  readonly isConfirmed?: boolean;
  /** The address that `iscep mcp` connects to. Default: the server's own. */
  readonly url?: string;
  readonly whenToolsChange?: () => void;
}

export interface McpClient {
  readonly client: Client;
  /** Breaks the connection without a word. */
  cut(): Promise<void>;
}

export async function mcpClient(
  [way, revision]: readonly [Way, Revision],
  server: McpTestServer,
  options: McpClientOptions = {},
): Promise<McpClient> {
  const { token = tokens.alice, person, whenToolsChange } = options;
  const client = new Client(
    { name: "test", version: "1" },
    {
      capabilities: person === undefined ? {} : { elicitation: { form: {} } },
      versionNegotiation: { mode: revision === "2026-07-28" ? { pin: revision } : "legacy" },
      ...(whenToolsChange === undefined
        ? {}
        : { listChanged: { tools: { autoRefresh: false, onChanged: whenToolsChange } } }),
    },
  );
  if (person !== undefined) {
    client.setRequestHandler("elicitation/create", ({ params }) => ({ action: person(params.message), content: {} }));
  }
  const transport = way === "http" ? overHttp(server, token) : await overStreams(server, token, options);
  await client.connect(transport);
  later(() => client.close());
  return { client, cut: () => transport.close() };
}

function overHttp({ mcpUrl }: McpTestServer, token: string | null): Transport {
  return new StreamableHTTPClientTransport(mcpUrl, {
    requestInit: { headers: token === null ? {} : { authorization: `Bearer ${token}` } },
  });
}

async function overStreams(
  server: McpTestServer,
  token: string | null,
  { isConfirmed = false, url = server.url }: McpClientOptions,
): Promise<Transport> {
  const caller = await connect(url, token === null ? {} : { token });
  const toServer = new PassThrough();
  const toClient = new PassThrough();
  const ending = new AbortController();
  const served = serveMcpStreams({
    input: toServer,
    output: toClient,
    limits: resolveLimits(server.mcpLimits),
    isConfirmed,
    client: async () => caller,
    onFault: () => {},
    signal: ending.signal,
  }).then(() => caller.close());
  later(async () => {
    ending.abort();
    await served;
  });
  return new StreamsTransport(toClient, toServer);
}

class StreamsTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  readonly #input: PassThrough;
  readonly #output: PassThrough;
  readonly #buffer = new ReadBuffer();

  constructor(input: PassThrough, output: PassThrough) {
    this.#input = input;
    this.#output = output;
  }

  async start(): Promise<void> {
    this.#input.on("data", (chunk: Buffer) => {
      this.#buffer.append(chunk);
      for (let message = this.#buffer.readMessage(); message !== null; message = this.#buffer.readMessage())
        this.onmessage?.(message);
    });
  }

  async send(message: JSONRPCMessage): Promise<void> {
    this.#output.write(serializeMessage(message));
  }

  async close(): Promise<void> {
    this.#output.end();
    this.onclose?.();
  }
}

/** Resolves when the server has noticed that a connection of a client is gone. */
export function noticesCut({ folder }: McpTestServer): Promise<void> {
  return until(() => readLogs(path.join(folder, "logs")).includes("the peer closed"));
}

/** All words of an answer. */
export function wordsOf(result: CallToolResult): string {
  return result.content.map((block) => (block.type === "text" ? block.text : `<${block.type}>`)).join("\n");
}

/** The result of a run, however often it takes to wait for it. */
export async function endOf(client: Client, run: string): Promise<CallToolResult> {
  for (;;) {
    const result = await client.callTool({ name: "run_wait", arguments: { run } });
    if (result._meta?.["iscep/status"] !== "running") return result;
  }
}

export function runOf(result: CallToolResult): string {
  const run: unknown = result._meta?.["iscep/run"];
  if (typeof run !== "string") throw new Error(`no run in ${JSON.stringify(result)}`);
  return run;
}

/** Real servers on loopback, each with a folder of its own, closed after the test. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { connect, Server, type Client, type ConnectOptions, type ServerOptions } from "iscep";
import { createCertificate } from "#iscep/identity/certificates";
import { later } from "./cleanup.js";
import { originalTasks } from "./commands.js";
import { rawClient, type RawPeer } from "./raw-peer.js";
import { temporaryFolder } from "./temporary-folder.js";

/** Found in no log, answer or error: the tests that look for it say where. */
export const canary = "canary-3fb1c07e";

/** As the original kept them: owner and token, in clear. */
export const tokens = {
  alice: `${canary}-alice-0123456789abcdef`,
  bob: `${canary}-bob-fedcba9876543210`,
} as const;

let certificate: Promise<{ readonly cert: string; readonly key: string; readonly pin: string }> | undefined;

/** One for all tests of a file: making a key takes longer than most of them. */
export function testCertificate(): Promise<{ readonly cert: string; readonly key: string; readonly pin: string }> {
  certificate ??= createCertificate().then(({ certPem, keyPem, pin }) => ({ cert: certPem, key: keyPem, pin }));
  return certificate;
}

export function writeTokens(file: string, content: unknown): void {
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content), { mode: 0o600 });
}

export interface TestServerOptions extends Omit<ServerOptions, "tls" | "tokens" | "port" | "logs"> {
  /** Default false. */
  readonly tls?: boolean;
  /** Default: `tokens` above. false is a server without. */
  readonly tokens?: Readonly<Record<string, unknown>> | false;
  /** Default true: a folder, so that every test writes logs, and some read them. */
  readonly logs?: boolean;
  readonly port?: number;
}

export interface TestServer {
  readonly server: Server;
  readonly url: string;
  /** The addresses of its `doors`. */
  readonly doorUrls: readonly string[];
  readonly port: number | undefined;
  readonly tls: boolean;
  readonly folder: string;
  readonly tokensFile: string;
  raw(): Promise<RawPeer>;
  client(options?: ConnectOptions): Promise<Client>;
  /** Closes the server, and gives the text of all its logs. */
  logged(): Promise<string>;
}

export async function startServer(options: TestServerOptions = {}): Promise<TestServer> {
  const { tls = false, tokens: owners = tokens, logs = true, ...rest } = options;
  const folder = temporaryFolder();
  const tokensFile = path.join(folder, "tokens.json");
  if (owners !== false) writeTokens(tokensFile, owners);
  const server = new Server({
    commands: originalTasks,
    ...(rest.unix === undefined ? { port: 0, tls: tls ? await testCertificate() : false } : {}),
    ...(owners === false ? {} : { tokens: tokensFile }),
    ...(logs ? { logs: path.join(folder, "logs") } : {}),
    ...rest,
  });
  later(() => server.close({ graceMs: 0 }));
  const { url, port, doorUrls } = await server.listen();
  return {
    server,
    url,
    doorUrls,
    port,
    tls,
    folder,
    tokensFile,
    raw: () => rawClient(rest.unix === undefined ? { port, tls } : { path: rest.unix }),
    async client(clientOptions = {}) {
      // It is the server that ends a run at its timeout. The client must not give it up before, because the machine may
      // be busy.
      const limits = { answerGraceMs: 20_000, ...clientOptions.limits };
      const client = await connect(url, { token: tokens.alice, ...clientOptions, limits });
      later(() => client.close());
      return client;
    },
    async logged() {
      await server.close({ graceMs: 0 });
      return readLogs(path.join(folder, "logs"));
    },
  };
}

export function readLogs(folder: string): string {
  return readdirSync(folder)
    .map((name) => readFileSync(path.join(folder, name), "utf8"))
    .join("");
}

export function logLines(text: string): Record<string, unknown>[] {
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

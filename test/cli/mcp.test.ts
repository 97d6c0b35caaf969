/** `iscep mcp` as an assistant starts it. */
import path from "node:path";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { describe, expect, onTestFinished, test } from "vitest";
import { defineCommand, Server } from "iscep";
import { gate } from "../support/commands.js";
import { ended, environmentOf, iscep, startIscep, type Running } from "../support/iscep.js";
import { mainFile } from "../support/iscep-process.js";
import { wordsOf } from "../support/mcp.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { until } from "../support/until.js";

const hello = defineCommand({ name: "hello", description: "Greet", run: () => "hello" });
const slow = gate("slow");

async function listen(place: { port: number } | { unix: string } = { port: 0 }): Promise<{ readonly url: string }> {
  const server = new Server({ ...place, tls: false, commands: [hello, slow.command] });
  onTestFinished(() => server.close({ graceMs: 0 }));
  return server.listen();
}

interface Session {
  readonly child: Running;
  readonly lines: string[];
  ask(method: string, params?: object): Promise<Record<string, unknown>>;
}

function session(words: readonly string[]): Session {
  const child = startIscep(["mcp", ...words], { folder: temporaryFolder() });
  const lines: string[] = [];
  let rest = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    const parts = `${rest}${text}`.split("\n");
    rest = parts.pop() ?? "";
    lines.push(...parts);
  });
  let id = 0;
  return {
    child,
    lines,
    async ask(method, params = {}) {
      id++;
      const own = id;
      child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id: own, method, params })}\n`);
      const answer = (): Record<string, unknown> | undefined =>
        lines.map((line) => JSON.parse(line) as Record<string, unknown>).find((message) => message["id"] === own);
      await until(() => answer() !== undefined);
      return answer() ?? {};
    },
  };
}

const hi = { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "test", version: "1" } };

test("speaks the protocol, and nothing else, on standard output, and ends when its input does", async () => {
  const { url } = await listen();
  const { child, lines, ask } = session(["--url", url]);
  expect(await ask("initialize", hi)).toMatchObject({ result: { serverInfo: { name: "iscep" } } });
  child.stdin.write('{"jsonrpc":"2.0","method":"notifications/initialized"}\n');
  expect(await ask("tools/call", { name: "hello" })).toMatchObject({ result: { content: [{ text: "hello" }] } });
  for (const line of lines) expect(JSON.parse(line)).toMatchObject({ jsonrpc: "2.0" });
  const end = ended(child);
  child.stdin.end();
  expect(await end).toMatchObject({ code: 0, stderr: "" });
});

test("--answer-within says when a call answers with the run's id", async () => {
  const { url } = await listen();
  const { ask } = session(["--url", url, "--answer-within", "50ms"]);
  await ask("initialize", hi);
  expect(JSON.stringify(await ask("tools/call", { name: "slow" }))).toContain("still goes on");
  slow.open();
});

test("a server that is down now may be there for the next call", async () => {
  const unix = path.join(temporaryFolder(), "socket");
  const url = `iscep+unix://${unix}`;
  const { child, ask } = session(["--url", url]);
  let warned = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (warned += text));
  await ask("initialize", hi);
  expect(warned).toMatch(/warning: .*it is tried again with each call/);
  const refused = JSON.stringify(await ask("tools/call", { name: "hello" }));
  expect(refused).toMatch(/\(connect_failed\)\. Nothing ran\. The server may be down/);
  expect(await ask("tools/list")).toMatchObject({ error: { data: { code: "connect_failed" } } });
  await listen({ unix });
  expect(JSON.stringify(await ask("tools/call", { name: "hello" }))).toContain('"text":"hello"');
});

test.each<[string, string[], RegExp]>([
  ["version 1", ["--protocol", "1"], /MCP needs version 2 of the protocol/],
  ["a name of no server", ["--server", "nowhere"], /nowhere/],
  ["an address that is none", ["--url", "http://x"], /must begin with iscep:/],
])("%s is refused at once, in words", async (_, words, message) => {
  const { code, stdout, stderr } = await iscep(["mcp", ...words], { folder: temporaryFolder() });
  expect({ code, stdout }).toEqual({ code: 64, stdout: "" });
  expect(stderr).toMatch(message);
});

describe("in a process of its own, as the SDK starts it", () => {
  test.each(["legacy", "auto"] as const)(
    "--server NAME finds the server that `iscep login` kept (%s)",
    async (mode) => {
      const { url } = await listen();
      const folder = temporaryFolder();
      const login = await iscep(["login", "home", url], { folder });
      expect(login).toMatchObject({ code: 0 });
      const transport = new StdioClientTransport({
        command: process.execPath,
        args: [mainFile, "mcp", "--server", "home"],
        env: environmentOf({ folder }),
        stderr: "pipe",
      });
      const client = new Client({ name: "test", version: "1" }, { versionNegotiation: { mode } });
      await client.connect(transport);
      onTestFinished(() => client.close());
      expect(client.getNegotiatedProtocolVersion()).toBe(mode === "auto" ? "2026-07-28" : "2025-11-25");
      expect(wordsOf(await client.callTool({ name: "hello", arguments: {} }))).toBe("hello");
    },
  );
});

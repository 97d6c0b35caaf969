/**
 * The conformance programs of MCP against /mcp. They are installed apart (.ci/mcp-conformance), by `.ci/programs`, because
 * they need Node 22.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { z } from "zod";
import { defineCommand } from "iscep";
import { watchForLeaks } from "../../support/leaks.js";
import { startMcpServer } from "../../support/mcp.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

watchForLeaks();

const folder = path.resolve(".ci/mcp-conformance");
const program = path.join(folder, "node_modules/@modelcontextprotocol/conformance/dist/index.js");
const isTooOld = Number(process.versions.node.split(".", 1)[0]) < 22;
const isMissing = !existsSync(program) && process.env["CI"] === undefined;

/** The commands that the programs expect, by their names. */
const commands = [
  defineCommand({
    name: "test_simple_text",
    description: "Answers with a text",
    run: () => "This is a simple text response for testing.",
  }),
  defineCommand({
    name: "test_error_handling",
    description: "Fails",
    run: () => {
      throw new Error("This tool intentionally returns an error for testing");
    },
  }),
  defineCommand({
    name: "test_tool_with_progress",
    description: "Tells how far it is",
    run: async (_, { progress }) => {
      for (const fraction of [0, 0.5, 1]) {
        progress(fraction);
        await sleep(400);
      }
      return "done";
    },
  }),
  defineCommand({
    name: "json_schema_2020_12_tool",
    description: "Tool with JSON Schema 2020-12 features",
    args: z.strictObject({
      name: z.string().optional(),
      address: z
        .object({ street: z.string().optional(), city: z.string().optional() })
        .meta({ id: "address" })
        .optional(),
    }),
    run: () => "fine",
  }),
];

test.skipIf(isTooOld || isMissing)("every scenario about what this server offers passes", async () => {
  const limits = { mcpNewsIntervalMs: 1, mcpProgressIntervalMs: 10_000 };
  const server = await startMcpServer({ commands, tokens: false, limits });
  const words = ["server", "--url", server.mcpUrl.href, "--suite", "all"];
  const child = spawn(
    process.execPath,
    [program, ...words, "--expected-failures", path.join(folder, "not-offered.yml")],
    { cwd: temporaryFolder(), stdio: ["ignore", "pipe", "pipe"] },
  );
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (said += text));
  const [code]: unknown[] = await once(child, "close");
  // The end has the lists of all that passed, failed, and failed as it should.
  expect(code, said.slice(-4_000)).toBe(0);
  expect(said).toContain("dns-rebinding-protection");
});

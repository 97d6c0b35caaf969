/** docs/MCP.md says what the program takes and what the limits are. What it prints there is in sessions.test.ts. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { toSnakeCase } from "#iscep/configuration/arguments";
import { ownToolNames } from "#iscep/doors/mcp/own-tools";
import { mcpLimits } from "#iscep/limits/mcp";
import { iscep } from "../support/iscep.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const texts = ["docs/MCP.md", "README.md"].map((file) => readFileSync(file, "utf8"));
const [text = ""] = texts;

interface ClientConfiguration {
  readonly mcpServers: Readonly<
    Record<string, { readonly command?: string; readonly args?: string[]; readonly url?: string }>
  >;
}

const configurations = [...texts.join("\n").matchAll(/^```json\n([^]*?)^```$/gm)].map(
  ([, json = ""]) => JSON.parse(json) as ClientConfiguration,
);

test("each configuration of a client starts a program that there is, or names the path that there is", async () => {
  expect(configurations.length).toBeGreaterThan(2);
  for (const { mcpServers } of configurations) {
    for (const { command, args = [], url } of Object.values(mcpServers)) {
      if (url !== undefined) expect(new URL(url).pathname).toBe("/mcp");
      if (command === undefined) continue;
      const words = command === "npx" ? args.slice(1) : args;
      expect([command, args[0]]).toEqual(command === "npx" ? ["npx", "iscep"] : ["iscep", "mcp"]);
      expect(await iscep([...words, "--help"], { folder: temporaryFolder() })).toMatchObject({ code: 0, stderr: "" });
    }
  }
});

test("it names each of our own tools, and limits as they are", () => {
  for (const name of ownToolNames) expect(text).toContain(`\`${name}\``);
  const rows = [...text.matchAll(/^\| `(\w+_\w+)` \| (\d+)( s| KiB|) \|/gm)];
  expect(rows.length).toBeGreaterThan(3);
  const units: Readonly<Record<string, number>> = { " s": 1_000, " KiB": 1_024, "": 1 };
  const defaults = Object.fromEntries(
    Object.entries(mcpLimits).map(([name, limit]) => [toSnakeCase(name), limit.default]),
  );
  for (const [, name = "", number = "", unit = ""] of rows)
    expect([name, Number(number) * (units[unit] ?? 0)]).toEqual([name, defaults[name]]);
});

/** Nobody pays at the start for a door that is not open: what it needs is imported when it opens, or when it is first asked. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";

/** The packages that are loaded together with a file, by all files that it imports at once. */
function packagesLoadedWith(file: string): Set<string> {
  const packages = new Set<string>();
  const seen = new Set<string>();
  const visit = (at: string): void => {
    if (seen.has(at)) return;
    seen.add(at);
    const text = readFileSync(at, "utf8");
    for (const [, to = ""] of text.matchAll(/^(?:import|export)\s(?:[^;"]*?\sfrom\s*)?"([^"]+)"/gm)) {
      if (to.startsWith(".")) visit(path.join(path.dirname(at), to));
      else if (!to.startsWith("node:")) packages.add(/^(?:@[^/]+\/)?[^/]+/.exec(to)?.[0] ?? to);
    }
  };
  visit(file);
  return packages;
}

const http = ["hono", "@hono/node-server"];
const nats = ["@nats-io/transport-node", "@nats-io/nats-core", "@nats-io/jetstream", "@nats-io/kv"];
const mcp = ["@modelcontextprotocol/server"];

test.each<[string, string, readonly string[]]>([
  ["the library", "dist/index.js", [...http, ...mcp, ...nats]],
  ["iscep serve", "dist/cli/verbs/serve.js", [...http, ...mcp, ...nats]],
  ["iscep call", "dist/cli/verbs/call.js", [...http, ...mcp, ...nats]],
  ["the command line", "dist/cli/command-line.js", [...http, ...mcp, ...nats]],
  ["the command line in one file", "dist/cli/bundled.js", [...http, ...mcp, "commander", "yaml", "ajv"]],
  ["the HTTP door, before /mcp is asked", "dist/doors/http/door.js", mcp],
  ["iscep mcp, before it has its options", "dist/cli/verbs/mcp.js", [...http, ...mcp]],
])("%s loads no package of a door that is shut", (_, file, shut) => {
  const loaded = packagesLoadedWith(file);
  expect(shut.filter((name) => loaded.has(name))).toEqual([]);
});

test("and the test sees what is loaded", () => {
  expect(packagesLoadedWith("dist/doors/mcp/stdio.js")).toContain("@modelcontextprotocol/server");
  expect(packagesLoadedWith("dist/doors/http/app.js")).toContain("hono");
});

import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";

/** All packages that a built file brings by static imports. What is imported when it is needed does not count. */
function packagesOf(file: string, seen = new Set<string>(), packages = new Set<string>()): Set<string> {
  if (seen.has(file) || !existsSync(file)) return packages;
  seen.add(file);
  for (const [, specifier = ""] of readFileSync(file, "utf8").matchAll(/^(?:import|export)\b[^;]*?"([^"]+)";/gm)) {
    if (specifier.startsWith(".")) packagesOf(path.join(path.dirname(file), specifier), seen, packages);
    else packages.add(specifier);
  }
  return packages;
}

test("who does not use HTTP loads nothing of it", () => {
  expect(packagesOf("dist/server/server.js")).toContain("node:tls");
  for (const file of ["dist/index.js", "dist/server/server.js", "dist/cli/main.js", "dist/cli/verbs/serve.js"]) {
    const packages = [...packagesOf(file)];
    expect([file, packages.filter((name) => /hono|modelcontextprotocol/.test(name))]).toEqual([file, []]);
  }
});

test("who uses it loads hono, and MCP only with its first request", () => {
  const packages = [...packagesOf("dist/doors/http/door.js")];
  expect(packages).toContain("hono");
  expect(packages.filter((name) => name.includes("modelcontextprotocol"))).toEqual([]);
});

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { z } from "zod";

const names = z.record(z.string(), z.string());
const { dependencies, devDependencies } = z
  .object({ dependencies: names, devDependencies: names })
  .parse(JSON.parse(readFileSync("package.json", "utf8")));
const { packages } = z
  .object({ packages: z.record(z.string(), z.object({ license: z.string().optional(), dev: z.boolean().optional() })) })
  .parse(JSON.parse(readFileSync("package-lock.json", "utf8")));
const text = readFileSync("docs/DEPENDENCIES.md", "utf8");

/** The rows of a table, without its head, cell by cell. */
function rowsOf(table: string): string[][] {
  const [, inside = ""] = new RegExp(`<!-- table:${table} -->\n([\\s\\S]*?)<!-- /table -->`).exec(text) ?? [];
  const rows = inside.split("\n").filter((line) => line.startsWith("| "));
  return rows.slice(2).map((row) => row.slice(2, -2).split(" | "));
}

test.each([
  ["runtime", "runtime_dependencies", dependencies],
  ["development", "development_dependencies", devDependencies],
])("DEPENDENCIES.md has every %s dependency, with its licence, size and reason", (_kind, table, wanted) => {
  const rows = rowsOf(table);
  expect(rows.map(([name]) => name)).toEqual(Object.keys(wanted).map((name) => `\`${name}\``));
  for (const [name = "", version, licence, size, , reason] of rows) {
    const installed = z
      .object({ version: z.string(), license: z.string() })
      .parse(JSON.parse(readFileSync(`node_modules/${name.slice(1, -1)}/package.json`, "utf8")));
    expect([name, version, licence]).toEqual([name, installed.version, installed.license]);
    expect(size).toMatch(/^[\d,]+ KiB$/);
    expect(reason?.length, name).toBeGreaterThan(3);
  }
});

test("what comes with iscep has only licences that ask for nothing but their text", () => {
  const permissive = ["0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "Unlicense"];
  const runtime = Object.entries(packages).filter(([place, { dev }]) => place !== "" && dev !== true);
  expect(runtime.length).toBeGreaterThan(10);
  expect(runtime.filter(([, { license }]) => !permissive.includes(license ?? ""))).toEqual([]);
});

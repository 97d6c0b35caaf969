/** A server reads its configuration again at each change, for years. */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { rounds } from "../support/rounds.js";

const command = (index: number): string => `
  c${index}:
    run: [echo, "{a}", "{b}", "--c={c}", "{d}"]
    args:
      a: { type: string, pattern: "([a-z]+-?)+${index}" }
      b: { type: enum, choices: [x, y${index}] }
      c: { type: string, format: date-time }
      d: { type: list, items: { type: integer, minimum: ${index} } }${index > 0 ? "" : result}`;

const result = `
    output: json
    result: { type: object, properties: { n: { type: string, pattern: "^(a+)+$" } } }`;

const reloads = rounds(50, 500, 2_000);

const program = (file: string): string => `
  import { loadConfiguration } from ${JSON.stringify(new URL("../../dist/configuration/configuration.js", import.meta.url).href)};
  const bytes = () => { for (let i = 0; i < 4; i++) gc(); return process.memoryUsage().heapUsed; };
  const reload = async (times) => { for (let i = 0; i < times; i++) await loadConfiguration(${JSON.stringify(file)}); };
  await reload(10);
  const before = bytes();
  await reload(${reloads});
  console.log(bytes() - before);`;

test("reloads of 20 commands leave the memory as it was", async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), "iscep-reload-"));
  try {
    const file = path.join(folder, "iscep.yaml");
    await writeFile(file, `commands:${Array.from({ length: 20 }, (_, index) => command(index)).join("")}\n`);
    const { stdout } = await promisify(execFile)(process.execPath, [
      "--expose-gc",
      "--input-type=module",
      "--eval",
      program(file),
    ]);
    // A compiled check is some 5 KB; 1,000 of them would be 5 MB.
    expect(Number(stdout)).toBeLessThan(3_000_000);
    expect(stdout).toMatch(/^-?\d+\n$/);
  } finally {
    await rm(folder, { recursive: true });
  }
});

// @ts-check
/** Promises that tests hold already: their long form, with many more rounds than a test may take. */
import { spawn } from "node:child_process";
import path from "node:path";

const root = path.join(import.meta.dirname, "../..");

/**
 * @param {readonly string[]} files
 * @param {"" | "short" | "long"} [rounds] how often tests repeat themselves (test/support/rounds.ts)
 * @returns {Promise<{ measured: string, held: boolean }>}
 */
export async function runTests(files, rounds = "") {
  const vitest = path.join(root, "node_modules/vitest/vitest.mjs");
  const words = [vitest, "run", "--project", "main", ...files];
  const child = spawn(process.execPath, words, {
    cwd: root,
    env: { ...process.env, ISCEP_STRESS: rounds },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (/** @type {Buffer} */ chunk) => (said = (said + chunk.toString()).slice(-200_000)));
  await new Promise((resolve) => child.on("close", resolve));
  const [, passed = "0", failed = "0"] = /^(\d+) passed, (\d+) failed, \d+ skipped$/m.exec(said) ?? [];
  const held = child.exitCode === 0 && passed !== "0" && failed === "0";
  if (!held) console.error(said);
  return { measured: `${passed} tests passed, ${failed} failed`, held };
}

// @ts-check
/**
 * `npm run stress`: runs every promise that is too long for the tests, and compares what it measures with what was promised.
 *
 *     npm run stress                    all of them; writes docs/PROMISES.md
 *     npm run stress -- 6 14            these, and replaces their rows
 *     npm run stress -- --short         short forms of all, for .ci/run; writes nothing
 *     npm run stress -- --soak 10m 22   how long the soak takes (default 60s)
 *     npm run stress -- --long 36       tests that repeat themselves, with rounds for a night
 */
import { readdirSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { writeTable } from "./support/table.mjs";

/**
 * @typedef {{ isShort: boolean, isLong: boolean, soakMs: number, slack: number }} Effort `slack`: by how many times more time and memory than promised may be taken, in the short form only
 * @typedef {{ measured: string, held: boolean, note?: string }} Result `note`: what to know of the figure, or why a promise is not held and what can be
 * @typedef {{ number: number, promise: string, promised: string, isOnlyLong?: boolean,
 *   run(effort: Effort): Promise<Result> }} StressPromise
 */

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    short: { type: "boolean", default: false },
    long: { type: "boolean", default: false },
    soak: { type: "string", default: "60s" },
  },
});
const [, amount = "60", unit = "s"] = /^(\d+)(s|m|h)$/.exec(values.soak) ?? [];
// Short forms run beside other work, on whatever machine, and end before a process has its usual size: their times and
// their memory only tell what is far off.
const effort = {
  isShort: values.short,
  isLong: values.long,
  slack: values.short ? 4 : 1,
  soakMs: Number(amount) * (unit === "h" ? 3_600_000 : unit === "m" ? 60_000 : 1_000),
};

const folder = path.join(import.meta.dirname, "promises");
const all = await Promise.all(
  readdirSync(folder)
    .filter((file) => file.endsWith(".mjs"))
    .sort()
    .map(async (file) => /** @type {StressPromise} */ (await import(path.join(folder, file)))),
);
const asked = positionals.length === 0 ? all : all.filter(({ number }) => positionals.includes(String(number)));
const chosen = asked.filter(({ isOnlyLong = false }) => !(values.short && isOnlyLong));
if (chosen.length === 0) {
  console.error(
    `there is no promise ${positionals.join(", ")}; there are ${all.map(({ number }) => number).join(", ")}`,
  );
  process.exit(64);
}

const startedAtMs = performance.now();
let broken = 0;
for (const promise of chosen) {
  const at = new Date();
  const fromMs = performance.now();
  /** @type {Result} */
  let result;
  try {
    result = await promise.run(effort);
  } catch (error) {
    result = { measured: `it failed: ${error instanceof Error ? error.message : String(error)}`, held: false };
    console.error(error);
  }
  if (!result.held) broken++;
  const seconds = (performance.now() - fromMs) / 1_000;
  const head = `${result.held ? "held  " : "BROKEN"}  ${String(promise.number).padStart(2)} ${promise.promise} (${seconds.toFixed(0)} s)`;
  console.log(`${head}\n            promised  ${promise.promised}\n            measured  ${result.measured}`);
  // After each, so that a run which is broken off keeps what it has measured.
  if (!values.short) {
    const numbers = all.map(({ number }) => number);
    writeTable([{ promise, result, seconds, at }], numbers);
  }
}
const seconds = Math.round((performance.now() - startedAtMs) / 1_000);
console.log(`${chosen.length - broken} held, ${broken} broken, in ${seconds} s`);
process.exitCode = broken === 0 ? 0 : 1;

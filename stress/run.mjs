// @ts-check
/**
 * `npm run stress`: runs every promise that is too long for the tests, and compares what it measures with what was promised.
 *
 *     npm run stress                    all of them; writes docs/PROMISES.md
 *     npm run stress -- 6 14            these
 *     npm run stress -- --short         short forms of all, for .ci/run; writes nothing
 *     npm run stress -- --soak 10m 22   how long the soak takes (default 60s)
 *     npm run stress -- --long 36       tests that repeat themselves, with rounds for a night
 */
import { readdirSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";

/**
 * @typedef {{ isShort: boolean, isLong: boolean, soakMs: number, slack: number }} Effort `slack`: by how much times may be longer than promised, in the short form only
 * @typedef {{ measured: string, held: boolean, note?: string }} Result `note`: why a promise is not held, and what can be
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
// Short forms run beside other work, on whatever machine: their times only tell what is far off.
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

const startedAt = new Date();
/** @type {{ promise: StressPromise, result: Result, seconds: number }[]} */
const rows = [];
for (const promise of chosen) {
  const fromMs = performance.now();
  /** @type {Result} */
  let result;
  try {
    result = await promise.run(effort);
  } catch (error) {
    result = { measured: `it failed: ${error instanceof Error ? error.message : String(error)}`, held: false };
    console.error(error);
  }
  const seconds = (performance.now() - fromMs) / 1_000;
  rows.push({ promise, result, seconds });
  const head = `${result.held ? "held  " : "BROKEN"}  ${String(promise.number).padStart(2)} ${promise.promise} (${seconds.toFixed(0)} s)`;
  console.log(`${head}\n            promised  ${promise.promised}\n            measured  ${result.measured}`);
}
const broken = rows.filter(({ result }) => !result.held);
console.log(
  `${rows.length - broken.length} held, ${broken.length} broken, in ${Math.round((Date.now() - startedAt.getTime()) / 1_000)} s`,
);
if (!values.short && positionals.length === 0) write();
process.exitCode = broken.length === 0 ? 0 : 1;

function write() {
  const cell = (/** @type {string} */ text) => text.replaceAll("|", String.raw`\|`).replaceAll("\n", " ");
  const lines = rows.map(({ promise, result, seconds }) => {
    const cells = [
      String(promise.number),
      promise.promise,
      promise.promised,
      result.measured,
      result.held ? "yes" : "**no**",
      `${seconds.toFixed(0)} s`,
    ];
    return `| ${cells.map(cell).join(" | ")} |`;
  });
  const notes = rows.flatMap(({ promise, result }) =>
    result.note === undefined ? [] : [`- **${promise.number}**: ${result.note}`],
  );
  const [{ model } = { model: "unknown" }] = cpus();
  const text = `# Promises

\`npm run stress\` runs these programs, compares what it measures with what was promised, and writes this page. It fails when one promise is not held.
\`npm run stress -- 6\` runs one; the programs are in \`stress/promises/\`, one file each. Attackers and honest callers are processes of their own, and the
attackers (\`stress/attackers/\`) use no code of iscep. Short forms of all run before each change goes in.

Measured on ${startedAt.toISOString().slice(0, 10)} with Node ${process.versions.node} on Linux ${release()}, ${cpus().length} cores (${model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GiB; the soak took ${values.soak}. Server, attackers and
callers shared these cores.

| # | promise | promised | measured | held | took |
| --- | --- | --- | --- | --- | --- |
${lines.join("\n")}
${notes.length === 0 ? "" : `\n## What is not as promised, and why\n\n${notes.join("\n")}\n`}`;
  writeFileSync(path.join(import.meta.dirname, "../docs/PROMISES.md"), text);
}

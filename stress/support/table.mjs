// @ts-check
/** docs/PROMISES.md: one row a promise, each with the moment when it was measured. A run replaces the rows that it measured. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import path from "node:path";

const file = path.join(import.meta.dirname, "../../docs/PROMISES.md");

/** @typedef {{ promise: import("../run.mjs").StressPromise, result: import("../run.mjs").Result, seconds: number, at: Date }} Row */

/** @param {RegExp} pattern whose first group is the number of the promise @returns {Map<number, string>} */
function linesBefore(pattern) {
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  return new Map([...text.matchAll(pattern)].map(([line, number]) => [Number(number), line]));
}

/** @param {Row} row */
function lineOf({ promise, result, seconds, at }) {
  const cells = [
    String(promise.number),
    promise.promise,
    promise.promised,
    result.measured,
    result.held ? "yes" : "**no**",
    `${seconds.toFixed(0)} s`,
    at.toISOString().slice(0, 16).replace("T", " "),
  ];
  return `| ${cells.map((text) => text.replaceAll("|", String.raw`\|`).replaceAll("\n", " ")).join(" | ")} |`;
}

/** @param {Map<number, string>} lines @param {readonly number[]} numbers */
function inOrder(lines, numbers) {
  return numbers.flatMap((number) => lines.get(number) ?? []).join("\n");
}

/** @param {readonly Row[]} rows @param {readonly number[]} numbers of all promises that there are */
export function writeTable(rows, numbers) {
  const lines = linesBefore(/^\| (\d+) \|.*$/gm);
  const notes = linesBefore(/^- \*\*(\d+)\*\*: .*$/gm);
  for (const row of rows) {
    const { number } = row.promise;
    lines.set(number, lineOf(row));
    notes.delete(number);
    if (row.result.note !== undefined) notes.set(number, `- **${number}**: ${row.result.note}`);
  }
  const [{ model } = { model: "unknown" }] = cpus();
  const machine = `Node ${process.versions.node}, Linux ${release()}, ${cpus().length} cores (${model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GiB`;
  const said = inOrder(notes, numbers);
  writeFileSync(
    file,
    `# Promises

\`npm run stress\` runs these programs, compares what they measure with what was promised, and writes this page. It fails when a promise is not held.
Where a row says **no**, a note below says why: a promise is not changed to fit what was measured. \`npm run stress -- 6\` runs one of them and replaces its row. The programs are in \`stress/promises/\`, one file each. Attackers and honest callers are
processes of their own, and the attackers (\`stress/attackers/\`) use no code of iscep. \`.ci/run\` runs short forms of all.

The machine: ${machine}. Server, attackers and callers share these cores. Times are UTC.

| # | promise | promised | measured | held | took | measured at |
| --- | --- | --- | --- | --- | --- | --- |
${inOrder(lines, numbers)}
${said === "" ? "" : `\n## Notes\n\n${said}\n`}`,
  );
}

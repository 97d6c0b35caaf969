/**
 * Keeps the tables of the documentation true: between `<!-- table:NAME -->` and `<!-- /table -->` in any Markdown file at
 * the root or in docs/ it writes what the code says. `--check` writes nothing and fails where the text differs, or where
 * a table stands nowhere.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { errorTable } from "#iscep/errors";
import { limitTable } from "#iscep/limits";

const root = path.dirname(import.meta.dirname);

/** @param {readonly (readonly string[])[]} rows the first one is the head */
function markdownTable(rows) {
  const lines = rows.map((cells) => `| ${cells.map((cell) => cell.replaceAll("|", String.raw`\|`)).join(" | ")} |`);
  return [lines[0], `|${" --- |".repeat(rows[0]?.length ?? 0)}`, ...lines.slice(1)].join("\n");
}

/** @type {readonly (readonly [unit: string, size: number])[]} */
const byteUnits = [
  ["MiB", 1024 * 1024],
  ["KiB", 1024],
];
/** @type {readonly (readonly [unit: string, size: number])[]} */
const timeUnits = [
  ["days", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000],
];

/**
 * A value as people read it; the unit follows from the end of the limit's name.
 * @param {string} name
 * @param {number} value
 */
function readable(name, value) {
  const number = value.toLocaleString("en-US");
  const [smallest, units] = name.endsWith("Bytes")
    ? ["bytes", byteUnits]
    : name.endsWith("Ms")
      ? ["ms", timeUnits]
      : ["", []];
  if (smallest === "ms" && value === 2 ** 31 - 1) return "24.8 days";
  const unit = units.find(([, size]) => value !== 0 && value % size === 0);
  return unit ? `${(value / unit[1]).toLocaleString("en-US")} ${unit[0]}` : `${number} ${smallest}`.trimEnd();
}

/** @type {Readonly<Record<string, () => string>>} */
const tables = {
  errors: () =>
    markdownTable([
      ["code", "JSON-RPC", "exit code", "meaning"],
      ...Object.entries(errorTable).map(([code, kind]) => [
        `\`${code}\``,
        String(kind.jsonRpc),
        String(kind.exitCode),
        kind.sentence,
      ]),
    ]),
  limits: () =>
    markdownTable([
      ["limit", "default", "at most", "why"],
      ...Object.entries(limitTable).map(([name, limit]) => [
        `\`${name}\``,
        readable(name, limit.default),
        readable(name, limit.max),
        limit.reason,
      ]),
    ]),
};

/** @param {string} folder */
function markdownIn(folder) {
  if (!existsSync(path.join(root, folder))) return [];
  return readdirSync(path.join(root, folder))
    .filter((file) => file.endsWith(".md"))
    .map((file) => path.join(folder, file));
}

const check = process.argv.includes("--check");
const wrong = [];
const unseen = new Set(Object.keys(tables));
for (const file of [...markdownIn("."), ...markdownIn("docs")]) {
  const text = readFileSync(path.join(root, file), "utf8");
  const updated = text.replace(
    /(<!-- table:(\w+) -->\n)[\s\S]*?(<!-- \/table -->)/g,
    (found, /** @type {string} */ open, /** @type {string} */ name, /** @type {string} */ close) => {
      const table = tables[name];
      if (!table) {
        wrong.push(`${file}: there is no table "${name}"`);
        return found;
      }
      unseen.delete(name);
      return `${open}\n${table()}\n\n${close}`;
    },
  );
  if (updated === text) continue;
  if (check) {
    wrong.push(`${file}: a table differs from the code; run: npm run tables`);
  } else {
    writeFileSync(path.join(root, file), updated);
    console.log(`${file}: updated`);
  }
}
for (const name of unseen)
  wrong.push(`no document holds the table "${name}": <!-- table:${name} --> … <!-- /table -->`);
for (const line of wrong) console.error(line);
if (wrong.length > 0) process.exitCode = 1;

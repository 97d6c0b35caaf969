/**
 * Keeps the tables of the documents true. In each Markdown file at the root or in docs/, it writes what the code says
 * between `<!-- table:NAME -->` and `<!-- /table -->`. It writes iscep.schema.json too. With `--check` it writes
 * nothing, and fails when a text differs or no document has a table.
 */
/** @import { AnyKeyTable } from "#iscep/configuration/keys" */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { argumentKeys, toSnakeCase } from "#iscep/configuration/arguments";
import { concurrencyKeys } from "#iscep/configuration/concurrency";
import { configurationKeys, configurationSchema } from "#iscep/configuration/configuration";
import { limitKeys } from "#iscep/configuration/limits";
import { keysOfArgument } from "#iscep/commands/arguments/declaration-table";
import { hookKeys } from "#iscep/configuration/hooks";
import { natsKeys } from "#iscep/configuration/nats";
import { notifyKeys } from "#iscep/configuration/notify";
import { scheduleKeys } from "#iscep/configuration/schedule";
import { scriptKeys } from "#iscep/configuration/script";
import { refusedVariables } from "#iscep/commands/script/environment";
import { errorTable } from "#iscep/errors";
import { limitTable } from "#iscep/limits/limits";
import { metricTable } from "#iscep/metrics/metric-table";
import { outcomeNumbers, outcomeTable } from "#iscep/model/outcome";
import { broughtDependencies, developmentDependencies, licences, runtimeDependencies } from "./dependencies.mjs";

const root = path.dirname(import.meta.dirname);

/** @param {readonly (readonly string[])[]} rows the first row is the head */
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
 * A value as people read it. The end of the limit's name is the unit.
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

/** @param {string} key */
function typesWith(key) {
  const types = Object.entries(keysOfArgument);
  const having = types.filter(([, keys]) => keys.includes(key)).map(([type]) => type);
  return having.length === types.length ? "all" : having.join(", ");
}

/** @param {AnyKeyTable} keys */
function tableOfKeys(keys) {
  return markdownTable([
    ["key", "value", "without it", "meaning"],
    ...Object.entries(keys).map(([name, { kind, says, default: fallback = "nothing", required }]) => [
      `\`${name}\``,
      kind.words,
      required === undefined ? fallback : "(required)",
      says,
    ]),
  ]);
}

/** @type {Readonly<Record<string, () => string>>} */
const tables = {
  runtime_dependencies: () => markdownTable(runtimeDependencies()),
  brought_dependencies: () => markdownTable(broughtDependencies()),
  development_dependencies: () => markdownTable(developmentDependencies()),
  licences: () => markdownTable(licences()),
  configuration: () => tableOfKeys(configurationKeys),
  commands: () => tableOfKeys(scriptKeys),
  variables: () =>
    markdownTable([
      ["refused", "because they", "but allowed"],
      ...refusedVariables.map(({ refused, why, allowed }) =>
        [refused, allowed]
          .map((names) => (names.length === 0 ? "none" : names.map((name) => `\`${name}\``).join(", ")))
          .toSpliced(1, 0, why),
      ),
    ]),
  schedule: () => tableOfKeys(scheduleKeys),
  notify: () => tableOfKeys(notifyKeys),
  hooks: () => tableOfKeys(hookKeys),
  nats: () => tableOfKeys(natsKeys),
  metrics: () =>
    markdownTable([
      ["name", "type", "labels", "meaning"],
      ...Object.entries(metricTable).map(([name, { type, labels, help }]) => [
        `\`${name}\``,
        type,
        labels.length === 0 ? "none" : labels.map((label) => `\`${label}\``).join(", "),
        help,
      ]),
    ]),
  concurrency: () => tableOfKeys(concurrencyKeys),
  arguments: () =>
    markdownTable([
      ["key", "of the types", "value", "meaning"],
      ...Object.entries(argumentKeys).map(([key, { kind, says }]) => [
        `\`${toSnakeCase(key)}\``,
        typesWith(key),
        kind.words,
        says,
      ]),
    ]),
  configuration_limits: () =>
    markdownTable([
      ["limit", "default"],
      ...Object.entries(limitKeys).map(([key, { field }]) => [
        `\`${key}\``,
        readable(field, limitTable[/** @type {keyof typeof limitTable} */ (field)].default),
      ]),
    ]),
  errors: () =>
    markdownTable([
      ["code", "JSON-RPC", "exit code", "HTTP", "meaning"],
      ...Object.entries(errorTable).map(([code, kind]) => [
        `\`${code}\``,
        String(kind.jsonRpc),
        String(kind.exitCode),
        String(kind.http),
        kind.sentence,
      ]),
    ]),
  outcomes: () =>
    markdownTable([
      ["status", "`data.code`", "JSON-RPC", "exit code", "meaning", "and there is"],
      ...Object.entries(outcomeTable).map(([status, { code, sentence, beside }]) => {
        const known = outcomeNumbers(/** @type {import("#iscep/model/outcome").OutcomeStatus} */ (status));
        const other = status === "completed" ? "" : "of the reason";
        return [
          `\`${status}\``,
          code === undefined ? other : `\`${code}\``,
          String(known.jsonRpc ?? other),
          String(known.exitCode ?? other),
          sentence,
          beside,
        ];
      }),
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

/**
 * @param {string} file
 * @param {string} wanted what it says when it is true
 */
function keep(file, wanted) {
  const place = path.join(root, file);
  if (existsSync(place) && readFileSync(place, "utf8") === wanted) return;
  if (check) {
    wrong.push(`${file}: differs from the code; run: npm run tables`);
  } else {
    writeFileSync(place, wanted);
    console.log(`${file}: updated`);
  }
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
  keep(file, updated);
}
keep("iscep.schema.json", `${JSON.stringify(configurationSchema(), undefined, 2)}\n`);
for (const name of unseen)
  wrong.push(`no document holds the table "${name}": <!-- table:${name} --> … <!-- /table -->`);
for (const line of wrong) console.error(line);
if (wrong.length > 0) process.exitCode = 1;

/** How the arguments of a command are shown to a person. */
import type { CommandDescription } from "../commands/command.js";
import { parametersOf, typesOf, type Parameter } from "./argument-types.js";
import { visibleLine } from "./visible-text.js";

/** `--message STRING [--times INTEGER] [--dry-run]`: optional ones in brackets, lists with dots. */
export function argumentSummary(description: CommandDescription): string {
  return parametersOf(description.args)
    .map((parameter) => (parameter.required ? usageOf(parameter, description) : `[${usageOf(parameter, description)}]`))
    .join(" ");
}

/** The help of a command, as its server tells it. */
export function commandHelp(description: CommandDescription): string {
  const parameters = parametersOf(description.args);
  const lines = [
    `Usage: iscep call ${visibleLine(description.name)}${parameters.length === 0 ? "" : " [--ARGUMENT VALUE …]"}`,
  ];
  if (description.description !== "") lines.push("", visibleLine(description.description));
  if (parameters.length > 0) {
    const rows = parameters.map((parameter) => [`  ${usageOf(parameter, description)}`, explanationOf(parameter)]);
    lines.push("", "Arguments:", ...alignColumns(rows));
  }
  return `${lines.join("\n")}\n`;
}

/** Two spaces between columns; the last one has its own width. */
export function alignColumns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.slice(0, -1).entries())
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
  }
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

function usageOf(parameter: Parameter, description: CommandDescription): string {
  const name = `--${visibleLine(parameter.name)}`;
  const { types, schema } = parameter;
  if (types.size === 1 && types.has("boolean")) return name;
  if (!types.has("array")) return `${name} ${placeholder(types)}`;
  const { items } = schema;
  const itemTypes = typeof items === "object" && items !== null ? typesOf({ ...items }, description.args) : undefined;
  return `${name} ${placeholder(itemTypes ?? new Set())} …`;
}

function placeholder(types: ReadonlySet<string>): string {
  const names = [...types].filter((type) => type !== "null");
  return names.length === 0 ? "VALUE" : names.join("|").toUpperCase();
}

function explanationOf({ name, schema, required }: Parameter): string {
  const parts: string[] = [];
  if (typeof schema["description"] === "string") parts.push(visibleLine(schema["description"]));
  if (Array.isArray(schema["enum"])) parts.push(`one of ${schema["enum"].map(shown).join(", ")}`);
  if (typeof schema["pattern"] === "string") parts.push(`like ${visibleLine(schema["pattern"])}`);
  if (schema["writeOnly"] === true)
    parts.push(`secret, from --${visibleLine(name)}-file FILE, or - for standard input`);
  if ("default" in schema) parts.push(`default ${shown(schema["default"])}`);
  else if (required) parts.push("required");
  return parts.join("; ");
}

function shown(value: unknown): string {
  return visibleLine(JSON.stringify(value));
}

/** Shows the arguments of a command to a person. */
import { confirmationSentence } from "../../model/command-flags.js";
import type { CommandDescription, JsonSchema } from "../../model/command.js";
import { isJsonObject } from "../../wire/json.js";
import { parametersOf, resolveReference, typesOf, type Parameter } from "./types.js";
import { visibleLine } from "../../text/visible-text.js";

/**
 * `--message STRING --mode fast|slow [--times INTEGER (1)] [--dry-run]`: optional arguments are in brackets, lists have
 * dots.
 */
export function argumentSummary(description: CommandDescription): string {
  return parametersOf(description.args)
    .map((parameter) => {
      const usage = usageOf(parameter, description);
      return parameter.required ? usage : `[${usage}${defaultOf(parameter)}]`;
    })
    .join(" ");
}

/** Long values, lists and false say little in a line of a table. The help has them. */
function defaultOf({ schema }: Parameter): string {
  const { default: value } = schema;
  if (value === undefined || value === false || typeof value === "object") return "";
  const text = choiceText(value);
  return text === "" || text.length > mostChoiceCharacters || /\s/.test(text) ? "" : ` (${text})`;
}

/** The help of a command, made from its server's description. */
export function commandHelp(description: CommandDescription): string {
  const parameters = parametersOf(description.args);
  const lines = [
    `Usage: iscep call ${visibleLine(description.name)}${parameters.length === 0 ? "" : " [--ARGUMENT VALUE …]"}`,
  ];
  if (description.description !== "") lines.push("", visibleLine(description.description));
  if (parameters.length > 0) {
    const rows = parameters.map((parameter) => [
      `  ${usageOf(parameter, description)}`,
      explanationOf(parameter, description),
    ]);
    lines.push("", "Arguments:", ...alignColumns(rows));
  }
  if (description.confirm !== undefined)
    lines.push("", `iscep asks before it runs: ${visibleLine(confirmationSentence(description))} --yes answers.`);
  if (description.stdin === true) lines.push("", "Standard input is sent to the command.");
  return `${lines.join("\n")}\n`;
}

/** Two spaces are between columns. The last column has any width. */
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
  if (!types.has("array")) return `${name} ${placeholder(schema, types)}`;
  const items = itemsOf(parameter, description);
  return `${name} ${placeholder(items, typesOf(items, description.args))} …`;
}

function itemsOf({ schema }: Parameter, description: CommandDescription): JsonSchema {
  const { items } = schema;
  return isJsonObject(items) ? resolveReference(items, description.args) : {};
}

// The help has a place of its own for longer lists of choices.
const mostChoiceCharacters = 30;

function placeholder(schema: JsonSchema, types: ReadonlySet<string>): string {
  if (schema["writeOnly"] === true) return "SECRET";
  const choices = shortChoices(schema);
  if (choices !== undefined) return choices;
  const names = [...types].filter((type) => type !== "null");
  return names.length === 0 ? "VALUE" : names.join("|").toUpperCase();
}

function shortChoices(schema: JsonSchema): string | undefined {
  const text = choicesOf(schema).map(choiceText).join("|");
  return text === "" || text.length > mostChoiceCharacters || /\s/.test(text) ? undefined : text;
}

function choicesOf({ enum: choices }: JsonSchema): readonly unknown[] {
  return Array.isArray(choices) ? choices : [];
}

function choiceText(choice: unknown): string {
  return typeof choice === "string" ? visibleLine(choice) : shown(choice);
}

function explanationOf(parameter: Parameter, description: CommandDescription): string {
  const { name, schema, required } = parameter;
  const items = itemsOf(parameter, description);
  const choices = [schema, items].flatMap((each) => (shortChoices(each) === undefined ? choicesOf(each) : []));
  const parts = [
    ...(typeof schema["description"] === "string" ? [visibleLine(schema["description"])] : []),
    ...(choices.length > 0 ? [`one of ${choices.map(shown).join(", ")}`] : []),
    ...rulesOf(schema),
    ...rulesOf(items),
    ...(schema["writeOnly"] === true ? [`from --${visibleLine(name)}-file FILE, or - for standard input`] : []),
  ];
  if ("default" in schema) parts.push(`default ${shown(schema["default"])}`);
  else if (required) parts.push("required");
  return parts.join("; ");
}

/** What a value must be, in addition to its type. */
function rulesOf(schema: JsonSchema): string[] {
  const { format, pattern } = schema;
  const least = boundOf(schema["minimum"]);
  const most = boundOf(schema["maximum"]);
  const rules: string[] = [];
  if (least !== undefined && most !== undefined) rules.push(`from ${least} to ${most}`);
  else if (least !== undefined) rules.push(`at least ${least}`);
  else if (most !== undefined) rules.push(`at most ${most}`);
  if (typeof format === "string") rules.push(`in the form of ${visibleLine(format)}`);
  // The pattern as it was declared, without its anchors.
  if (typeof pattern === "string")
    rules.push(`like ${visibleLine(/^\^\(\?:(.*)\)\$$/s.exec(pattern)?.[1] ?? pattern)}`);
  return rules;
}

/** Some schemas bound an integer to what JavaScript can hold, which says nothing to a person. */
function boundOf(value: unknown): number | undefined {
  return typeof value === "number" && Math.abs(value) < Number.MAX_SAFE_INTEGER ? value : undefined;
}

function shown(value: unknown): string {
  return visibleLine(JSON.stringify(value));
}

/**
 * Scopes that allow a command only with certain values of its arguments: `run:backup_world(world=nether*)`. The value
 * that a caller gives, or the default if they give none, must match. In a list, each value must match. Values that are
 * not text, number or boolean never match.
 */
import type { ArgumentRules } from "../model/identity.js";
import type { ArgumentsCheck, CommandDescription, JsonSchema } from "../model/command.js";
import { isJsonObject, type JsonObject } from "../wire/json.js";
import { matchesGlob } from "./glob.js";

/** Reads `world=nether*,keep=1`. undefined for text of another form. */
export function parseArgumentRules(text: string): ArgumentRules | undefined {
  const rules = new Map<string, string>();
  for (const part of text.split(",")) {
    const [, name, glob] = /^\s*([^=\s]+)=(.*)$/s.exec(part) ?? [];
    if (name === undefined || glob === undefined || rules.has(name)) return undefined;
    rules.set(name, glob);
  }
  return rules;
}

/**
 * Says why these arguments are not allowed. undefined when one of the alternatives allows them.
 * @param given the arguments as the caller gave them
 * @param checked the arguments with defaults
 */
export function refusalOf(
  alternatives: readonly ArgumentRules[],
  given: unknown,
  checked: unknown,
): string | undefined {
  const fits = (rules: ArgumentRules): boolean =>
    [...rules].every(([name, glob]) => valueFits(memberOf(given, name) ?? memberOf(checked, name), glob));
  if (alternatives.some(fits)) return undefined;
  return `this token may run the command only with ${alternatives.map(rulesText).join(", or with ")}`;
}

function memberOf(args: unknown, name: string): unknown {
  return isJsonObject(args) && Object.hasOwn(args, name) ? args[name] : undefined;
}

function valueFits(value: unknown, glob: string): boolean {
  if (Array.isArray(value)) return value.length > 0 && value.every((item) => valueFits(item, glob));
  const isPlain = typeof value === "string" || typeof value === "number" || typeof value === "boolean";
  return isPlain && matchesGlob(glob, String(value));
}

function rulesText(rules: ArgumentRules): string {
  return [...rules].map(([name, glob]) => `${name}=${glob}`).join(", ");
}

/** The description of the command for this caller, without choices that no alternative allows. */
export function narrowedDescription(
  description: CommandDescription,
  alternatives: readonly ArgumentRules[],
): CommandDescription {
  const { properties } = description.args;
  if (!isJsonObject(properties)) return description;
  const narrowed: Record<string, unknown> = { ...properties };
  for (const name of Object.keys(properties)) {
    const globs = alternatives.map((rules) => rules.get(name));
    const schema = properties[name];
    // An alternative that does not name this argument allows every value of it.
    if (isJsonObject(schema) && globs.every((glob) => glob !== undefined))
      narrowed[name] = narrowedSchema(schema, globs);
  }
  return { ...description, args: { ...description.args, properties: narrowed } };
}

function narrowedSchema(schema: JsonObject, globs: readonly string[]): JsonSchema {
  const allowed = (values: readonly unknown[]): unknown[] =>
    values.filter((value) => globs.some((glob) => valueFits(value, glob)));
  if (Array.isArray(schema["enum"])) return { ...schema, enum: allowed(schema["enum"]) };
  const { items, description } = schema;
  if (isJsonObject(items) && Array.isArray(items["enum"]))
    return { ...schema, items: { ...items, enum: allowed(items["enum"]) } };
  const note = `this token: ${globs.join(" or ")}`;
  return {
    ...schema,
    description: typeof description === "string" && description !== "" ? `${description} (${note})` : note,
  };
}

/** The token of the caller binds the command to some values of its arguments. */
export function withRules(
  check: ArgumentsCheck | Promise<ArgumentsCheck>,
  rules: readonly ArgumentRules[],
  given: unknown,
): ArgumentsCheck | Promise<ArgumentsCheck> {
  if (check instanceof Promise) return check.then((checked) => withRules(checked, rules, given));
  const refusal = check.ok ? refusalOf(rules, given, check.args) : undefined;
  return refusal === undefined ? check : { ok: false, code: "unauthorized", message: refusal };
}

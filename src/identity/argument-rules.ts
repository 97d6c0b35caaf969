/**
 * Scopes that allow a command only with certain values of its arguments: `run:backup_world(world=nether*)`. The value
 * that a caller gives, or the default if they give none, must match. In a list, each value must match. Values that are
 * not text, number or boolean never match. For a path, what it leads to must match too.
 */
import { isAbsolute, posix } from "node:path";
import type { ArgumentRules } from "../model/identity.js";
import type { ArgumentPaths, ArgumentsCheck, CommandDescription, JsonSchema, PathNames } from "../model/command.js";
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
 * @param pathNames what the paths in them lead to
 */
export function refusalOf(
  alternatives: readonly ArgumentRules[],
  given: unknown,
  checked: unknown,
  pathNames?: PathNames,
): string | undefined {
  const fits = (rules: ArgumentRules): boolean =>
    [...rules].every(([name, glob]) => {
      const text = memberOf(given, name);
      const paths = pathNames?.get(name);
      return paths === undefined ? valueFits(text ?? memberOf(checked, name), glob) : pathsFit(text, paths, glob);
    });
  if (alternatives.some(fits)) return undefined;
  return `this token may run the command only with ${alternatives.map(rulesText).join(", or with ")}`;
}

/**
 * The text `public/../secret` matches `public/*` and leads out of it, and so may a link below `public`. So no text with
 * `..` fits, and what the path leads to must have a name that matches too. A glob without `*` and `?` names one path,
 * so its caller has no choice, and it may be a link.
 */
function pathsFit(given: unknown, paths: readonly (readonly string[])[], glob: string): boolean {
  if (given !== undefined && (!valueFits(given, glob) || [given].flat().some(hasDetour))) return false;
  if (given !== undefined && !/[*?]/.test(glob)) return true;
  // The names have no `./`, no `//`, and no `/` at their end.
  const plainGlob = posix.normalize(glob).replace(/\/$/, "");
  // A `*` at the beginning must not stand for the folders above the base.
  const isAbsoluteGlob = isAbsolute(plainGlob);
  return paths.every(([below = "", absolute = ""]) => {
    const name = isAbsoluteGlob ? absolute : below;
    return !hasDetour(name) && matchesGlob(plainGlob, name);
  });
}

function hasDetour(value: unknown): boolean {
  return typeof value === "string" && value.split(/[/\\]/).includes("..");
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
  paths: ArgumentPaths | undefined,
): ArgumentsCheck | Promise<ArgumentsCheck> {
  if (check instanceof Promise) return check.then((checked) => withRules(checked, rules, given, paths));
  if (!check.ok) return check;
  const held = (names?: PathNames): ArgumentsCheck => {
    const message = refusalOf(rules, given, check.args, names);
    return message === undefined ? check : { ok: false, code: "unauthorized", message };
  };
  return paths === undefined ? held() : paths.namesOf(check.args).then(held);
}

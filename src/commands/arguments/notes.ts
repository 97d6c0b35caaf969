/**
 * What a schema notes about its arguments in addition to their types: which are secrets, and which command gives their
 * values.
 */
import type { JsonSchema } from "../../model/command.js";
import { choicesKeyword } from "./declaration-table.js";

export interface ArgumentNotes {
  /** The schema without our own keyword, because callers must not learn of commands that they may not run. */
  readonly argsSchema: JsonSchema;
  /** The arguments with `writeOnly: true`, by which JSON Schema marks values that are given and never shown. */
  readonly secretArguments: readonly string[];
  /** For each such argument, the command that gives its values. */
  readonly choicesFrom: ReadonlyMap<string, string>;
}

export function readNotes(schema: JsonSchema): ArgumentNotes {
  const secretArguments: string[] = [];
  const choicesFrom = new Map<string, string>();
  const properties = Object.entries(schema["properties"] as Record<string, unknown>).map(([name, property]) => {
    if (!isSchema(property)) return [name, property];
    if (property["writeOnly"] === true) secretArguments.push(name);
    const { items } = property;
    const from = property[choicesKeyword] ?? (isSchema(items) ? items[choicesKeyword] : undefined);
    if (typeof from !== "string") return [name, property];
    choicesFrom.set(name, from);
    return [name, without(isSchema(items) ? { ...property, items: without(items) } : property)];
  });
  const argsSchema = { ...schema, properties: Object.fromEntries(properties) as Record<string, unknown> };
  return { argsSchema: choicesFrom.size === 0 ? schema : argsSchema, secretArguments, choicesFrom };
}

/** The fields that a command gets from its notes. Empty notes give none. */
export function notedMembers({ secretArguments, choicesFrom }: ArgumentNotes): {
  secretArguments?: readonly string[];
  choicesFrom?: ReadonlyMap<string, string>;
} {
  return {
    ...(secretArguments.length === 0 ? {} : { secretArguments }),
    ...(choicesFrom.size === 0 ? {} : { choicesFrom }),
  };
}

function without(schema: JsonSchema): JsonSchema {
  const { [choicesKeyword]: _, ...others } = schema;
  return others;
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

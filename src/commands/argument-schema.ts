/** Any Standard Schema as the schema of a command's arguments: what it allows as JSON Schema, and the check of a call. */
import type { StandardJSONSchemaV1, StandardSchemaV1 } from "@standard-schema/spec";
import { IscepError } from "../errors.js";
import type { ArgumentsCheck, JsonSchema } from "./command.js";

export const noArgumentsSchema: JsonSchema = { type: "object", properties: {}, additionalProperties: false };

/**
 * The JSON Schema of an arguments schema, closed to other names unless the schema itself says what they may be.
 * @throws IscepError `usage` when it does not describe an object, or cannot say which names it knows: unknown arguments
 *   would pass unseen then.
 */
export function argumentsJsonSchema(command: string, schema: StandardSchemaV1): JsonSchema {
  const described = describeSchema(schema, "input");
  if (described === undefined) {
    throw new IscepError(
      "usage",
      `the arguments of "${command}" cannot be described: the schema (${schema["~standard"].vendor}) offers no JSON Schema. ` +
        "Use a schema library that implements Standard JSON Schema (zod from 4.2, arktype), or declareArguments",
    );
  }
  if (described["type"] !== "object") {
    throw new IscepError("usage", `the arguments of "${command}" must be an object schema: a call names its arguments`);
  }
  const { $schema: _, ...rest } = described;
  return { properties: {}, ...rest, additionalProperties: rest["additionalProperties"] ?? false };
}

/** Undefined where the library offers none, or the type has none. */
export function describeSchema(schema: StandardSchemaV1, direction: "input" | "output"): JsonSchema | undefined {
  if (hasJsonSchema(schema)) {
    try {
      return schema["~standard"].jsonSchema[direction]({ target: "draft-2020-12" });
    } catch {
      // A type without a form in JSON Schema, such as a date: the schema still validates, it only cannot be shown.
      return describeEntries(schema);
    }
  }
  return describeEntries(schema);
}

function hasJsonSchema(schema: StandardSchemaV1): schema is StandardSchemaV1 & StandardJSONSchemaV1 {
  return "jsonSchema" in schema["~standard"];
}

/** valibot offers no JSON Schema by itself, but its objects show their names as `entries`. */
function describeEntries(schema: StandardSchemaV1): JsonSchema | undefined {
  if (!("entries" in schema) || typeof schema.entries !== "object" || schema.entries === null) return undefined;
  const entries: [string, unknown][] = Object.entries(schema.entries);
  return {
    type: "object",
    properties: Object.fromEntries(entries.map(([name, entry]) => [name, describeEntry(entry)])),
    required: entries.filter(([, entry]) => !isOptionalEntry(entry)).map(([name]) => name),
  };
}

const entryTypes: Readonly<Record<string, string>> = {
  string: "string",
  number: "number",
  boolean: "boolean",
  array: "array",
  object: "object",
  strict_object: "object",
};

function describeEntry(entry: unknown): JsonSchema {
  const inner = isOptionalEntry(entry) && "wrapped" in entry ? entry.wrapped : entry;
  const type = hasType(inner) ? entryTypes[inner.type] : undefined;
  if (type === "number" && JSON.stringify(inner).includes('"integer"')) return { type: "integer" };
  return type === undefined ? {} : { type };
}

function hasType(value: unknown): value is { type: string } {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}

function isOptionalEntry(entry: unknown): entry is { type: string } {
  return hasType(entry) && ["optional", "nullish", "exact_optional"].includes(entry.type);
}

/** How a call's arguments are checked: first their names, then by the schema, at once where the schema is synchronous. */
export function argumentsChecker(
  schema: StandardSchemaV1,
  jsonSchema: JsonSchema,
): (args: unknown) => ArgumentsCheck | Promise<ArgumentsCheck> {
  const known = new Set(Object.keys(jsonSchema["properties"] as object));
  const open = jsonSchema["additionalProperties"] !== false;
  const { validate } = schema["~standard"];
  return (given) => {
    const args = given ?? {};
    if (typeof args !== "object" || Array.isArray(args)) {
      return { ok: false, message: "the arguments must be an object of names and values" };
    }
    if (!open) {
      for (const name in args) if (!known.has(name)) return unknownArgument(name, known);
    }
    const result = validate(args);
    return result instanceof Promise ? result.then((checked) => checkOf(checked, args)) : checkOf(result, args);
  };
}

function checkOf(result: StandardSchemaV1.Result<unknown>, args: object): ArgumentsCheck {
  if (result.issues === undefined) return { ok: true, args: result.value };
  return { ok: false, message: describeIssues(result.issues, args) };
}

function unknownArgument(name: string, known: ReadonlySet<string>): ArgumentsCheck {
  const names = [...known].map((each) => `"${each}"`).join(", ");
  return {
    ok: false,
    message: `there is no argument ${JSON.stringify(name.slice(0, 64))}; ${names === "" ? "this command takes none" : `the arguments are ${names}`}`,
  };
}

function describeIssues(issues: readonly StandardSchemaV1.Issue[], args: object): string {
  const sentences = issues.slice(0, 5).map(({ message, path = [] }) => {
    const keys = path.map((segment) => (typeof segment === "object" ? segment.key : segment));
    const [name] = keys;
    if (keys.length === 1 && name !== undefined && !Object.hasOwn(args, name)) return `argument "${String(name)}" is missing`;
    return keys.length === 0 ? message : `argument "${keys.map(String).join(".")}": ${message}`;
  });
  if (issues.length > sentences.length) sentences.push(`and ${issues.length - sentences.length} more`);
  return sentences.join("; ");
}

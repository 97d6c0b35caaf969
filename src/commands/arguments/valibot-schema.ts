/**
 * Describes schemas of valibot 1, which has no Standard JSON Schema of its own (its package `@valibot/to-json-schema`
 * adds it). Its schemas are plain data: `type`, `entries`, `wrapped`, `item`, `options`, `pipe`. An unknown schema is
 * described as anything.
 */
import type { JsonSchema } from "../../model/command.js";

const scalarTypes: Readonly<Record<string, string>> = {
  string: "string",
  number: "number",
  boolean: "boolean",
  null: "null",
};
const wrappers = new Set(["optional", "exact_optional", "undefinedable", "nullish", "nullable", "non_optional"]);
const optionalWrappers = new Set(["optional", "exact_optional", "undefinedable", "nullish"]);
const objects = new Set(["object", "strict_object", "loose_object", "object_with_rest"]);

export function describeValibot(schema: unknown): JsonSchema {
  if (!hasType(schema)) return {};
  const { type } = schema;
  const scalar = scalarTypes[type];
  if (scalar !== undefined) return { type: scalar === "number" && hasAction(schema, "integer") ? "integer" : scalar };
  if (objects.has(type)) return describeObject(schema);
  if (wrappers.has(type)) return describeWrapped(schema);
  if (type === "array") return { type: "array", items: describeValibot(schema["item"]) };
  if (type === "literal") return { const: schema["literal"] };
  if (type === "picklist" || type === "enum") return describeChoice(schema["options"]);
  if ((type === "union" || type === "variant") && Array.isArray(schema["options"])) {
    return { anyOf: schema["options"].map(describeValibot) };
  }
  // An intersection is one of these: its names are spread over its members.
  return {};
}

interface ValibotSchema {
  readonly type: string;
  readonly [key: string]: unknown;
}

function hasType(value: unknown): value is ValibotSchema {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}

function describeObject(schema: ValibotSchema): JsonSchema {
  const { entries } = schema;
  if (typeof entries !== "object" || entries === null) return { type: "object" };
  const named: [string, unknown][] = Object.entries(entries);
  const isOptional = (entry: unknown): boolean => hasType(entry) && optionalWrappers.has(entry.type);
  const open = schema.type === "loose_object" || schema.type === "object_with_rest";
  return {
    type: "object",
    properties: Object.fromEntries(named.map(([name, entry]) => [name, describeValibot(entry)])),
    required: named.filter(([, entry]) => !isOptional(entry)).map(([name]) => name),
    ...(open ? { additionalProperties: {} } : {}),
  };
}

function describeWrapped(schema: ValibotSchema): JsonSchema {
  const inner = describeValibot(schema["wrapped"]);
  const nullable = schema.type === "nullable" || schema.type === "nullish";
  const described = nullable ? { anyOf: [inner, { type: "null" }] } : inner;
  const { default: fallback } = schema;
  return fallback === undefined || typeof fallback === "function" ? described : { ...described, default: fallback };
}

function describeChoice(options: unknown): JsonSchema {
  if (!Array.isArray(options)) return {};
  const allStrings = options.every((option) => typeof option === "string");
  return { ...(allStrings ? { type: "string" } : {}), enum: options };
}

function hasAction(schema: ValibotSchema, action: string): boolean {
  const { pipe } = schema;
  return Array.isArray(pipe) && pipe.some((step) => hasType(step) && step.type === action);
}

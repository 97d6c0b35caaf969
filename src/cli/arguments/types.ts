/** Reads from a JSON Schema what a command line needs to know about a value. */
import type { JsonSchema } from "../../model/command.js";
import { isJsonObject } from "../../wire/json.js";

export type JsonType = "string" | "number" | "integer" | "boolean" | "null" | "array" | "object";

const jsonTypes: ReadonlySet<string> = new Set(["string", "number", "integer", "boolean", "null", "array", "object"]);

export interface Parameter {
  readonly name: string;
  readonly schema: JsonSchema;
  readonly required: boolean;
  /** Empty when the schema does not name them. */
  readonly types: ReadonlySet<JsonType>;
}

/** The arguments of a command, in the order of its schema. */
export function parametersOf(argsSchema: JsonSchema): Parameter[] {
  const properties = argsSchema["properties"];
  if (!isJsonObject(properties)) return [];
  const required: readonly unknown[] = Array.isArray(argsSchema["required"]) ? argsSchema["required"] : [];
  return Object.entries(properties).map(([name, property]) => {
    const schema = resolveReference(isJsonObject(property) ? property : {}, argsSchema);
    return { name, schema, required: required.includes(name), types: typesOf(schema, argsSchema) };
  });
}

export function refusesUnknownArguments(argsSchema: JsonSchema): boolean {
  return argsSchema["additionalProperties"] === false || argsSchema["unevaluatedProperties"] === false;
}

/** References point to definitions in `root`. A schema comes from a server, and may refer to itself. */
export function typesOf(schema: JsonSchema, root: JsonSchema, depth = 0): ReadonlySet<JsonType> {
  const types = new Set<JsonType>();
  if (depth > maxDepth) return types;
  const resolved = resolveReference(schema, root);
  const { type, enum: values, const: constant, anyOf, oneOf, allOf } = resolved;
  for (const name of Array.isArray(type) ? type : [type]) {
    if (isJsonType(name)) types.add(name);
  }
  if (types.size > 0) return types;
  for (const value of Array.isArray(values) ? values : "const" in resolved ? [constant] : [])
    types.add(typeOfValue(value));
  for (const branches of [anyOf, oneOf, allOf]) {
    if (!Array.isArray(branches)) continue;
    for (const branch of branches) {
      if (isJsonObject(branch)) for (const name of typesOf(branch, root, depth + 1)) types.add(name);
    }
  }
  return types;
}

const maxDepth = 16;

/** Follows only references within the same schema. Any other reference stays as it is, and says nothing about types. */
export function resolveReference(schema: JsonSchema, root: JsonSchema): JsonSchema {
  let resolved = schema;
  for (let depth = 0; depth < maxDepth; depth++) {
    const reference = resolved["$ref"];
    if (typeof reference !== "string" || !reference.startsWith("#/")) break;
    let target: unknown = root;
    for (const part of reference.slice(2).split("/")) {
      const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
      target = isJsonObject(target) && Object.hasOwn(target, key) ? target[key] : undefined;
    }
    if (!isJsonObject(target)) break;
    const { $ref: _reference, ...beside } = resolved;
    resolved = { ...target, ...beside };
  }
  return resolved;
}

function typeOfValue(value: unknown): JsonType {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  switch (typeof value) {
    case "string":
      return "string";
    case "number":
      return Number.isInteger(value) ? "integer" : "number";
    case "boolean":
      return "boolean";
    default:
      return "object";
  }
}

function isJsonType(name: unknown): name is JsonType {
  return typeof name === "string" && jsonTypes.has(name);
}

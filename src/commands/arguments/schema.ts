/** Uses any Standard Schema for the arguments of a command, and shows what it allows as JSON Schema. */
import type { StandardJSONSchemaV1, StandardSchemaV1 } from "@standard-schema/spec";
import { IscepError } from "../../errors.js";
import type { JsonSchema } from "../../model/command.js";
import { describeValibot } from "./valibot-schema.js";

export const noArgumentsSchema: JsonSchema = Object.freeze({
  type: "object",
  properties: {},
  additionalProperties: false,
});

/**
 * The JSON Schema of a schema for arguments: an object with named properties, and no others.
 * @throws IscepError `usage` when the schema cannot say which names it knows, or accepts any name: then unknown
 *   arguments would pass unseen (GHSA-prj9-97mp-mwh2 was such a case)
 */
export function argumentsJsonSchema(command: string, schema: StandardSchemaV1): JsonSchema {
  const { $schema: _, propertyNames: __, ...described } = resolved(plainSchema(command, schema));
  const { type, properties = {}, patternProperties, additionalProperties } = described;
  if (type !== "object" || typeof properties !== "object" || hasBranches(described)) {
    throw refused(command, "must be one object schema, as a call names its arguments; put a union into one of them");
  }
  if (patternProperties !== undefined || (additionalProperties !== undefined && additionalProperties !== false)) {
    throw refused(
      command,
      "allow any name; name each argument, and put names that vary into one argument that is a record",
    );
  }
  return { ...described, properties, additionalProperties: false };
}

function plainSchema(command: string, schema: StandardSchemaV1): JsonSchema {
  const standard = schema["~standard"];
  let described: JsonSchema | undefined;
  try {
    described = describe(schema, "input");
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw refused(
      command,
      `cannot be told as JSON Schema (${reason}); use types that JSON has, and convert them in the schema`,
      error,
    );
  }
  if (described !== undefined) return described;
  throw refused(
    command,
    `cannot be described: a schema of "${standard.vendor}" offers no JSON Schema here. Use a library that implements ` +
      "Standard JSON Schema (zod 4.2 and later, arktype 2.1.28 and later), valibot, or declareArguments",
  );
}

/** The JSON Schema of a result, as far as its schema can tell. */
export function resultJsonSchema(schema: StandardSchemaV1): JsonSchema | undefined {
  try {
    return describe(schema, "output");
  } catch {
    // A part without a form in JSON Schema, such as the result of a transformation, still validates. It only cannot be shown.
    return undefined;
  }
}

function describe(schema: StandardSchemaV1, direction: "input" | "output"): JsonSchema | undefined {
  if (hasJsonSchema(schema)) {
    const described = schema["~standard"].jsonSchema[direction]({ target: "draft-2020-12" });
    // The schema goes to callers, so it is copied as plain data, apart from the library's own object.
    return JSON.parse(JSON.stringify(described)) as JsonSchema;
  }
  return schema["~standard"].vendor === "valibot" ? describeValibot(schema) : undefined;
}

function hasJsonSchema(schema: StandardSchemaV1): schema is StandardSchemaV1 & StandardJSONSchemaV1 {
  return "jsonSchema" in schema["~standard"];
}

/** A schema with an id is written as a reference to its definition. */
function resolved(schema: JsonSchema): JsonSchema {
  const { $ref: reference, ...rest } = schema;
  const prefix = "#/$defs/";
  if (typeof reference !== "string" || !reference.startsWith(prefix)) return schema;
  const definitions = rest["$defs"];
  if (typeof definitions !== "object" || definitions === null) return schema;
  const definition: unknown = Reflect.get(definitions, reference.slice(prefix.length));
  return typeof definition === "object" && definition !== null ? { ...rest, ...definition } : schema;
}

function hasBranches(schema: JsonSchema): boolean {
  return ["anyOf", "oneOf", "allOf", "$ref"].some((keyword) => keyword in schema);
}

function refused(command: string, reason: string, cause?: unknown): IscepError {
  return new IscepError("usage", `the arguments of "${command}" ${reason}`, cause === undefined ? {} : { cause });
}

/** Makes JSON Schema of declared arguments, for other people and programs. */
import { defaultLimits } from "../../limits/limits.js";
import type { JsonSchema } from "../../model/command.js";
import type { ArgumentDeclaration, ItemDeclaration } from "./declaration.js";
import { saidKeys, type ArgumentType } from "./declaration-table.js";

const typeSchemas: Readonly<Record<ArgumentType, JsonSchema>> = {
  string: { type: "string" },
  integer: { type: "integer" },
  number: { type: "number" },
  boolean: { type: "boolean" },
  enum: { type: "string" },
  path: { type: "string" },
  list: { type: "array" },
  // In JSON Schema, writeOnly says that a value is given and never shown.
  secret: { type: "string", writeOnly: true },
};

export function argumentsSchema(declared: readonly (readonly [string, ArgumentDeclaration])[]): JsonSchema {
  return {
    type: "object",
    properties: Object.fromEntries(declared.map(([name, declaration]) => [name, schemaOf(declaration)])),
    required: declared
      .filter(([, { optional, default: fallback }]) => optional !== true && fallback === undefined)
      .map(([name]) => name),
    additionalProperties: false,
  };
}

function schemaOf(declaration: ArgumentDeclaration | ItemDeclaration): JsonSchema {
  const { maxArgumentItems: maxItems } = defaultLimits;
  return Object.assign(
    { ...typeSchemas[declaration.type] },
    declaration.type === "list" ? { items: schemaOf(declaration.items), maxItems } : {},
    ...saidKeys(declaration).map(({ row, said }) => row.tells?.(said) ?? {}),
  ) as JsonSchema;
}

/** From declared arguments to JSON Schema: one for people and programs elsewhere, one with our own rules for the check. */
import type { JsonSchema } from "../../model/command.js";
import type { ArgumentDeclaration, ItemDeclaration } from "./declaration.js";

/** What JSON Schema cannot say, for our own check: see declared-check.ts. */
export const textFormats = {
  /** No control characters at all. */
  oneLine: "iscep-text",
  /** None but tab, line feed and carriage return. */
  multiline: "iscep-multiline-text",
  /** None but NUL is refused. */
  any: "iscep-any-text",
  /** Not over-long, where a declaration sets no bound of its own. */
  short: "iscep-short-text",
} as const;

/** Names the command that gives the values of an argument. Only within a server: discovery has the values instead. */
export const choicesKeyword = "x-iscep-choices-from";

export interface SchemaPurpose {
  /** True adds what only our own check knows. */
  readonly forCheck: boolean;
  readonly maxItems: number;
}

export function schemaOf(declaration: ArgumentDeclaration | ItemDeclaration, purpose: SchemaPurpose): JsonSchema {
  const { description } = declaration;
  const fallback = "default" in declaration ? declaration.default : undefined;
  return defined({
    ...typeSchema(declaration, purpose),
    description,
    default: purpose.forCheck ? undefined : fallback,
  });
}

function typeSchema(declaration: ArgumentDeclaration | ItemDeclaration, purpose: SchemaPurpose): JsonSchema {
  switch (declaration.type) {
    case "string":
      return { ...textSchema(declaration, purpose), ...choicesSchema(declaration.choices, purpose) };
    case "integer":
    case "number": {
      const { type, minimum, maximum } = declaration;
      if (type === "number" || !purpose.forCheck) return { type, minimum, maximum };
      return { type, minimum: minimum ?? Number.MIN_SAFE_INTEGER, maximum: maximum ?? Number.MAX_SAFE_INTEGER };
    }
    case "boolean":
      return { type: "boolean" };
    case "enum": {
      const choices = choicesSchema(declaration.values ?? declaration.choices, purpose);
      return "enum" in choices ? { type: "string", ...choices } : { ...textSchema({}, purpose), ...choices };
    }
    case "path":
      return textSchema({ minLength: purpose.forCheck ? 1 : undefined }, purpose);
    case "secret":
      // writeOnly is how JSON Schema says that a value is given and never shown.
      return { ...textSchema(declaration, purpose), writeOnly: true };
    case "list": {
      const { items, minItems, maxItems = purpose.maxItems } = declaration;
      return { type: "array", items: schemaOf(items, purpose), minItems, maxItems };
    }
    default:
      return declaration satisfies never;
  }
}

interface TextBounds {
  readonly pattern?: string;
  readonly format?: string;
  readonly minLength?: number | undefined;
  readonly maxLength?: number | undefined;
  readonly multiline?: boolean;
  readonly allow?: readonly string[];
}

function textSchema(declaration: TextBounds, { forCheck }: SchemaPurpose): JsonSchema {
  const { format, minLength, maxLength } = declaration;
  const pattern = declaration.pattern === undefined ? undefined : `^(?:${declaration.pattern})$`;
  if (!forCheck) return { type: "string", minLength, maxLength, format, pattern };
  const { any, multiline, oneLine, short } = textFormats;
  const characters =
    declaration.allow?.includes("control") === true ? any : declaration.multiline === true ? multiline : oneLine;
  // In this order: no pattern sees an over-long text.
  const rules = [{ format: maxLength === undefined ? short : undefined, maxLength }, { format: characters }];
  return { type: "string", allOf: [...rules, { minLength, format }, { pattern }].map(defined) };
}

function choicesSchema(
  choices: readonly string[] | { readonly from: string } | undefined,
  { forCheck }: SchemaPurpose,
): JsonSchema {
  if (choices === undefined) return {};
  if ("from" in choices) return forCheck ? {} : { [choicesKeyword]: choices.from };
  return { enum: choices };
}

/** Without the keys whose value is undefined: JSON would drop them later, and comparing would not. */
function defined(schema: JsonSchema): JsonSchema {
  return Object.fromEntries(Object.entries(schema).filter(([, value]) => value !== undefined));
}

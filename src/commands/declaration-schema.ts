/** From declared arguments to JSON Schema: one for people and programs elsewhere, one with our own rules for the check. */
import { IscepError } from "../errors.js";
import type { JsonSchema } from "./command.js";
import {
  keysOfArgument,
  keysOfItem,
  stringFormats,
  type ArgumentDeclaration,
  type ItemDeclaration,
} from "./declaration.js";
import { didYouMean } from "./near-name.js";

/** `multiline` and `oneLine`: texts without control characters; see declared-check.ts. */
export const textFormats = { oneLine: "iscep-text", multiline: "iscep-multiline-text" } as const;

export interface SchemaPurpose {
  /** True adds what only our own check knows. */
  readonly forCheck: boolean;
  readonly maxItems: number;
}

/** @throws IscepError `usage` for a declaration that cannot be meant; the message begins with the argument's name. */
export function checkDeclaration(name: string, declaration: ArgumentDeclaration): void {
  const refuse = refuser(name);
  // A name becomes a flag of the command line, a placeholder in argv and, one day, a variable.
  if (!/^[A-Za-z][A-Za-z0-9_-]{0,63}$/.test(name)) {
    refuse(`a name is a letter, and then up to 63 letters, digits, "_" and "-"`);
  }
  // An argument that is left out would be taken from the prototype: functions that nobody gave.
  if (name in Object.prototype) refuse("every object has something of that name; choose another");
  checkKeys(declaration, keysOfArgument, refuse);
  if (declaration.optional === true && declaration.default !== undefined) {
    refuse("has a default, so it is never absent; leave out `optional`");
  }
  checkValues(declaration, refuse);
  if (declaration.type === "list") {
    checkBounds(declaration.minItems, declaration.maxItems, "minItems", "maxItems", refuse);
    const refuseItem = refuser(name, ", items");
    checkKeys(declaration.items, keysOfItem, refuseItem);
    checkValues(declaration.items, refuseItem);
  }
}

type Refuse = (reason: string) => never;

function refuser(name: string, within = ""): Refuse {
  return (reason) => {
    throw new IscepError("usage", `argument "${name}"${within}: ${reason}`, { details: { argument: name } });
  };
}

/** The compiler has seen a declaration in TypeScript; one in YAML or JavaScript nobody has. */
function checkKeys(
  declaration: unknown,
  keysByType: Readonly<Record<string, readonly string[]>>,
  refuse: Refuse,
): void {
  if (typeof declaration !== "object" || declaration === null) refuse("must be an object with a `type`");
  const type: unknown = Reflect.get(declaration, "type");
  const types = Object.keys(keysByType);
  if (typeof type !== "string") refuse(`must have a type: ${types.join(", ")}`);
  const known = keysByType[type];
  if (known === undefined || !Object.hasOwn(keysByType, type))
    refuse(`there is no type "${type}"${didYouMean(type, types)}`);
  for (const key of Object.keys(declaration)) {
    if (!known.includes(key)) refuse(`"${key}" does not belong to type ${type}${didYouMean(key, known)}`);
  }
}

function checkValues(declaration: ArgumentDeclaration | ItemDeclaration, refuse: Refuse): void {
  switch (declaration.type) {
    case "string":
      checkBounds(declaration.minLength, declaration.maxLength, "minLength", "maxLength", refuse);
      checkPattern(declaration.pattern, refuse);
      if (declaration.format !== undefined && !stringFormats.includes(declaration.format)) {
        refuse(`there is no format ${JSON.stringify(declaration.format)}; there are ${stringFormats.join(", ")}`);
      }
      break;
    case "integer":
    case "number":
      checkRange(declaration.minimum, declaration.maximum, refuse);
      break;
    case "enum":
      if (!Array.isArray(declaration.values) || declaration.values.length === 0)
        refuse("needs `values`: a list of texts");
      if (!declaration.values.every((value) => typeof value === "string"))
        refuse("`values` must be texts; put numbers in quotes");
      if (new Set(declaration.values).size !== declaration.values.length) refuse("a value stands twice in `values`");
      break;
    case "boolean":
    case "list":
      break;
  }
}

function checkPattern(pattern: unknown, refuse: Refuse): void {
  if (pattern === undefined) return;
  if (typeof pattern !== "string") refuse("`pattern` must be a text");
  try {
    // Alone, before it is put between anchors: `a)|(b` would be a valid pattern there, and anchored no more.
    RegExp(pattern, "u");
  } catch (error) {
    refuse(`\`pattern\` is no regular expression: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function checkBounds(low: unknown, high: unknown, lowName: string, highName: string, refuse: Refuse): void {
  for (const [name, value] of [
    [lowName, low],
    [highName, high],
  ] as const) {
    if (value !== undefined && !(Number.isSafeInteger(value) && Number(value) >= 0))
      refuse(`\`${name}\` must be a whole number from 0 on`);
  }
  if (typeof low === "number" && typeof high === "number" && low > high)
    refuse(`\`${lowName}\` is larger than \`${highName}\``);
}

function checkRange(minimum: unknown, maximum: unknown, refuse: Refuse): void {
  if (minimum !== undefined && !Number.isFinite(minimum)) refuse("`minimum` must be a number");
  if (maximum !== undefined && !Number.isFinite(maximum)) refuse("`maximum` must be a number");
  if (typeof minimum === "number" && typeof maximum === "number" && minimum > maximum)
    refuse("`minimum` is larger than `maximum`");
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
    case "string": {
      const { pattern, format, minLength, maxLength, multiline = false } = declaration;
      return {
        type: "string",
        minLength,
        maxLength,
        format,
        pattern: pattern === undefined ? undefined : `^(?:${pattern})$`,
        allOf: purpose.forCheck ? [{ format: multiline ? textFormats.multiline : textFormats.oneLine }] : undefined,
      };
    }
    case "integer":
    case "number": {
      const { type, minimum, maximum } = declaration;
      if (type === "number" || !purpose.forCheck) return { type, minimum, maximum };
      return { type, minimum: minimum ?? Number.MIN_SAFE_INTEGER, maximum: maximum ?? Number.MAX_SAFE_INTEGER };
    }
    case "boolean":
      return { type: "boolean" };
    case "enum":
      return { type: "string", enum: declaration.values };
    case "list": {
      const { items, minItems, maxItems = purpose.maxItems } = declaration;
      return { type: "array", items: schemaOf(items, purpose), minItems, maxItems };
    }
    default:
      return declaration satisfies never;
  }
}

/** Without the keys whose value is undefined: JSON would drop them later, and comparing would not. */
function defined(schema: JsonSchema): JsonSchema {
  return Object.fromEntries(Object.entries(schema).filter(([, value]) => value !== undefined));
}

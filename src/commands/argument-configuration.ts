/** `args:` of a command in iscep.yaml: declarations of arguments, in the words of `declareArguments`. */
import { isIscepError } from "../errors.js";
import type { JsonSchema } from "./command.js";
import type { ValueKind } from "./configuration-keys.js";
import type { ConfigurationProblems } from "./configuration-problems.js";
import { checkDeclaration } from "./declaration-schema.js";
import {
  keysOfArgument,
  keysOfItem,
  stringFormats,
  type ArgumentDeclaration,
  type ArgumentDeclarations,
} from "./declaration.js";
import { didYouMean } from "./near-name.js";
import type { YamlEntry, YamlValue } from "./yaml-source.js";

interface ArgumentKey {
  readonly words: string;
  readonly schema: JsonSchema;
  readonly says: string;
}

const count: JsonSchema = { type: "integer", minimum: 0 };
const scalar: JsonSchema = { type: ["string", "number", "boolean"] };

/** What each key of a declaration may be; to which types it belongs, declaration.ts says. */
export const argumentKeys: Readonly<Record<string, ArgumentKey>> = {
  description: { words: "text", schema: { type: "string" }, says: "Shown to callers." },
  pattern: {
    words: "regular expression",
    schema: { type: "string", format: "regex" },
    says: "The whole text has to match it; no ^ and $ are needed.",
  },
  format: { words: stringFormats.join(", "), schema: { enum: stringFormats }, says: "A known form of texts." },
  minLength: { words: "whole number", schema: count, says: "Characters at least." },
  maxLength: { words: "whole number", schema: count, says: "Characters at most." },
  multiline: {
    words: "`true` or `false`",
    schema: { type: "boolean" },
    says: "Allows tabs and line ends; without it a text has no control characters at all.",
  },
  minimum: { words: "number", schema: { type: "number" }, says: "The least value." },
  maximum: { words: "number", schema: { type: "number" }, says: "The greatest value." },
  values: {
    words: "list of texts",
    schema: { type: "array", items: { type: "string" }, minItems: 1, uniqueItems: true },
    says: "What it may be.",
  },
  items: { words: "a declaration", schema: {}, says: "What each element of the list is; no list again." },
  minItems: { words: "whole number", schema: count, says: "Elements at least." },
  maxItems: { words: "whole number", schema: count, says: "Elements at most." },
  default: {
    words: "a value of the type",
    schema: { anyOf: [scalar, { type: "array", items: scalar }] },
    says: "Taken where the caller gives none.",
  },
  optional: {
    words: "`true` or `false`",
    schema: { type: "boolean" },
    says: "The caller may leave it out; then it disappears from `run`, together with the option before it.",
  },
};

export const argumentDeclarations: ValueKind<ArgumentDeclarations> = {
  words: "map of names and declarations",
  schema: { type: "object", additionalProperties: declarationSchema(keysOfArgument) },
  read(args, { problems }) {
    const declared = [...args.named((argument) => `argument "${argument}"`)].flatMap(([name, entry]) => {
      const declaration = problems.attempt(() => readArgument(name, entry, problems));
      return declaration === undefined ? [] : [[name, declaration] as const];
    });
    return Object.fromEntries(declared);
  },
};

function declarationSchema(keysByType: Readonly<Record<string, readonly string[]>>): JsonSchema {
  return {
    anyOf: Object.entries(keysByType).map(([type, keys]) => ({
      type: "object",
      properties: Object.fromEntries(
        keys.map((key) => [toSnakeCase(key), key === "type" ? { const: type } : keySchema(key)]),
      ),
      required: ["type", ...(type === "enum" ? ["values"] : []), ...(type === "list" ? ["items"] : [])],
      additionalProperties: false,
    })),
  };
}

function keySchema(key: string): JsonSchema {
  if (key === "items") return declarationSchema(keysOfItem);
  const { schema, says } = argumentKeys[key] ?? { schema: {}, says: "" };
  return { ...schema, description: says };
}

function readArgument(name: string, { key, value }: YamlEntry, problems: ConfigurationProblems): ArgumentDeclaration {
  const declaration = readDeclaration(value, keysOfArgument, problems) as unknown as ArgumentDeclaration;
  try {
    checkDeclaration(name, declaration);
  } catch (error) {
    if (!isIscepError(error)) throw error;
    throw key.error(inYamlWords(error.message), error);
  }
  return declaration;
}

/** Keys are checked here, where their places are known; what their values may be is checkDeclaration's to say. */
function readDeclaration(
  value: YamlValue,
  keysByType: Readonly<Record<string, readonly string[]>>,
  problems: ConfigurationProblems,
): Record<string, unknown> {
  const types = Object.keys(keysByType);
  const type = value.named((name) => `\`${name}\``).get("type")?.value;
  if (type === undefined) throw value.error(`${value.what} needs a \`type\`: ${types.join(", ")}`);
  const keys = Object.hasOwn(keysByType, type.text()) ? keysByType[type.text()] : undefined;
  if (keys === undefined) throw type.error(`there is no type "${type.text()}"${didYouMean(type.text(), types)}`);
  const fields = value.fields(keys.map(toSnakeCase), [], problems);
  return Object.fromEntries(
    [...fields].map(([name, field]) => [
      toCamelCase(name),
      name === "items" ? readDeclaration(field, keysOfItem, problems) : plainOf(toCamelCase(name), field),
    ]),
  );
}

/** In YAML 1.2 `yes` is a text, and would count as false here. */
function plainOf(key: string, value: YamlValue): unknown {
  const type = argumentKeys[key]?.schema["type"];
  if (type === "boolean") return value.flag();
  if (type === "string" && typeof value.scalar !== "string") throw value.error(`${value.what} must be a text`);
  return value.plain;
}

export function toSnakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function toCamelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** Sentences about declarations and definitions name keys as TypeScript has them. */
export function inYamlWords(message: string): string {
  return message.replace(/\b(?:(?:min|max)(?:Length|Items)|whenFull|maxQueued)\b/g, toSnakeCase);
}

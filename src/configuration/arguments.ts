/** `args:` of a command in iscep.yaml: declarations of arguments, in the words of `declareArguments`. */
import { isIscepError } from "../errors.js";
import { circleOf, circleSentence } from "../commands/choices-circle.js";
import { filePath } from "./values.js";
import type { Command, JsonSchema } from "../model/command.js";
import type { ReadContext, ValueKind } from "./keys.js";
import { checkDeclaration } from "../commands/arguments/declaration-check.js";
import {
  keysOfArgument,
  allowances,
  keysOfItem,
  pathKinds,
  presences,
  stringFormats,
  type ArgumentDeclaration,
  type ArgumentDeclarations,
} from "../commands/arguments/declaration.js";
import { didYouMean } from "../text/near-name.js";
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
  choices: {
    words: "list of texts, or `{ from: COMMAND }`",
    schema: {
      anyOf: [
        { type: "array", items: { type: "string" }, minItems: 1, uniqueItems: true },
        {
          type: "object",
          properties: { from: { type: "string" } },
          required: ["from"],
          additionalProperties: false,
        },
      ],
    },
    says: "What it may be; or the command of this server that gives the values: a list of texts, or one a line.",
  },
  allow: {
    words: `list of ${allowances.join(", ")}`,
    schema: { type: "array", items: { enum: allowances }, minItems: 1 },
    says: "What is refused otherwise: `dash`, a - at the beginning; `control` characters of all kinds but NUL.",
  },
  base: {
    words: "path",
    schema: { type: "string", minLength: 1 },
    says: "The folder that the path lies in, wherever links lead. The program gets the whole path, without links.",
  },
  presence: {
    words: presences.join(", "),
    schema: { enum: presences },
    says: "Whether the path has to be there, must not be there yet, or may be either. Default: existing.",
  },
  kind: { words: pathKinds.join(", "), schema: { enum: pathKinds }, says: "What the path has to be, where it exists." },
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
    says: "The caller may leave it out; then it disappears from `run`, together with the option before it, unless that has a value of its own, as `--format=zip` does.",
  },
};

const neededKeys: Readonly<Record<string, readonly string[]>> = { list: ["items"], path: ["base"] };

export const argumentDeclarations: ValueKind<ArgumentDeclarations> = {
  words: "map of names and declarations",
  schema: { type: "object", additionalProperties: declarationSchema(keysOfArgument) },
  read(args, context) {
    const declared = [...args.named((argument) => `argument "${argument}"`)].flatMap(([name, entry]) => {
      const declaration = context.problems.attempt(() => readArgument(name, entry, context));
      return declaration === undefined ? [] : [[name, declaration] as const];
    });
    return Object.fromEntries(declared);
  },
};

function declarationSchema(keysByType: Readonly<Record<string, readonly string[]>>): JsonSchema {
  return { anyOf: Object.entries(keysByType).map(([type, keys]) => typeSchema(type, keys)) };
}

function typeSchema(type: string, keys: readonly string[]): JsonSchema {
  const schema = {
    type: "object",
    properties: Object.fromEntries(
      keys.map((key) => [toSnakeCase(key), key === "type" ? { const: type } : keySchema(key)]),
    ),
    required: ["type", ...(neededKeys[type] ?? [])],
    additionalProperties: false,
  };
  return type === "enum" ? { ...schema, oneOf: [{ required: ["values"] }, { required: ["choices"] }] } : schema;
}

function keySchema(key: string): JsonSchema {
  if (key === "items") return declarationSchema(keysOfItem);
  const { schema, says } = argumentKeys[key] ?? { schema: {}, says: "" };
  return { ...schema, description: says };
}

function readArgument(name: string, { key, value }: YamlEntry, context: ReadContext): ArgumentDeclaration {
  const declaration = readDeclaration(value, keysOfArgument, context) as unknown as ArgumentDeclaration;
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
  context: ReadContext,
): Record<string, unknown> {
  const types = Object.keys(keysByType);
  const type = value.named((name) => `\`${name}\``).get("type")?.value;
  if (type === undefined) throw value.error(`${value.what} needs a \`type\`: ${types.join(", ")}`);
  const keys = Object.hasOwn(keysByType, type.text()) ? keysByType[type.text()] : undefined;
  if (keys === undefined) throw type.error(`there is no type "${type.text()}"${didYouMean(type.text(), types)}`);
  const fields = value.fields(keys.map(toSnakeCase), [], context.problems);
  return Object.fromEntries([...fields].map(([name, field]) => [toCamelCase(name), readKey(name, field, context)]));
}

function readKey(name: string, value: YamlValue, context: ReadContext): unknown {
  switch (name) {
    case "items":
      return readDeclaration(value, keysOfItem, context);
    case "base":
      return filePath.read(value, context);
    default:
      return plainOf(toCamelCase(name), value);
  }
}

/**
 * Choices that another command makes need that command: one of the same file or its modules, which takes no arguments.
 * @param scripts the `commands:` that were read before
 */
export function checkChoices(scripts: YamlValue, commands: readonly Command[], { problems }: ReadContext): void {
  for (const [name, { value }] of scripts.named((script) => `command "${script}"`)) {
    const args = value.isMap ? keysOf(value).get("args")?.value : undefined;
    if (args?.isMap !== true) continue;
    for (const { value: argument } of args.named((each) => `argument "${each}"`).values()) {
      const from = choicesFrom(argument);
      if (from !== undefined) problems.attempt(() => checkGiver(name, from, commands));
    }
  }
}

function choicesFrom(declaration: YamlValue): YamlValue | undefined {
  if (!declaration.isMap) return undefined;
  const keys = keysOf(declaration);
  const items = keys.get("items")?.value;
  const choices = (items?.isMap === true ? keysOf(items) : keys).get("choices")?.value;
  return choices?.isMap === true ? keysOf(choices).get("from")?.value : undefined;
}

function keysOf(map: YamlValue): Map<string, YamlEntry> {
  return map.named((key) => `\`${key}\``);
}

function checkGiver(asking: string, from: YamlValue, commands: readonly Command[]): void {
  const name = from.text();
  const names = commands.map((command) => command.name);
  const giver = commands.find((command) => command.name === name);
  if (giver === undefined)
    throw from.error(`there is no command "${name}" in this file or its modules${didYouMean(name, names)}`);
  const { required } = giver.argsSchema;
  if (Array.isArray(required) && required.length > 0)
    throw from.error(`command "${name}" needs arguments, and is asked for the choices without any; give it defaults`);
  const choicesFrom = new Map([["", name]]);
  const circle = circleOf({ name: asking, choicesFrom }, (other) => commands.find((command) => command.name === other));
  if (circle !== undefined) throw from.error(circleSentence(circle));
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

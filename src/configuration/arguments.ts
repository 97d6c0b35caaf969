/** Reads `args:` of a command in iscep.yaml: declarations of arguments, in the words of `declareArguments`. */
import { isIscepError } from "../errors.js";
import { circleOf, circleSentence } from "../commands/choices-circle.js";
import { filePath } from "./values.js";
import type { Command, JsonSchema } from "../model/command.js";
import type { ReadContext, ValueKind } from "./keys.js";
import { checkDeclaration, faultOfType, faultOfValue } from "../commands/arguments/declaration-check.js";
import type { ArgumentDeclaration, ArgumentDeclarations } from "../commands/arguments/declaration.js";
import {
  declarationTable,
  keysOfArgument,
  keysOfItem,
  type DeclarationKey,
} from "../commands/arguments/declaration-table.js";
import { didYouMean } from "../text/near-name.js";
import { wordsForArguments } from "../text/other-words.js";
import type { YamlEntry, YamlValue } from "./yaml-source.js";

type KeysByType = Readonly<Record<string, readonly string[]>>;

/** The keys by their names in TypeScript. */
export const argumentKeys: Readonly<Record<string, DeclarationKey>> = declarationTable;

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

function declarationSchema(keysByType: KeysByType): JsonSchema {
  return { anyOf: Object.entries(keysByType).map(([type, keys]) => typeSchema(type, keys)) };
}

function typeSchema(type: string, keys: readonly string[]): JsonSchema {
  const isNeeded = (key: string): boolean =>
    argumentKeys[key]?.neededBy?.types.some((needing) => needing === type) === true;
  return {
    type: "object",
    properties: Object.fromEntries(
      keys.map((key) => [toSnakeCase(key), key === "type" ? { const: type } : keySchema(key)]),
    ),
    required: ["type", ...keys.filter(isNeeded).map(toSnakeCase)],
    additionalProperties: false,
  };
}

function keySchema(key: string): JsonSchema {
  if (key === "items") return declarationSchema(keysOfItem);
  return { ...argumentKeys[key]?.kind.schema, description: argumentKeys[key]?.says };
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

/**
 * Keys and their values are checked here, where their places are known. checkDeclaration checks how they go together.
 */
function readDeclaration(value: YamlValue, keysByType: KeysByType, context: ReadContext): Record<string, unknown> {
  const place = value.named((name) => `\`${name}\``).get("type")?.value;
  const type = place?.text();
  const fault = faultOfType(type, keysByType);
  if (type === undefined) throw value.error(`${value.what} ${fault ?? ""}`);
  if (fault !== undefined) throw (place ?? value).error(fault);
  const fields = value.fields((keysByType[type] ?? []).map(toSnakeCase), context.problems, {
    otherWords: wordsForArguments,
  });
  return Object.fromEntries(
    [...fields].map(([name, field]) => [toCamelCase(name), readKey(name, field, type, context)]),
  );
}

function readKey(name: string, value: YamlValue, type: string, context: ReadContext): unknown {
  if (name === "items") return readDeclaration(value, keysOfItem, context);
  if (name === "base") return filePath.read(value, context);
  const fault = faultOfValue(toCamelCase(name), value.plain, type, name);
  if (fault !== undefined) throw value.error(fault);
  return value.plain;
}

/**
 * Choices from another command need that command: one of the same file or its modules, which takes no arguments.
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

export function toSnakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function toCamelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** Messages about declarations and definitions name keys as in TypeScript. */
export function inYamlWords(message: string): string {
  return message.replace(
    /\b(?:(?:min|max)(?:Length|Items)|whenFull|maxQueued|signatureHeader|idHeader)\b/g,
    toSnakeCase,
  );
}

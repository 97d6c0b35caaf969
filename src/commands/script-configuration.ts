/** `commands:` of iscep.yaml: scripts, in the words of `defineScript`. */
import path from "node:path";
import { isIscepError } from "../errors.js";
import { limitTable } from "../limits.js";
import type { ScriptCommand } from "./command.js";
import { checkDeclaration } from "./declaration-schema.js";
import { keysOfArgument, keysOfItem, type ArgumentDeclaration } from "./declaration.js";
import { defineScript } from "./define-script.js";
import { durationForm, parseDuration } from "./duration.js";
import { didYouMean } from "./near-name.js";
import type { YamlEntry, YamlValue } from "./yaml-source.js";

const scriptFields = ["description", "run", "args", "timeout", "folder", "environment"];
const laterFields = ["concurrency", "output", "schedule", "user", "stdin", "thread", "threads", "limits"];

/** @param folder of the file: programs and folders are relative to it */
export function readScripts(commands: YamlValue, folder: string): ScriptCommand[] {
  return [...commands.named((name) => `command "${name}"`)].map(([name, entry]) => readScript(name, entry, folder));
}

function readScript(name: string, { key, value }: YamlEntry, base: string): ScriptCommand {
  const fields = value.fields(scriptFields, laterFields);
  const run = fields.get("run");
  if (run === undefined)
    throw key.error(
      `command "${name}" needs \`run\`: the program and its arguments, such as run: [./backup.sh, "{world}"]`,
    );
  const elements = run.list();
  const [program, ...template] = elements.map((element) => element.written());
  if (program === undefined) throw run.error("`run` must begin with the program, such as run: [./backup.sh]");
  const args = fields.get("args")?.named((argument) => `argument "${argument}"`);
  const environment = fields.get("environment")?.named((variable) => `variable "${variable}"`);
  const folder = fields.get("folder");
  const timeout = fields.get("timeout");
  const description = fields.get("description");
  const definition = {
    name,
    // With a slash it is a path, and belongs to the file's folder, wherever the script shall work.
    run: [program.includes("/") ? path.resolve(base, program) : program, ...template] as const,
    folder: folder === undefined ? base : path.resolve(base, folder.text()),
    ...(description === undefined ? {} : { description: description.text() }),
    ...(timeout === undefined ? {} : { timeoutMs: readTimeout(timeout) }),
    ...(args === undefined
      ? {}
      : { args: Object.fromEntries([...args].map(([argument, entry]) => [argument, readArgument(argument, entry)])) }),
    ...(environment === undefined
      ? {}
      : {
          environment: Object.fromEntries(
            [...environment].map(([variable, entry]) => [variable, entry.value.written()]),
          ),
        }),
  };
  try {
    return defineScript(definition);
  } catch (error) {
    if (!isIscepError(error)) throw error;
    const { element, argument, variable } = error.details;
    const place =
      (typeof element === "number" ? elements[element + 1] : undefined) ??
      (typeof argument === "string" ? args?.get(argument)?.key : undefined) ??
      (typeof variable === "string" ? environment?.get(variable)?.key : undefined) ??
      (error.code === "configuration" ? elements[0] : key) ??
      key;
    throw place.error(inYamlWords(error.message), error);
  }
}

function readTimeout(value: YamlValue): number {
  const timeoutMs = typeof value.scalar === "string" ? parseDuration(value.scalar) : undefined;
  if (timeoutMs === undefined) throw value.error(`${value.what} must be ${durationForm}`);
  if (timeoutMs > limitTable.runTimeoutMs.max) throw value.error(`${value.what} can be 24d at most`);
  return timeoutMs;
}

function readArgument(name: string, { key, value }: YamlEntry): ArgumentDeclaration {
  const declaration = readDeclaration(value, keysOfArgument) as unknown as ArgumentDeclaration;
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
): Record<string, unknown> {
  const types = Object.keys(keysByType);
  const type = value.named((name) => `\`${name}\``).get("type")?.value;
  if (type === undefined) throw value.error(`${value.what} needs a \`type\`: ${types.join(", ")}`);
  const keys = Object.hasOwn(keysByType, type.text()) ? keysByType[type.text()] : undefined;
  if (keys === undefined) throw type.error(`there is no type "${type.text()}"${didYouMean(type.text(), types)}`);
  const fields = value.fields(keys.map(toSnakeCase));
  return Object.fromEntries(
    [...fields].map(([name, field]) => [
      toCamelCase(name),
      name === "items" ? readDeclaration(field, keysOfItem) : field.plain,
    ]),
  );
}

function toSnakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function toCamelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** Sentences of `declareArguments` name keys as TypeScript has them. */
function inYamlWords(message: string): string {
  return message.replace(/\b(?:min|max)(?:Length|Items)\b/g, toSnakeCase);
}

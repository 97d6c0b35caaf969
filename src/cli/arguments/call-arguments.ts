/**
 * Reads the words after COMMAND. A word that begins with -- names an argument, and the word after it is its value. A
 * value that itself begins with -- is written --name=VALUE. Behind a single --, every word belongs to the command.
 */
import type { JsonSchema } from "../../model/command.js";
import { IscepError } from "../../errors.js";
import { parametersOf, refusesUnknownArguments, type Parameter } from "./types.js";
import { valueOf } from "./values.js";
import { nearName } from "../../text/near-name.js";

/** Options of iscep itself that may also stand after COMMAND, with whether they take a value. */
export type OwnOptions = ReadonlyMap<string, { readonly takesValue: boolean }>;

export interface SeparatedWords {
  /** The last value of each option; true for flags. */
  readonly own: ReadonlyMap<string, string | true>;
  readonly forCommand: readonly string[];
}

/** @throws IscepError `usage` when one of iscep's options has no value but needs one, or has one but takes none */
export function separateOwnOptions(words: readonly string[], options: OwnOptions): SeparatedWords {
  const own = new Map<string, string | true>();
  const forCommand: string[] = [];
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? "";
    if (word === "--") {
      // The -- stays in, so that a second reading separates the words in the same way.
      forCommand.push(...words.slice(index));
      break;
    }
    const { name, value } = splitOption(word) ?? {};
    const option = name === undefined ? undefined : options.get(name);
    if (name === undefined || option === undefined) {
      forCommand.push(word);
    } else if (!option.takesValue) {
      if (value !== undefined) throw new IscepError("usage", `option --${name} takes no value`);
      own.set(name, true);
    } else {
      const given = value ?? words[++index];
      if (given === undefined) throw new IscepError("usage", `option --${name} needs a value`);
      own.set(name, given);
    }
  }
  return { own, forCommand };
}

/**
 * Converts the arguments to what the command's schema wants. Without a schema they are strings, and a name without a
 * value is true.
 * @throws IscepError `usage` for words that are not arguments, `invalid_arguments` for names and values that do not fit
 */
export function parseArguments(words: readonly string[], schema: JsonSchema | undefined): Record<string, unknown> {
  const parameters = schema === undefined ? [] : parametersOf(schema);
  const texts = new Map<string, string[]>();
  const flags = new Map<string, boolean>();
  const found = new Map<string, Parameter>();
  let index = 0;
  while (index < words.length) {
    const word = words[index++] ?? "";
    if (word === "--") continue;
    const option = splitOption(word);
    if (option === undefined) {
      throw new IscepError(
        "usage",
        `"${word}" stands where an argument was expected; arguments are written --name VALUE`,
      );
    }
    const next = words[index];
    const following = next !== undefined && !next.startsWith("--") ? next : undefined;
    const { parameter, negated } = findParameter(
      option.name,
      parameters,
      schema,
      (option.value ?? following) !== undefined,
    );
    found.set(parameter.name, parameter);
    let text = option.value;
    if (text === undefined && isFlag(parameter, negated, following)) {
      flags.set(parameter.name, !negated);
      continue;
    }
    if (text === undefined && following !== undefined) {
      text = following;
      index++;
    }
    if (text === undefined) {
      throw new IscepError(
        "invalid_arguments",
        `argument "${parameter.name}" needs a value; one that begins with -- is written --${option.name}=VALUE`,
      );
    }
    if (negated) throw new IscepError("invalid_arguments", `--${option.name} takes no value`);
    texts.set(parameter.name, [...(texts.get(parameter.name) ?? []), text]);
  }
  const args = new Map<string, unknown>(flags);
  for (const [name, parameter] of found) {
    const given = texts.get(name);
    if (given === undefined) continue;
    if (flags.has(name)) throw new IscepError("invalid_arguments", `argument "${name}" is given twice`);
    args.set(name, valueOf(parameter, given, schema ?? {}));
  }
  return Object.fromEntries(args);
}

/** True when the name stands alone, so that `following` is not its value. */
function isFlag({ types }: Parameter, negated: boolean, following: string | undefined): boolean {
  if (negated || following === undefined) return negated || types.has("boolean") || types.size === 0;
  return types.size === 1 && types.has("boolean") && following !== "true" && following !== "false";
}

function splitOption(word: string): { name: string; value: string | undefined } | undefined {
  const [, name, value] = /^--([^=]+)(?:=(.*))?$/s.exec(word) ?? [];
  return name === undefined ? undefined : { name, value };
}

/** `dry-run`, `dry_run` and `dryRun` all find the same argument, unless this is ambiguous. */
export function canonicalName(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, "$1-$2")
    .replaceAll("_", "-")
    .toLowerCase();
}

function findParameter(
  given: string,
  parameters: readonly Parameter[],
  schema: JsonSchema | undefined,
  hasValue: boolean,
): { parameter: Parameter; negated: boolean } {
  const exact = lookUp(given, parameters);
  if (exact !== undefined) return { parameter: exact, negated: false };
  const positive = given.startsWith("no-") ? given.slice("no-".length) : undefined;
  if (positive !== undefined) {
    const parameter =
      lookUp(positive, parameters) ?? (schema === undefined && !hasValue ? unknownParameter(positive) : undefined);
    if (parameter !== undefined && (schema === undefined || parameter.types.has("boolean")))
      return { parameter, negated: true };
  }
  if (schema === undefined || !refusesUnknownArguments(schema))
    return { parameter: unknownParameter(given), negated: false };
  const near = nearName(
    canonicalName(given),
    parameters.map(({ name }) => canonicalName(name)),
  );
  const names = parameters.map(({ name }) => `--${name}`).join(", ");
  const help = near !== undefined ? `did you mean --${near}?` : names === "" ? "it takes none" : `it takes ${names}`;
  throw new IscepError("invalid_arguments", `the command has no argument "${given}"; ${help}`, {
    details: { argument: given },
  });
}

function lookUp(given: string, parameters: readonly Parameter[]): Parameter | undefined {
  const exact = parameters.find(({ name }) => name === given);
  if (exact !== undefined) return exact;
  const alike = parameters.filter(({ name }) => canonicalName(name) === canonicalName(given));
  return alike.length === 1 ? alike[0] : undefined;
}

function unknownParameter(name: string): Parameter {
  return { name, schema: {}, required: false, types: new Set() };
}

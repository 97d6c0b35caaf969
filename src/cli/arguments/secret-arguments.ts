/**
 * Reads the secrets of a call from a file (--NAME-file FILE), from standard input (--NAME -), or from a question on the
 * terminal. Other users of the machine can see secrets in argv, so these get a warning.
 */
import { readFile } from "node:fs/promises";
import type { JsonSchema } from "../../model/command.js";
import { IscepError } from "../../errors.js";
import { parametersOf, type Parameter } from "./types.js";
import { canonicalName } from "./call-arguments.js";
import { readStandardInput } from "./json-source.js";
import { utf8Text } from "../../text/utf8.js";
import { askHidden, mayAsk } from "../terminal/question.js";
import { warn } from "../terminal/streams.js";

export interface TakenSecrets {
  readonly values: Readonly<Record<string, string>>;
  /** The words without the secrets. */
  readonly words: readonly string[];
  readonly hasReadStandardInput: boolean;
}

export interface SecretOptions {
  /** The arguments that --args gave. */
  readonly given: Readonly<Record<string, unknown>>;
  /** Secrets to ask for though they are optional, because an earlier call had them. */
  readonly askedAgain?: readonly string[];
  /** True when the run or --args uses standard input. Then no secret can come from there. */
  readonly standardInputIsTaken: boolean;
  readonly quiet: boolean;
  readonly signal: AbortSignal;
}

/** @throws IscepError `usage`, `configuration` for a file that cannot be read, `too_large`, `cancelled` */
export async function takeSecrets(
  words: readonly string[],
  schema: JsonSchema | undefined,
  { given, askedAgain = [], standardInputIsTaken, quiet, signal }: SecretOptions,
): Promise<TakenSecrets> {
  const parameters = schema === undefined ? [] : parametersOf(schema);
  const secrets = parameters.filter((parameter) => parameter.schema["writeOnly"] === true);
  if (secrets.length === 0) return { values: {}, words, hasReadStandardInput: false };
  const values = new Map<string, string>();
  const left: string[] = [];
  const inArguments = new Set<string>();
  let hasReadStandardInput = false;
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? "";
    const [, option = "", inline] = /^--([^=]+)(?:=(.*))?$/s.exec(word) ?? [];
    const meant = secretOf(option, parameters);
    if (meant === undefined) {
      left.push(word);
      continue;
    }
    const { name, isFile } = meant;
    if (values.has(name) || inArguments.has(name))
      throw new IscepError("invalid_arguments", `argument "${name}" is given twice`);
    const next = words[index + 1];
    const value = inline ?? (next?.startsWith("--") === true ? undefined : next);
    if (inline === undefined && value !== undefined) index++;
    if (isFile) {
      if (value === undefined) throw new IscepError("usage", `--${option} needs the path of a file`);
      values.set(name, await readSecretFile(value));
    } else if (value === "-" && !mayAsk()) {
      if (hasReadStandardInput || standardInputIsTaken)
        throw new IscepError("usage", `--${option} - reads standard input, and something else does so already`);
      hasReadStandardInput = true;
      values.set(name, withoutLineEnd(await readStandardInput(signal)));
    } else if (value === undefined || value === "-") {
      // A terminal would show what is typed, so it is asked without echo.
      values.set(name, await ask(name, signal));
    } else {
      inArguments.add(name);
      left.push(`--${name}=${value}`);
    }
  }
  const [seen] = inArguments;
  if (seen !== undefined && !quiet) {
    await warn(`other users of this machine can see the value of --${seen}; use --${seen}-file FILE, or --${seen} -`);
  }
  for (const { name, required } of secrets) {
    const isWanted = required || askedAgain.includes(name);
    const isMissing = isWanted && !Object.hasOwn(given, name) && !values.has(name) && !inArguments.has(name);
    if (isMissing && mayAsk()) values.set(name, await ask(name, signal));
  }
  return { values: Object.fromEntries(values), words: left, hasReadStandardInput };
}

/** Reads `--NAME`, or `--NAME-file` if no argument has that name. */
function secretOf(
  option: string,
  parameters: readonly Parameter[],
): { readonly name: string; readonly isFile: boolean } | undefined {
  const given = canonicalName(option);
  const find = (name: string): Parameter | undefined =>
    parameters.find((parameter) => canonicalName(parameter.name) === name);
  const named = find(given);
  const isFile = named === undefined && given.endsWith("-file");
  const parameter = isFile ? find(given.slice(0, -"-file".length)) : named;
  return parameter?.schema["writeOnly"] === true ? { name: parameter.name, isFile } : undefined;
}

async function readSecretFile(file: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    throw new IscepError("configuration", `the file ${file} with a secret cannot be read`, { cause: error });
  }
  return withoutLineEnd(utf8Text(bytes, `the file ${file} with a secret`));
}

/** Editors and `echo` end a file with a line end, which does not belong to the secret. */
function withoutLineEnd(text: string): string {
  return text.replace(/\r?\n$/, "");
}

async function ask(name: string, signal: AbortSignal): Promise<string> {
  if (!mayAsk()) {
    throw new IscepError(
      "invalid_arguments",
      `argument "${name}" needs a value: --${name}-file FILE, or --${name} - for standard input`,
    );
  }
  return askHidden(name, `no value was given for argument "${name}"`, signal);
}

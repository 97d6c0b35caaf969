/** Finds what may stand at the cursor of a line that begins with iscep. */
import type { Command, Option } from "commander";
import type { CommandDescription } from "../../model/command.js";
import { isJsonObject } from "../../wire/json.js";
import { parametersOf, resolveReference, type Parameter } from "../arguments/types.js";
import { canonicalName } from "../arguments/call-arguments.js";
import type { Candidate } from "./shell-candidate.js";
import type { TypedLine, TypedWord } from "./typed-words.js";

export interface ServerQuestions {
  /** Describes commands, if the server tells. The words in front of COMMAND say which server it is. */
  commands(words: readonly TypedWord[]): Promise<readonly CommandDescription[]>;
  /** Ids of the newest runs. */
  runs(words: readonly TypedWord[]): Promise<readonly Candidate[]>;
  /** Ids of the instances of a service. */
  instances(words: readonly TypedWord[]): Promise<readonly Candidate[]>;
}

/** The shell completes names of files itself. */
export type Candidates = readonly Candidate[] | "files";

/** Where the cursor is: in which verb, and behind which words. */
interface Place {
  readonly command: Command;
  /** The words that are not options. */
  readonly operands: readonly string[];
  /** All words in front of the called command. */
  readonly before: readonly TypedWord[];
  /** The words that belong to the called command. */
  readonly forCommand: readonly string[];
  /** The option whose value comes next, if there is one. */
  readonly pending?: Option;
}

export async function candidatesAt(line: TypedLine, program: Command, server: ServerQuestions): Promise<Candidates> {
  const place = placeOf(line.words.slice(1), program);
  const typed = line.current.text;
  const begins = (candidates: Candidates): Candidates =>
    candidates === "files" ? candidates : candidates.filter(({ value }) => value.startsWith(typed));
  const { command, operands, pending } = place;
  if (pending?.long === "--to") return begins(await server.instances(place.before));
  if (pending !== undefined) return begins(valuesOfOption(pending, ""));
  const isCall = command.name() === "call" && command.parent === program;
  if (isCall && operands.length > 0) {
    const described = (await server.commands(place.before)).find(({ name }) => name === operands[0]);
    const isOwn = !parametersOf(described?.args ?? {}).some(({ name }) => canonicalName(name) === "to");
    if (place.forCommand.at(-1) === "--to" && isOwn) return begins(await server.instances(place.before));
    return begins(argumentsOf(described, place, typed));
  }
  if (typed.startsWith("-")) return begins(optionsOf(command, typed));
  if (isCall)
    return begins((await server.commands(place.before)).map(({ name, description }) => ({ value: name, description })));
  if (command.registeredArguments[0]?.name() === "run" && operands.length === 0)
    return begins(await server.runs(place.before));
  return begins(operandsOf(command, operands, program));
}

function placeOf(words: readonly TypedWord[], program: Command): Place {
  let command = program;
  const operands: string[] = [];
  for (let index = 0; index < words.length; index++) {
    const { text } = words[index] ?? { text: "" };
    if (text.startsWith("-")) {
      const option = optionNamed(command, text);
      if (option?.required !== true || text.includes("=")) continue;
      if (++index === words.length) return { command, operands, before: words, forCommand: [], pending: option };
      continue;
    }
    const sub = operands.length > 0 ? undefined : command.commands.find((candidate) => candidate.name() === text);
    if (sub !== undefined) {
      command = sub;
      continue;
    }
    operands.push(text);
    if (command.name() === "call" && command.parent === program) {
      const forCommand = words.slice(index + 1).map((word) => word.text);
      return { command, operands, before: words.slice(0, index), forCommand };
    }
  }
  return { command, operands, before: words, forCommand: [] };
}

function optionNamed(command: Command, word: string): Option | undefined {
  const name = word.replace(/=.*$/s, "");
  return command.options.find((option) => option.long === name || option.short === name);
}

function optionsOf(command: Command, typed: string): Candidates {
  const option = typed.includes("=") ? optionNamed(command, typed) : undefined;
  if (option !== undefined) return valuesOfOption(option, `${option.long ?? ""}=`);
  return [...longOptions(command), { value: "--help", description: "display help for command" }];
}

function longOptions(command: Command): Candidate[] {
  return command.options.flatMap(({ long, description }) => (long ? [{ value: long, description }] : []));
}

function valuesOfOption(option: Option, prefix: string): Candidates {
  if (/<(?:file|path|folder|json)>/.test(option.flags)) return "files";
  return (option.argChoices ?? []).map((choice) => ({ value: `${prefix}${choice}` }));
}

function operandsOf(command: Command, operands: readonly string[], program: Command): Candidates {
  const verbs = (named: Command): Candidate[] =>
    named.commands
      .filter((sub) => sub.name() !== "help" && !sub.name().startsWith("_"))
      .map((sub) => ({ value: sub.name(), description: sub.summary() }));
  if (command === program) {
    if (operands.length === 0) return [...verbs(program), { value: "help", description: "show the help of a verb" }];
    return operands[0] === "help" && operands.length === 1 ? verbs(program) : [];
  }
  if (command.commands.length > 0) return operands.length === 0 ? verbs(command) : [];
  const argument = command.registeredArguments[Math.min(operands.length, command.registeredArguments.length - 1)];
  if (argument === undefined) return [];
  if (argument.argChoices !== undefined) return argument.argChoices.map((value) => ({ value }));
  return /^(?:files?|folder)$/.test(argument.name()) ? "files" : [];
}

/**
 * The command's arguments, as the server describes them, and the options of iscep that the command does not use itself.
 */
function argumentsOf(described: CommandDescription | undefined, place: Place, typed: string): Candidates {
  const parameters = described === undefined ? [] : parametersOf(described.args);
  const claimed = new Set(parameters.map(({ name }) => canonicalName(name)));
  const own = longOptions(place.command).filter(({ value }) => !claimed.has(value.slice("--".length)));
  const last = place.forCommand.at(-1) ?? "";
  if (!typed.startsWith("--")) {
    const pending = last.includes("=") ? undefined : parameterNamed(parameters, last);
    if (pending !== undefined && !isFlag(pending.parameter)) return valuesOf(pending, described, "");
    const option = last.includes("=") ? undefined : place.command.options.find(({ long }) => long === last);
    if (option?.required === true) return valuesOfOption(option, "");
  }
  const written = /^(--[^=]+)=/.exec(typed);
  if (written !== null) {
    const named = parameterNamed(parameters, written[1] ?? "");
    return named === undefined ? [] : valuesOf(named, described, written[0]);
  }
  const given = new Set(place.forCommand.map((word) => parameterNamed(parameters, word)?.parameter.name));
  const open = parameters.filter(({ name, types }) => !given.has(name) || types.has("array"));
  return [...open.flatMap(namesOf), ...(typed.startsWith("-") ? [...own, { value: "--help" }] : [])];
}

function namesOf({ name, schema, types }: Parameter): Candidate[] {
  const { description } = schema;
  const more = typeof description === "string" ? { description } : {};
  const names = [{ value: `--${name}`, ...more }];
  if (types.size === 1 && types.has("boolean")) names.push({ value: `--no-${name}`, ...more });
  if (schema["writeOnly"] === true) names.unshift({ value: `--${name}-file`, ...more });
  return names;
}

interface NamedParameter {
  readonly parameter: Parameter;
  /** `--password-file` names the file that holds a secret. */
  readonly isFile: boolean;
}

function parameterNamed(parameters: readonly Parameter[], word: string): NamedParameter | undefined {
  const [, given] = /^--([^=]+)/.exec(word) ?? [];
  if (given === undefined) return undefined;
  const find = (name: string): Parameter | undefined =>
    parameters.find((parameter) => canonicalName(parameter.name) === canonicalName(name));
  const parameter = find(given) ?? find(given.replace(/^no-/, ""));
  if (parameter !== undefined) return { parameter, isFile: false };
  const secret = find(given.replace(/[-_]file$/i, ""));
  return secret?.schema["writeOnly"] === true ? { parameter: secret, isFile: true } : undefined;
}

function isFlag({ types }: Parameter): boolean {
  return types.size === 1 && types.has("boolean");
}

function valuesOf(
  { parameter, isFile }: NamedParameter,
  described: CommandDescription | undefined,
  prefix: string,
): Candidates {
  if (isFile) return "files";
  if (isFlag(parameter)) return ["true", "false"].map((value) => ({ value: `${prefix}${value}` }));
  const { schema } = parameter;
  const root = described?.args ?? {};
  const items = isJsonObject(schema["items"]) ? resolveReference(schema["items"], root) : {};
  const choices: unknown = schema["enum"] ?? items["enum"];
  if (!Array.isArray(choices)) return [];
  return choices.map((choice: unknown) => ({
    value: `${prefix}${typeof choice === "string" ? choice : JSON.stringify(choice)}`,
  }));
}

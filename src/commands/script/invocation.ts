/** Puts the arguments of a script into all their places: argv, standard input, descriptors, environment variables. */
import { IscepError } from "../../errors.js";
import { checkedElement, contentOf, givenValue, textOf } from "../arguments/text.js";
import type { ScriptInvocation } from "../../model/command.js";
import type { ArgumentDeclarations } from "../arguments/declaration.js";
import { didYouMean, nearName } from "../../text/near-name.js";
import { compileTemplate, unknownSlots } from "./template.js";

/** `args` means all arguments as one JSON object, and `"{argument}"` the value of this one. */
export type StandardInputPlace = "args" | `{${string}}`;

export const standardInputForms =
  'stdin must be true, for what the caller sends, or args, for all arguments as JSON, or one "{argument}", for the value of that one';

/** The reader of iscep.yaml and its schema both use it. */
export const standardInputExpression = /^(?:args|\{([^{}:]+)\})$/;

export function isStandardInputPlace(place: unknown): place is StandardInputPlace {
  return typeof place === "string" && standardInputExpression.test(place);
}

export interface ScriptPlaces {
  /** The template of the argv, without the program. */
  readonly template: readonly string[];
  readonly stdin?: StandardInputPlace | undefined;
  /** Arguments that become ISCEP_ARG_NAME. `all` means all except secrets. */
  readonly argumentVariables?: "all" | readonly string[] | undefined;
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * Makes the function that places the arguments of one call, after they have been checked. Runs share nothing, because
 * each call gets its own values (CVE-2026-48708).
 * @throws IscepError `configuration`; `details` has the wrong `element`, `argument` or `field`
 */
export function compileInvocation(
  places: ScriptPlaces,
  declarations: ArgumentDeclarations,
): (args: unknown) => ScriptInvocation {
  const argv = compileTemplate(places.template, declarations);
  const stdin = compileStandardInput(places.stdin, declarations);
  const variables = compileVariables(places.argumentVariables, declarations);
  const names = Object.keys(declarations);
  const secrets = names.filter((name) => declarations[name]?.type === "secret");
  const used = new Set([...argv.usedArguments, ...stdin.usedArguments, ...variables.keys()]);
  const unused = names.find((name) => !used.has(name));
  if (unused !== undefined) {
    const meant = nearName(unused, unknownSlots(places.template, declarations));
    throw notUsed(unused, secrets.includes(unused), meant);
  }
  return (args) => {
    if (typeof args !== "object" || args === null)
      throw new IscepError("invalid_arguments", "the arguments must be an object of names and values");
    const descriptors: Buffer[] = [];
    const content = stdin.contentOf(args);
    return {
      argv: argv.fill(args, descriptors),
      environment: variables.size === 0 ? places.environment : { ...places.environment, ...fill(variables, args) },
      ...(content === undefined ? {} : { stdin: content }),
      descriptors,
      secrets: secrets.map((name) => givenValue(args, name)).filter((value) => typeof value === "string"),
    };
  };
}

/** @param meant the name in the template, which may be misspelt */
function notUsed(argument: string, isSecret: boolean, meant: string | undefined): IscepError {
  const place = isSecret
    ? `give it to the script by stdin: "{${argument}}", or by a path to read it from, "{${argument}:file}" in run`
    : `add "{${argument}}" to run, or to stdin, or its name to the variables`;
  return new IscepError(
    "configuration",
    meant === undefined
      ? `argument "${argument}" is declared, but the script does not get it; ${place}, or remove the argument`
      : `argument "${argument}" is declared, but run has "{${meant}}", which is no argument; write "{${argument}}"`,
    { details: { argument } },
  );
}

interface StandardInput {
  readonly usedArguments: readonly string[];
  /** undefined leaves standard input to the caller. An absent argument means an empty input, and not the caller's. */
  contentOf(args: object): Buffer | undefined;
}

function compileStandardInput(place: unknown, declarations: ArgumentDeclarations): StandardInput {
  const wrong = (sentence: string): IscepError =>
    new IscepError("configuration", sentence, { details: { field: "stdin" } });
  if (place === undefined) return { usedArguments: [], contentOf: () => undefined };
  if (place === "args") {
    return { usedArguments: Object.keys(declarations), contentOf: (args) => Buffer.from(JSON.stringify(args)) };
  }
  const [, argument] = standardInputExpression.exec(typeof place === "string" ? place : "") ?? [];
  if (argument === undefined) throw wrong(standardInputForms);
  const declaration = Object.hasOwn(declarations, argument) ? declarations[argument] : undefined;
  if (declaration === undefined) {
    const hint = didYouMean(argument, Object.keys(declarations));
    throw wrong(`stdin uses argument "${argument}", which is not declared in args${hint}`);
  }
  if (declaration.type === "list")
    throw wrong(`argument "${argument}" is a list; write stdin: args, which gives all arguments as JSON`);
  return {
    usedArguments: [argument],
    contentOf: (args) => {
      const value = givenValue(args, argument);
      return value === undefined ? Buffer.alloc(0) : contentOf(value, argument);
    },
  };
}

/** Variables for arguments begin with this. A definition can set no such variable itself. */
const variablePrefix = "ISCEP_ARG_";

/** The name of the variable of each argument that has one. The definition chooses them, and never a caller. */
function compileVariables(chosen: unknown, declarations: ArgumentDeclarations): Map<string, string> {
  const wrong = (sentence: string): IscepError =>
    new IscepError("configuration", sentence, { details: { field: "argumentVariables" } });
  const names = Object.keys(declarations);
  const all = names.filter((name) => declarations[name]?.type !== "secret");
  const list: readonly unknown[] =
    chosen === undefined ? [] : chosen === "all" ? all : Array.isArray(chosen) ? chosen : [];
  if (list.length === 0 && chosen !== undefined && chosen !== "all")
    throw wrong("the variables of arguments must be all, or a list of names of arguments");
  const variables = new Map<string, string>();
  for (const name of list) {
    if (typeof name !== "string" || !names.includes(name)) {
      const text = String(name);
      throw wrong(`there is no argument ${JSON.stringify(text)} that could be a variable${didYouMean(text, names)}`);
    }
    if (declarations[name]?.type === "secret") {
      throw wrong(
        `argument "${name}" is a secret, and others may read the environment of a program; ` +
          `use stdin: "{${name}}", or "{${name}:file}" in run`,
      );
    }
    const variable = variablePrefix + name.toUpperCase().replaceAll("-", "_");
    const other = [...variables].find(([argument, taken]) => taken === variable && argument !== name);
    if (other !== undefined)
      throw wrong(`arguments "${other[0]}" and "${name}" would both be the variable ${variable}; rename one`);
    variables.set(name, variable);
  }
  return variables;
}

function fill(variables: ReadonlyMap<string, string>, args: object): Record<string, string> {
  const filled: Record<string, string> = {};
  for (const [name, variable] of variables) {
    const value = givenValue(args, name);
    if (value === undefined) continue;
    // Together with its name it is one text for the system, with the same bound as an argument.
    const text = Array.isArray(value) ? JSON.stringify(value) : textOf(value, name);
    filled[variable] = checkedElement(`${variable}=${text}`, name).slice(variable.length + 1);
  }
  return filled;
}

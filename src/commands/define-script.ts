import path from "node:path";
import { IscepError } from "../errors.js";
import type { ArgumentDeclarations, DeclaredInput } from "./arguments/declaration.js";
import { argumentsChecker } from "./arguments/check.js";
import { notedMembers, readNotes } from "./arguments/notes.js";
import { argumentsJsonSchema } from "./arguments/schema.js";
import { commandBrand } from "./brand.js";
import type { ScriptCommand } from "../model/command.js";
import { flagMembers, flagOptions, type FlagsDefinition } from "./flags.js";
import { compileConcurrency, type ConcurrencyDefinition } from "./concurrency.js";
import { declareArguments, pathsMember } from "./arguments/declared-arguments.js";
import type { NoArguments } from "./define.js";
import { wordsForDefinitions } from "../text/other-words.js";
import { didYouMean } from "../text/near-name.js";
import { refuseUnknownOption } from "../text/unknown-option.js";
import { checkCommandName, checkTimeout } from "../model/command-name.js";
import { compileInvocation, type StandardInputPlace } from "./script/invocation.js";
import { notifyMember, type Notify } from "./notify.js";
import { scheduleMember, type ScheduleDefinition } from "./schedule.js";
import { checkNoCode } from "./script/code-guard.js";
import { scriptEnvironment } from "./script/environment.js";
import { resolveProgram } from "./script/program.js";
import { processSettings, type ProcessDefinition } from "./script/process.js";
import { slotsWithoutArgument } from "./script/template.js";
import {
  scriptResults,
  type OutputForm,
  type ResultSchema,
  type ResultsDefinition,
  type ValueOfScript,
} from "./script/results.js";

export interface ScriptDefinition<
  Name extends string,
  Args extends ArgumentDeclarations | undefined,
  Output extends OutputForm = OutputForm,
  Result extends ResultSchema | undefined = ResultSchema | undefined,
>
  extends ProcessDefinition, ResultsDefinition<Output, Result>, FlagsDefinition {
  /** The name: letters, digits and `_ . : -`, at most 128. Names that begin with `iscep.` are reserved. */
  readonly name: Name;
  /** The description, for discovery and `iscep ls`. Default: empty. */
  readonly description?: string;
  /**
   * The program, and a template of its arguments: literals, `"{argument}"`, and `"--option={argument}"`. There is no
   * shell. The program is an absolute path, a path relative to `folder` (`./backup.sh`), or a name such as `tar`.
   * `"{argument:file}"` becomes the path of a file that holds the value, and `"{argument:fd}"` the number of its
   * descriptor.
   */
  readonly run: readonly [program: string, ...template: string[]];
  /**
   * The arguments, declared as for `declareArguments`. Each must be used in `run`, `stdin` or `argumentVariables`.
   * Default: none.
   */
  readonly args?: Args;
  /**
   * What the script reads from standard input. true: what the caller sends. `"args"`: all arguments as one JSON object.
   * `"{argument}"`: the value of this argument. `iscep call` sends its standard input only to a command with true.
   * false: a call that sends some is refused.
   * Default: what a client of the library sends, and otherwise nothing.
   */
  readonly stdin?: StandardInputPlace | boolean;
  /**
   * Names of arguments that the script gets as ISCEP_ARG_NAME (a list becomes JSON), or `all` for all except secrets.
   * Default: none.
   */
  readonly argumentVariables?: "all" | readonly string[];
  /**
   * true: the log and the list of runs tell the values of arguments, except secrets, and `iscep call --again` can run
   * it once more. Default: what the server's `logArgs` says.
   */
  readonly logArgs?: boolean;
  /** How long a run may take, in milliseconds. Default: the server's `runTimeoutMs`. */
  readonly timeoutMs?: number;
  /** How many runs go on at once, and what happens to one more call. Default: as many as the server has places for. */
  readonly concurrency?: ConcurrencyDefinition;
  /**
   * When the server runs it without a caller: a cron pattern such as `"0 3 * * *"`, or an object with a pattern and
   * arguments. Default: never.
   */
  readonly schedule?: string | ScheduleDefinition;
  /**
   * Who is told when its runs end, instead of those that the server tells; false: nobody. Default: those of the server.
   */
  readonly notify?: Notify;
  /** The folder that the script works in. Default: the folder of this process. */
  readonly folder?: string;
  /**
   * Variables in addition to the PATH, LANG, HOME, TZ and PYTHONUNBUFFERED=1 that a script gets. It gets nothing else of the server's
   * environment. Default: none.
   */
  readonly environment?: Readonly<Record<string, string>>;
}

const scriptOptions: Readonly<Record<keyof ScriptDefinition<string, undefined>, true>> = {
  name: true,
  description: true,
  run: true,
  args: true,
  stdin: true,
  argumentVariables: true,
  logArgs: true,
  timeoutMs: true,
  concurrency: true,
  schedule: true,
  ...flagOptions,
  notify: true,
  folder: true,
  environment: true,
  user: true,
  limits: true,
  umask: true,
  terminal: true,
  maxOutputBytes: true,
  whenOutputIsFull: true,
  mask: true,
  output: true,
  result: true,
  successCodes: true,
};

type InputOfScript<Args> = Args extends ArgumentDeclarations ? DeclaredInput<Args> : NoArguments;

/**
 * Makes a program callable from outside. The value of a call is a ScriptResult (exit code, standard output and error),
 * or what `output` says.
 * @throws IscepError `usage` for a wrong name, timeout or declaration of arguments; `configuration` for a program that
 *   is missing or that others may change, a template that cannot be filled, and a refused environment variable
 */
export function defineScript<
  const Name extends string,
  const Args extends ArgumentDeclarations | undefined = undefined,
  const Output extends OutputForm = "text",
  const Result extends ResultSchema | undefined = undefined,
>(
  definition: ScriptDefinition<Name, Args, Output, Result>,
): ScriptCommand<Name, InputOfScript<Args>, ValueOfScript<Output, Result>> {
  const { name, description = "", timeoutMs, concurrency, schedule } = definition;
  checkCommandName(name);
  refuseUnknownOption(`script "${name}"`, definition, scriptOptions, wordsForDefinitions);
  checkTimeout(name, timeoutMs);
  const folder = path.resolve(definition.folder ?? process.cwd());
  const [program, ...template] = checkedRun(name, definition.run);
  const declarations: ArgumentDeclarations = definition.args ?? {};
  checkNoCode(program, template, declarations);
  if (Object.hasOwn(declarations, "~standard"))
    throw new IscepError("usage", `script "${name}": args takes the plain declarations, without declareArguments()`);
  const args = declareArguments(declarations, { folder });
  const notes = readNotes(argumentsJsonSchema(name, args));
  const { argsSchema } = notes;
  const { userEnvironment, ...settings } = processSettings(definition);
  const environment = scriptEnvironment({ ...userEnvironment, ...definition.environment });
  const { argumentVariables } = definition;
  checkTerminal(definition);
  const takesStdin = definition.stdin === true || definition.terminal === true;
  const stdin = typeof definition.stdin === "boolean" ? undefined : definition.stdin;
  const invocation = compileInvocation({ template, stdin, argumentVariables, environment }, declarations);
  const checkArguments = argumentsChecker(args, argsSchema);
  return Object.freeze({
    [commandBrand]: true,
    kind: "script" as const,
    name,
    description,
    argsSchema,
    ...notedMembers(notes),
    ...(takesStdin || definition.stdin === false ? { stdin: takesStdin } : {}),
    ...flagMembers(name, definition),
    ...(definition.logArgs === undefined ? {} : { logArgs: definition.logArgs }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(concurrency === undefined ? {} : { concurrency: compileConcurrency(name, concurrency, argsSchema) }),
    ...scheduleMember(name, schedule, checkArguments),
    ...notifyMember(name, definition.notify),
    checkArguments,
    ...pathsMember(args),
    program: resolveProgram(program, folder),
    ...doubtsMember(name, template, declarations),
    invocation,
    folder,
    environment,
    ...settings,
    ...scriptResults(name, definition),
  });
}

/** A terminal is for people: what they type is the input, and what they see is no JSON. */
function checkTerminal({
  terminal,
  stdin,
  output,
}: Pick<ScriptDefinition<string, undefined>, "terminal" | "stdin" | "output">): void {
  if (terminal !== true) return;
  const refuse = (field: string, sentence: string): never => {
    throw new IscepError("configuration", sentence, { details: { field } });
  };
  if (stdin !== undefined && stdin !== true)
    refuse("stdin", "a script with terminal: true reads what its caller types; leave out stdin");
  if (output === "json" || output === "lines")
    refuse(
      "output",
      `a script with terminal: true has line ends and colours of a terminal; leave out output: ${output}`,
    );
}

function doubtsMember(
  name: string,
  template: readonly string[],
  declarations: ArgumentDeclarations,
): { readonly doubts?: readonly string[] } {
  const found = slotsWithoutArgument(template, declarations);
  if (found.length === 0) return {};
  const names = Object.keys(declarations);
  const doubts = found.map(({ element, name: argument }) => {
    const shown = JSON.stringify(element);
    const hint = didYouMean(argument, names) || "; declare it in args if it was meant to be one";
    return `run of command "${name}" has ${shown}, which names no argument and reaches the program as it is${hint}`;
  });
  return { doubts };
}

function checkedRun(name: string, run: unknown): readonly [string, ...string[]] {
  const elements: readonly unknown[] = Array.isArray(run) ? run : [];
  const [program, ...template] = elements;
  if (typeof program !== "string" || !template.every((element) => typeof element === "string")) {
    throw new IscepError(
      "configuration",
      `run of script "${name}" must be a list of texts: the program, then its arguments`,
    );
  }
  return [program, ...template];
}

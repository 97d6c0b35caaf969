import type { StandardSchemaV1 } from "@standard-schema/spec";
import { IscepError } from "../errors.js";
import { argumentsChecker, checkNoArguments } from "./arguments/check.js";
import { notedMembers, readNotes } from "./arguments/notes.js";
import { argumentsJsonSchema, noArgumentsSchema, resultJsonSchema } from "./arguments/schema.js";
import { commandBrand } from "./brand.js";
import { callingModule } from "./calling-module.js";
import type { CommandContext, FunctionCommand } from "../model/command.js";
import { flagMembers, flagOptions, type FlagsDefinition } from "./flags.js";
import { compileConcurrency, type ConcurrencyDefinition } from "./concurrency.js";
import { failureSchemas, withFailures, type ContextWith, type FailureSchemas, type FailuresOf } from "./failures.js";
import { pathsMember } from "./arguments/declared-arguments.js";
import { wordsForDefinitions } from "../text/other-words.js";
import { refuseUnknownOption } from "../text/unknown-option.js";
import { checkCommandName, checkTimeout } from "../model/command-name.js";
import { notifyMember, type Notify } from "./notify.js";
import { scheduleMember, type ScheduleDefinition } from "./schedule.js";
import { registerThreadCommand } from "./thread-commands.js";

/** The arguments of a command without `args`: an object without members. */
export type NoArguments = Record<string, never>;

type InputOfSchema<Schema> = Schema extends StandardSchemaV1 ? StandardSchemaV1.InferInput<Schema> : NoArguments;
type ArgsOfSchema<Schema> = Schema extends StandardSchemaV1 ? StandardSchemaV1.InferOutput<Schema> : NoArguments;
type ResultOfSchema<Schema, Returned> = Schema extends StandardSchemaV1
  ? StandardSchemaV1.InferOutput<Schema>
  : Awaited<Returned>;
/** What `run` may return: any value, or a value that the result's schema accepts. */
type ReturnedFor<Schema> = Schema extends StandardSchemaV1
  ? StandardSchemaV1.InferInput<Schema> | Promise<StandardSchemaV1.InferInput<Schema>>
  : unknown;

export interface CommandDefinition<
  Name extends string,
  ArgsSchema extends StandardSchemaV1 | undefined,
  ResultSchema extends StandardSchemaV1 | undefined,
  Returned,
  Failures extends FailureSchemas | undefined = undefined,
> extends FlagsDefinition {
  /** The name: letters, digits and `_ . : -`, at most 128. Names that begin with `iscep.` are reserved. */
  readonly name: Name;
  /** The description, for discovery and `iscep ls`. Default: empty. */
  readonly description?: string;
  /** The arguments: any Standard Schema of an object (zod, valibot, arktype, `declareArguments`). Default: no arguments. */
  readonly args?: ArgsSchema;
  /** A Standard Schema that checks the result, and that discovery shows. Default: any JSON. */
  readonly result?: ResultSchema;
  /**
   * The ways to fail that callers can tell apart: by the reason, a Standard Schema of its data. `context.failure` makes
   * them, discovery shows them, and `failureOf` reads them on the other side. Default: none.
   */
  readonly errors?: Failures;
  /**
   * true runs the command in a worker thread, so that blocking work stops nobody else. The thread imports the module
   * that calls this function; give `import.meta.url` when iscep cannot find that out. The command must be made at the
   * top level of the module, and its result must be JSON. Default: false.
   */
  readonly thread?: boolean | string;
  /**
   * true: the command reads `context.stdin`, and `iscep call` sends its standard input. false: a call that sends some is
   * refused. Default: it can read what a client of the library sends.
   */
  readonly stdin?: boolean;
  /**
   * true: the log and the list of runs tell the values of arguments, except secrets, and `iscep call --again` can run
   * it once more. Default: what the server's `logArgs` says.
   */
  readonly logArgs?: boolean;
  /** How long a run may take, in milliseconds. Default: the server's `runTimeoutMs`. */
  readonly timeoutMs?: number;
  /** How many runs go on at once, and what happens to one more call. Default: as many as the server has places for. */
  readonly concurrency?: ConcurrencyDefinition<ArgsOfSchema<ArgsSchema>>;
  /**
   * When the server runs it without a caller: a cron pattern such as `"0 3 * * *"`, or an object with a pattern and
   * arguments. Default: never.
   */
  readonly schedule?: string | ScheduleDefinition<InputOfSchema<ArgsSchema>>;
  /** Who is told when its runs end, instead of those that the server tells; false: nobody. Default: those of the server. */
  readonly notify?: Notify;
  /**
   * The function. Its result goes to the caller as JSON. What it throws goes to error.log; an IscepError goes to the
   * caller too.
   */
  run(args: ArgsOfSchema<ArgsSchema>, context: ContextWith<Failures>): Returned;
}

const commandOptions: Readonly<Record<keyof CommandDefinition<string, undefined, undefined, unknown>, true>> = {
  name: true,
  description: true,
  args: true,
  result: true,
  errors: true,
  thread: true,
  stdin: true,
  logArgs: true,
  timeoutMs: true,
  concurrency: true,
  schedule: true,
  ...flagOptions,
  notify: true,
  run: true,
};

/**
 * Makes a function callable from outside, with arguments that are checked before it runs.
 * @throws IscepError `usage` for a name or timeout that is not valid, and for a schema that cannot tell unknown
 *   arguments
 */
export function defineCommand<
  const Name extends string,
  Returned extends ReturnedFor<ResultSchema>,
  ArgsSchema extends StandardSchemaV1 | undefined = undefined,
  ResultSchema extends StandardSchemaV1 | undefined = undefined,
  Failures extends FailureSchemas | undefined = undefined,
>(
  definition: CommandDefinition<Name, ArgsSchema, ResultSchema, Returned, Failures>,
): FunctionCommand<
  Name,
  InputOfSchema<ArgsSchema>,
  ArgsOfSchema<ArgsSchema>,
  ResultOfSchema<ResultSchema, Returned>,
  FailuresOf<Failures>
> {
  const {
    name,
    description = "",
    args,
    result,
    thread = false,
    stdin,
    logArgs,
    timeoutMs,
    concurrency,
    schedule,
  } = definition;
  checkCommandName(name);
  checkRun(definition);
  // The author's `run` may use other members of the definition by `this`.
  refuseUnknownOption(`command "${name}"`, definition, commandOptions, wordsForDefinitions, true);
  checkTimeout(name, timeoutMs);
  const notes = readNotes(args === undefined ? noArgumentsSchema : argumentsJsonSchema(name, args));
  const { argsSchema } = notes;
  const resultSchema = result === undefined ? undefined : resultJsonSchema(result);
  const threadModule = thread === true ? callingModule(defineCommand) : thread === false ? undefined : thread;
  if (thread !== false && threadModule?.startsWith("file:") !== true) {
    throw new IscepError(
      "usage",
      `"${name}" is to run in a thread, and its module is not known; give thread: import.meta.url`,
    );
  }
  const run = runOf(definition);
  const checkArguments = args === undefined ? checkNoArguments : argumentsChecker(args, argsSchema);
  const command = Object.freeze({
    [commandBrand]: true,
    kind: "function" as const,
    name,
    description,
    argsSchema,
    ...notedMembers(notes),
    ...(resultSchema === undefined ? {} : { resultSchema }),
    ...(definition.errors === undefined ? {} : { failureSchemas: failureSchemas(name, definition.errors) }),
    ...(stdin === undefined ? {} : { stdin }),
    ...flagMembers(name, definition),
    ...(logArgs === undefined ? {} : { logArgs }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(concurrency === undefined ? {} : { concurrency: compileConcurrency(name, concurrency, argsSchema) }),
    ...(threadModule === undefined ? {} : { threadModule }),
    ...scheduleMember(name, schedule as string | ScheduleDefinition | undefined, checkArguments),
    ...notifyMember(name, definition.notify),
    checkArguments,
    ...pathsMember(args),
    run: result === undefined ? run : checkedRun(run, name, result),
    // The types come from schemas that the compiler has seen. At run time the check makes them true.
  }) as FunctionCommand<
    Name,
    InputOfSchema<ArgsSchema>,
    ArgsOfSchema<ArgsSchema>,
    ResultOfSchema<ResultSchema, Returned>,
    FailuresOf<Failures>
  >;
  if (threadModule !== undefined) registerThreadCommand(threadModule, command);
  return command;
}

/** The author's `run`, for a context without failures. The types come from the schemas that the compiler has seen. */
function runOf<Args, Returned, Failures extends FailureSchemas | undefined>(definition: {
  readonly name: string;
  readonly errors?: Failures;
  run(args: Args, context: ContextWith<Failures>): Returned;
}): (args: Args, context: CommandContext) => Returned {
  const { name } = definition;
  const errors: FailureSchemas | undefined = definition.errors;
  const run = definition.run.bind(definition) as (args: Args, context: CommandContext) => Returned;
  return errors === undefined ? run : (args, context) => run(args, withFailures(context, name, errors));
}

/** A generator function runs nothing when it is called. */
function checkRun({ name, run }: { readonly name: string; readonly run: unknown }): void {
  if (!/Generator/.test(Object.prototype.toString.call(run))) return;
  throw new IscepError(
    "usage",
    `run of "${name}" is a generator function, and calling it runs nothing; return an array, or write the parts to context.output`,
  );
}

/**
 * The result as its schema makes it. A result that does not fit is the command's fault, and stays in error.log with its
 * cause.
 */
function checkedRun<Args>(
  run: (args: Args, context: CommandContext) => unknown,
  name: string,
  schema: StandardSchemaV1,
): (args: Args, context: CommandContext) => unknown {
  const { validate } = schema["~standard"];
  const outputOf = (checked: StandardSchemaV1.Result<unknown>): unknown => {
    if (checked.issues === undefined) return checked.value;
    const reasons = checked.issues.map((issue) => issue.message).join("; ");
    throw new Error(`the result of "${name}" does not fit its own schema: ${reasons}`);
  };
  const check = (returned: unknown): unknown => {
    const checked = validate(returned);
    return checked instanceof Promise ? checked.then(outputOf) : outputOf(checked);
  };
  return (args, context) => {
    const returned = run(args, context);
    return returned instanceof Promise ? returned.then(check) : check(returned);
  };
}

import type { StandardSchemaV1 } from "@standard-schema/spec";
import { IscepError } from "../errors.js";
import { argumentsChecker, checkNoArguments } from "./arguments/check.js";
import { notedMembers, readNotes } from "./arguments/notes.js";
import { argumentsJsonSchema, noArgumentsSchema, resultJsonSchema } from "./arguments/schema.js";
import { commandBrand } from "./brand.js";
import { callingModule } from "./calling-module.js";
import type { CommandContext, FunctionCommand } from "../model/command.js";
import { compileConcurrency, type ConcurrencyDefinition } from "./concurrency.js";
import { pathsMember } from "./arguments/declared-arguments.js";
import { checkCommandName, checkTimeout } from "../model/command-name.js";
import { scheduleMember, type ScheduleDefinition } from "./schedule.js";
import { registerThreadCommand } from "./thread-commands.js";

/** What a command without `args` gets: an object without members. */
export type NoArguments = Record<string, never>;

type InputOfSchema<Schema> = Schema extends StandardSchemaV1 ? StandardSchemaV1.InferInput<Schema> : NoArguments;
type ArgsOfSchema<Schema> = Schema extends StandardSchemaV1 ? StandardSchemaV1.InferOutput<Schema> : NoArguments;
type ResultOfSchema<Schema, Returned> = Schema extends StandardSchemaV1
  ? StandardSchemaV1.InferOutput<Schema>
  : Awaited<Returned>;
/** What `run` may return: whatever it likes, or what the result's schema takes. */
type ReturnedFor<Schema> = Schema extends StandardSchemaV1
  ? StandardSchemaV1.InferInput<Schema> | Promise<StandardSchemaV1.InferInput<Schema>>
  : unknown;

export interface CommandDefinition<
  Name extends string,
  ArgsSchema extends StandardSchemaV1 | undefined,
  ResultSchema extends StandardSchemaV1 | undefined,
  Returned,
> {
  /** Letters, digits and `_ . : -`, at most 128; what begins with `iscep.` is reserved. */
  readonly name: Name;
  /** For discovery and `iscep ls`. */
  readonly description?: string;
  /** Any Standard Schema of an object (zod, valibot, arktype, `declareArguments`). Without it the command takes none. */
  readonly args?: ArgsSchema;
  /** What the result is checked against, and what discovery tells of it. */
  readonly result?: ResultSchema;
  /**
   * Runs it in a worker thread, so that work that blocks holds nobody up. The thread imports the module that this call
   * stands in; give `import.meta.url` where that cannot be found out. The command must be made at the module's top
   * level, and its result must be JSON.
   */
  readonly thread?: boolean | string;
  /** Default: the server's `runTimeoutMs`. */
  readonly timeoutMs?: number;
  /** How many go on at once, and what becomes of one more. Default: as many as the server has places for. */
  readonly concurrency?: ConcurrencyDefinition<ArgsOfSchema<ArgsSchema>>;
  /** The server runs it by itself at these times: a cron pattern such as `"0 3 * * *"`, or one with arguments. */
  readonly schedule?: string | ScheduleDefinition<InputOfSchema<ArgsSchema>>;
  /** Of the schedule, such as `Europe/Berlin`. Default: the one of the server's machine. */
  readonly timeZone?: string;
  /** Its result goes to the caller as JSON; what it throws goes to error.log, but an IscepError to the caller too. */
  run(args: ArgsOfSchema<ArgsSchema>, context: CommandContext): Returned;
}

/**
 * Makes a function callable from outside, with arguments that are checked before it runs.
 * @throws IscepError `usage` for a name or timeout that is none, and a schema that cannot tell unknown arguments.
 */
export function defineCommand<
  const Name extends string,
  Returned extends ReturnedFor<ResultSchema>,
  ArgsSchema extends StandardSchemaV1 | undefined = undefined,
  ResultSchema extends StandardSchemaV1 | undefined = undefined,
>(
  definition: CommandDefinition<Name, ArgsSchema, ResultSchema, Returned>,
): FunctionCommand<Name, InputOfSchema<ArgsSchema>, ArgsOfSchema<ArgsSchema>, ResultOfSchema<ResultSchema, Returned>> {
  const {
    name,
    description = "",
    args,
    result,
    thread = false,
    timeoutMs,
    concurrency,
    schedule,
    timeZone,
  } = definition;
  checkCommandName(name);
  checkRun(definition);
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
  const run = definition.run.bind(definition);
  const checkArguments = args === undefined ? checkNoArguments : argumentsChecker(args, argsSchema);
  const command = Object.freeze({
    [commandBrand]: true,
    kind: "function" as const,
    name,
    description,
    argsSchema,
    ...notedMembers(notes),
    ...(resultSchema === undefined ? {} : { resultSchema }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(concurrency === undefined ? {} : { concurrency: compileConcurrency(name, concurrency, argsSchema) }),
    ...(threadModule === undefined ? {} : { threadModule }),
    ...scheduleMember(name, schedule as string | ScheduleDefinition | undefined, timeZone, checkArguments),
    checkArguments,
    ...pathsMember(args),
    run: result === undefined ? run : checkedRun(run, name, result),
    // The types of arguments and result come from schemas that the compiler has seen; at run time the check stands for them.
  }) as FunctionCommand<
    Name,
    InputOfSchema<ArgsSchema>,
    ArgsOfSchema<ArgsSchema>,
    ResultOfSchema<ResultSchema, Returned>
  >;
  if (threadModule !== undefined) registerThreadCommand(threadModule, command);
  return command;
}

/** A generator function runs nothing when it is called. */
function checkRun({ name, run }: { readonly name: string; readonly run: unknown }): void {
  if (!/Generator/.test(Object.prototype.toString.call(run))) return;
  throw new IscepError(
    "usage",
    `run of "${name}" is a generator function, and calling it runs nothing; return an array, or write the parts to context.output`,
  );
}

/** The result as its schema makes it; what does not fit is the command's fault, and stays in error.log with its cause. */
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

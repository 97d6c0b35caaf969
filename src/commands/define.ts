import type { StandardSchemaV1 } from "@standard-schema/spec";
import { IscepError } from "../errors.js";
import { argumentsChecker, argumentsJsonSchema, describeSchema, noArgumentsSchema } from "./argument-schema.js";
import { commandBrand } from "./brand.js";
import { callingModule } from "./calling-module.js";
import type { ArgumentsCheck, CommandContext, FunctionCommand } from "./command.js";
import { checkCommandName, checkTimeout } from "./names.js";
import { registerThreadCommand } from "./thread-commands.js";

/** What a command without `args` gets: an object without members. */
export type NoArguments = Record<string, never>;

type InputOfSchema<Schema> = Schema extends StandardSchemaV1 ? StandardSchemaV1.InferInput<Schema> : NoArguments;
type ArgsOfSchema<Schema> = Schema extends StandardSchemaV1 ? StandardSchemaV1.InferOutput<Schema> : NoArguments;
type ResultOfSchema<Schema, Returned> = Schema extends StandardSchemaV1
  ? StandardSchemaV1.InferOutput<Schema>
  : Awaited<Returned>;

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
  /** Its result goes to the caller as JSON; what it throws goes to error.log, but an IscepError to the caller too. */
  run(args: ArgsOfSchema<ArgsSchema>, context: CommandContext): Returned;
}

/**
 * Makes a function callable from outside, with arguments that are checked before it runs.
 * @throws IscepError `usage` for a name or timeout that is none, and a schema that cannot tell unknown arguments.
 */
export function defineCommand<
  const Name extends string,
  Returned,
  ArgsSchema extends StandardSchemaV1 | undefined = undefined,
  ResultSchema extends StandardSchemaV1 | undefined = undefined,
>(
  definition: CommandDefinition<Name, ArgsSchema, ResultSchema, Returned>,
): FunctionCommand<Name, InputOfSchema<ArgsSchema>, ArgsOfSchema<ArgsSchema>, ResultOfSchema<ResultSchema, Returned>> {
  const { name, description = "", args, result, thread = false, timeoutMs } = definition;
  checkCommandName(name);
  checkTimeout(name, timeoutMs);
  const argsSchema = args === undefined ? noArgumentsSchema : argumentsJsonSchema(name, args);
  const resultSchema = result === undefined ? undefined : describeSchema(result, "output");
  const threadModule = thread === false ? undefined : thread === true ? callingModule(defineCommand) : thread;
  if (thread !== false && threadModule === undefined) {
    throw new IscepError("usage", `"${name}" is to run in a thread, and its module is not known; give thread: import.meta.url`);
  }
  const run = definition.run.bind(definition);
  const command = {
    [commandBrand]: true,
    kind: "function" as const,
    name,
    description,
    argsSchema,
    ...(resultSchema === undefined ? {} : { resultSchema }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(threadModule === undefined ? {} : { threadModule }),
    checkArguments: args === undefined ? checkNoArguments : argumentsChecker(args, argsSchema),
    run: result === undefined ? run : checkedRun(run, name, result),
    // The types of arguments and result come from schemas that the compiler has seen; at run time the check stands for them.
  } as FunctionCommand<Name, InputOfSchema<ArgsSchema>, ArgsOfSchema<ArgsSchema>, ResultOfSchema<ResultSchema, Returned>>;
  if (threadModule !== undefined) registerThreadCommand(threadModule, command);
  return command;
}

function checkNoArguments(given: unknown): ArgumentsCheck {
  if (given === undefined || given === null) return { ok: true, args: {} };
  if (typeof given !== "object" || Array.isArray(given)) {
    return { ok: false, message: "the arguments must be an object of names and values" };
  }
  for (const name in given) {
    return { ok: false, message: `there is no argument ${JSON.stringify(name.slice(0, 64))}; this command takes none` };
  }
  return { ok: true, args: given };
}

function checkedRun<Args>(
  run: (args: Args, context: CommandContext) => unknown,
  name: string,
  schema: StandardSchemaV1,
): (args: Args, context: CommandContext) => Promise<unknown> {
  return async (args, context) => {
    const checked = await schema["~standard"].validate(await run(args, context));
    if (checked.issues !== undefined) {
      throw new Error(`the result of "${name}" does not fit its own schema: ${checked.issues.map((issue) => issue.message).join("; ")}`);
    }
    return checked.value;
  };
}

import type { Identity } from "./identity.js";

/** A JSON Schema (draft 2020-12) as plain data. */
export type JsonSchema = { readonly [keyword: string]: unknown };

/** What a function gets besides its arguments. */
export interface CommandContext {
  /** UUIDv7 of this run. */
  readonly runId: string;
  readonly identity: Pick<Identity, "owner" | "tokenId">;
  /** Aborted at the run's timeout, at a cancel, and when the server closes. Its reason is an IscepError. */
  readonly signal: AbortSignal;
  /** Shown to the caller while the command runs. */
  readonly output: CommandOutput;
  /** What the caller sends as standard input; ends at once where it sends none. To be read once. */
  readonly stdin: AsyncIterable<Uint8Array>;
  /** How far the command is, from 0 to 1, and in which step. */
  readonly progress: (fraction: number, message?: string) => void;
}

export interface CommandOutput {
  /** Copies the bytes (text as UTF-8). Await the promise, where there is one: a reader is slower than the command. */
  write(channel: "stdout" | "stderr", data: string | Uint8Array): Promise<void> | undefined;
}

export type ArgumentsCheck =
  | { readonly ok: true; readonly args: unknown }
  /** A sentence that names each wrong argument and why. Never a value: it may be a secret. */
  | { readonly ok: false; readonly message: string };

/** What becomes of a call that finds the limit reached. */
export type WhenFull = "queue" | "reject" | "replace" | "join";

/** How many runs of a command may go on at once. */
export interface CommandConcurrency {
  readonly limit: number;
  readonly whenFull: WhenFull;
  /** Undefined means the server's `maxQueuedRunsPerKey`. */
  readonly maxQueued?: number;
  /** Of checked arguments: runs with different keys do not count for each other. May throw whatever its author's code throws. */
  key(args: unknown): string;
}

/** When a command runs by itself. */
export interface CommandSchedule {
  readonly cron: string;
  readonly timeZone: string;
  /** As a caller would give them. */
  readonly args: unknown;
  /** The first planned time after this one, both as Unix time in milliseconds; undefined when none comes any more. */
  next(afterMs: number): number | undefined;
}

export interface ArgumentPaths {
  readonly bases: readonly { readonly argument: string; readonly base: string }[];
  /** Of checked arguments, when the run begins: a queue may lie between the two. */
  checkAgain(args: unknown): Promise<ArgumentsCheck>;
}

interface CommandBase<Name extends string> {
  readonly name: Name;
  readonly description: string;
  /** JSON Schema of the arguments: always an object schema; `additionalProperties: false`. */
  readonly argsSchema: JsonSchema;
  /** Arguments whose values appear in no log and no output. */
  readonly secretArguments?: readonly string[];
  /** By argument, the command of the same server whose result is the list of its values. */
  readonly choicesFrom?: ReadonlyMap<string, string>;
  /** JSON Schema of the result, where it is known. */
  readonly resultSchema?: JsonSchema;
  /** Undefined means the server's `runTimeoutMs`. */
  readonly timeoutMs?: number;
  /** Undefined: as many as the server has places for. */
  readonly concurrency?: CommandConcurrency;
  readonly schedule?: CommandSchedule;
  /** Validates and, where the schema says so, converts. Refuses unknown arguments. */
  checkArguments(args: unknown): ArgumentsCheck | Promise<ArgumentsCheck>;
  /** Undefined where no argument is a path. */
  readonly paths?: ArgumentPaths;
}

/** A function in this process, or in a worker thread. Made by `defineCommand`. */
export interface FunctionCommand<
  Name extends string = string,
  Input = unknown,
  Args = unknown,
  Result = unknown,
> extends CommandBase<Name> {
  readonly kind: "function";
  /** file: URL of the module that a worker thread imports to find this command; undefined runs it in the event loop's thread. */
  readonly threadModule?: string;
  // A method, so that a command of precise types is still a `Command` (parameters of methods are bivariant).
  run(args: Args, context: CommandContext): Result | Promise<Result>;
  /** Carries types only; never there at run time. */
  readonly types?: { readonly input: Input; readonly result: Result };
}

/** What a process of a script gets of one call. */
export interface ScriptInvocation {
  /** Without the program. */
  readonly argv: readonly string[];
  /** The whole environment, but for ISCEP_RUN. */
  readonly environment: Readonly<Record<string, string>>;
  /** The whole standard input. Undefined: what the caller sends, if it sends any. */
  readonly stdin?: Buffer;
  /** The nth one is open for reading as descriptor 3 + n, and as /dev/fd/ and that number: see `openDescriptor`. */
  readonly descriptors: readonly Buffer[];
  /** To be masked in all that the process prints. */
  readonly secrets: readonly string[];
}

export type ResultCheck =
  | { readonly ok: true; readonly value: unknown }
  /** Never with a value in it. */
  | { readonly ok: false; readonly message: string };

/** Of what a script's end and output become: see `scriptResults`. */
export interface ScriptResults {
  /** Undefined is `text`: a ScriptResult, whatever the exit code. */
  readonly output?: "text" | "json" | "lines" | "none";
  /** Undefined is 0 alone. */
  readonly successCodes?: readonly number[];
  /** Validates the value of `output: "json"` and, where the schema says so, converts it. */
  checkResult?(value: unknown): ResultCheck | Promise<ResultCheck>;
}

/** Of a script's process: see `processSettings`. */
export interface ScriptProcess {
  /** Programs and their arguments that stand before the script's own program, and become it. */
  readonly launcher?: readonly string[];
  /** Whom it runs as. Undefined: the server's own. */
  readonly user?: { readonly uid: number; readonly gid: number };
  /** The launcher becomes that user, with all groups of the user, and has to be started as the server's own. */
  readonly launcherSetsUser?: true;
  /** Standard output and error together; undefined means the server's `maxScriptOutputBytes`. */
  readonly maxOutputBytes?: number;
  /** Undefined is `truncate`. */
  readonly whenOutputIsFull?: "truncate" | "kill";
}

/** A program with an argv array, never a shell. Made by `defineScript` and by iscep.yaml. */
export interface ScriptCommand<Name extends string = string, Input = unknown, Result = unknown>
  extends CommandBase<Name>, ScriptProcess, ScriptResults {
  readonly kind: "script";
  /** Absolute path of the program. */
  readonly program: string;
  /** What one call starts it with, from checked arguments. @throws IscepError `invalid_arguments` */
  invocation(args: unknown): ScriptInvocation;
  /** The fixed working folder, absolute. */
  readonly folder: string;
  /** What is in the environment at each call; that of an invocation has the arguments too. */
  readonly environment: Readonly<Record<string, string>>;
  readonly types?: { readonly input: Input; readonly result: Result };
}

export type Command = FunctionCommand | ScriptCommand;

/** `commands` as users give them: an array, or a record whose keys are only for the program's own use. */
export type CommandSet = readonly Command[] | Readonly<Record<string, Command>>;

/** What discovery tells about a command. */
export interface CommandDescription {
  readonly name: string;
  readonly description: string;
  readonly kind: "function" | "script";
  readonly args: JsonSchema;
  readonly result?: JsonSchema;
  readonly timeoutMs: number;
}

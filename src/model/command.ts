import type { CommandFlags } from "./command-flags.js";
import type { SecretPlace } from "../files/secret-place.js";
import type { Identity } from "./identity.js";

/** A JSON Schema (draft 2020-12) as plain data. */
export type JsonSchema = { readonly [keyword: string]: unknown };

/** What a function gets in addition to its arguments. */
export interface CommandContext {
  /** The id of this run, a UUIDv7. */
  readonly runId: string;
  /** Who has called: the owner of the token, and its public id. */
  readonly identity: Pick<Identity, "owner" | "tokenId">;
  /**
   * The place of this run in the trace of its caller (W3C Trace Context); undefined where nobody traces. In the main
   * thread, the run's span of OpenTelemetry is the active one too.
   */
  readonly traceparent?: string | undefined;
  /** Aborted at the run's timeout, at a cancel, and when the server closes. The reason is an IscepError. */
  readonly signal: AbortSignal;
  /** The caller sees this output while the command runs. */
  readonly output: CommandOutput;
  /** The standard input that the caller sends. It ends at once if the caller sends none. It can be read once. */
  readonly stdin: AsyncIterable<Uint8Array>;
  /** Tells the caller how far the command is, from 0 to 1, and in which step. */
  readonly progress: (fraction: number, message?: string) => void;
}

export interface CommandOutput {
  /**
   * Writes a copy of the bytes (text as UTF-8). If it returns a promise, await it: a reader is slower than the command.
   */
  write(channel: "stdout" | "stderr", data: string | Uint8Array): Promise<void> | undefined;
}

export type ArgumentsCheck =
  | { readonly ok: true; readonly args: unknown }
  /** A sentence that names each wrong argument and says why. It never contains a value, which may be a secret. */
  | { readonly ok: false; readonly message: string; readonly code?: "unauthorized" };

/** What happens to a call when the limit is reached. */
export type WhenFull = "queue" | "reject" | "replace" | "join";

/** How many runs of a command may go on at once. */
export interface CommandConcurrency {
  readonly limit: number;
  readonly whenFull: WhenFull;
  /** undefined: the server's `maxQueuedRunsPerKey`. */
  readonly maxQueued?: number;
  /**
   * Makes the key of a run from its checked arguments. Runs with different keys do not count for each other. It may
   * throw anything, because it may be code of the command's author.
   */
  key(args: unknown): string;
}

/** When the server runs a command without a caller. */
export interface CommandSchedule {
  readonly cron: string;
  readonly timeZone: string;
  /** The arguments, as a caller would give them. */
  readonly args: unknown;
  /** Only one of several servers of a service starts each time. */
  readonly once: boolean;
  /** The first planned time after this one, both as Unix time in milliseconds. undefined when there is none. */
  next(afterMs: number): number | undefined;
}

export interface ArgumentPaths {
  readonly bases: readonly { readonly argument: string; readonly base: string }[];
  /** Checks the checked arguments once more when the run begins, because it may have waited in a queue. */
  checkAgain(args: unknown): Promise<ArgumentsCheck>;
  /**
   * The paths in the checked arguments at which nothing must exist yet, without links. Two runs must not make one of
   * them at once.
   */
  newPaths(args: unknown): string[];
  /**
   * For each path argument that the checked arguments have, where its paths lead: each as text relative to its base,
   * and as an absolute path through the base as it was declared.
   */
  namesOf(args: unknown): Promise<PathNames>;
}

/** One path, or those of a list in its order. */
export type PathNames = ReadonlyMap<string, readonly (readonly string[])[]>;

interface CommandBase<Name extends string> extends CommandFlags {
  readonly name: Name;
  readonly description: string;
  /** The JSON Schema of the arguments. It is always an object schema with `additionalProperties: false`. */
  readonly argsSchema: JsonSchema;
  /**
   * true: the command reads the standard input of its caller. `iscep call` sends none to any other command. false: a call
   * that sends some is refused.
   */
  readonly stdin?: boolean;
  /** Arguments whose values appear in no log and no output. */
  readonly secretArguments?: readonly string[];
  /** Whether values of arguments are logged and kept with the run. undefined: what the server's `logArgs` says. */
  readonly logArgs?: boolean;
  /** For each such argument, the name of the command of the same server that gives the list of its values. */
  readonly choicesFrom?: ReadonlyMap<string, string>;
  /** The JSON Schema of the result, if it is known. */
  readonly resultSchema?: JsonSchema;
  /** For each way to fail that the command declares, the JSON Schema of what it tells. */
  readonly failureSchemas?: Readonly<Record<string, JsonSchema>>;
  /** undefined: the server's `runTimeoutMs`. */
  readonly timeoutMs?: number;
  /** undefined: as many as the server has places for. */
  readonly concurrency?: CommandConcurrency;
  readonly schedule?: CommandSchedule;
  /** Who is told when its runs end. undefined: those that the server tells for all commands. */
  readonly notify?: readonly Notice[];
  /** Validates the arguments, and converts them where the schema says so. Unknown arguments are refused. */
  checkArguments(args: unknown): ArgumentsCheck | Promise<ArgumentsCheck>;
  /** undefined when no argument is a path. */
  readonly paths?: ArgumentPaths;
}

/** A function in this process, or in a worker thread. Made by `defineCommand`. */
export interface FunctionCommand<
  Name extends string = string,
  Input = unknown,
  Args = unknown,
  Result = unknown,
  Failures = unknown,
> extends CommandBase<Name> {
  /** It runs in the process of the server, or in one of its threads. */
  readonly kind: "function";
  /**
   * The file: URL of the module that a worker thread imports to find this command. undefined: it runs in the main
   * thread.
   */
  readonly threadModule?: string;
  /** Runs the function with checked arguments. */
  // This is a method, so that a command with precise types is still a `Command`: parameters of methods are bivariant.
  run(args: Args, context: CommandContext): Result | Promise<Result>;
  /** This carries types only. It does not exist at run time. */
  readonly types?: { readonly input: Input; readonly result: Result; readonly failures?: Failures };
}

/** What the process of a script gets from one call. */
export interface ScriptInvocation {
  /** The arguments, without the program. */
  readonly argv: readonly string[];
  /** The whole environment except ISCEP_RUN. */
  readonly environment: Readonly<Record<string, string>>;
  /** The whole standard input. undefined: what the caller sends, if anything. */
  readonly stdin?: Buffer;
  /** The nth value can be read from descriptor 3 + n, or from /dev/fd/ with that number: see `openDescriptor`. */
  readonly descriptors: readonly Buffer[];
  /** Texts to mask in everything that the process prints. */
  readonly secrets: readonly string[];
}

export type ResultCheck =
  | { readonly ok: true; readonly value: unknown }
  /** This never contains a value. */
  | { readonly ok: false; readonly message: string };

/** What becomes of a script's end and output: see `scriptResults`. */
export interface ScriptResults {
  /** undefined is `text`: a ScriptResult, whatever the exit code is. */
  readonly output?: "text" | "json" | "lines" | "none";
  /** undefined: only 0. */
  readonly successCodes?: readonly number[];
  /** Validates the value of `output: "json"`, and converts it where the schema says so. */
  checkResult?(value: unknown): ResultCheck | Promise<ResultCheck>;
}

/** The absolute paths of the programs of the system that give a script a terminal. */
export interface TerminalPrograms {
  readonly script: string;
  readonly stty: string;
  readonly shell: string;
}

/** How a script's process is started: see `processSettings`. */
export interface ScriptProcess {
  /** It runs on a pseudo-terminal, which these programs make: see `onTerminal`. */
  readonly terminal?: TerminalPrograms;
  /** Launchers and their arguments, which stand before the script's own program and become it. */
  readonly launcher?: readonly string[];
  /** The user that it runs as. undefined: the server's own. */
  readonly user?: { readonly uid: number; readonly gid: number };
  /**
   * The launcher itself changes to that user with all the user's groups, so it must be started as the server's own
   * user.
   */
  readonly launcherSetsUser?: true;
  /** Each run gets a control group below this folder, with at most so many processes. */
  readonly processGroup?: { readonly folder: string; readonly processes: number };
  /** The mode bits that its new files do not get. undefined: 0o077. */
  readonly umask?: number;
  /** Standard output and error together. undefined: the server's `maxScriptOutputBytes`. */
  readonly maxOutputBytes?: number;
  /** undefined is `fail`. */
  readonly whenOutputIsFull?: "fail" | "truncate" | "kill";
  /** True when the output is data, so that secrets in it are not masked. */
  readonly mask?: false;
}

/** A program with an argv array, never a shell. Made by `defineScript` and by iscep.yaml. */
export interface ScriptCommand<Name extends string = string, Input = unknown, Result = unknown>
  extends CommandBase<Name>, ScriptProcess, ScriptResults {
  /** It runs as a process of its own. */
  readonly kind: "script";
  /** Absolute path of the program. */
  readonly program: string;
  /** Doubts about the definition, as sentences for `iscep check`. */
  readonly doubts?: readonly string[];
  /** Makes what one call starts the program with, from checked arguments. @throws IscepError `invalid_arguments` */
  invocation(args: unknown): ScriptInvocation;
  /** The fixed working folder, as an absolute path. */
  readonly folder: string;
  /** The environment of each call. The environment of an invocation has the arguments too. */
  readonly environment: Readonly<Record<string, string>>;
  /** Carries types only; never there at run time. */
  readonly types?: { readonly input: Input; readonly result: Result };
}

export type Command = FunctionCommand | ScriptCommand;

/** Who is told when a run ends in one of these ways: see src/commands/notify.ts. */
export interface Notice {
  readonly statuses: ReadonlySet<string>;
  /** Names it in logs, without secrets that an address may hold. */
  readonly name: string;
  /** The same after a restart with the same definition. */
  readonly key: string;
  /** A script that gets the facts of the run as its arguments, or an address that gets a request. */
  readonly target: ScriptCommand | NoticeAddress;
}

export interface NoticeAddress {
  readonly kind: "http";
  readonly url: string;
  /** undefined: requests are not signed. */
  readonly secret: SecretPlace | undefined;
}

/** `commands` as users give them: an array, or a record, whose keys only the user's own program needs. */
export type CommandSet = readonly Command[] | Readonly<Record<string, Command>>;

/** What discovery tells about a command. */
export interface CommandDescription extends CommandFlags {
  /** The name to call it by. */
  readonly name: string;
  /** What its author says of it; empty where nothing is said. */
  readonly description: string;
  /** Whether it is a function, or a script whose value is a ScriptResult unless its `result` says otherwise. */
  readonly kind: "function" | "script";
  /** JSON Schema (draft 2020-12) of the arguments, always of an object. */
  readonly args: JsonSchema;
  /** JSON Schema of the value, where it is known. */
  readonly result?: JsonSchema;
  /** The ways to fail that it declares: by the reason, the JSON Schema of its data. */
  readonly errors?: Readonly<Record<string, JsonSchema>>;
  /** How long a run may take, in milliseconds. */
  readonly timeoutMs: number;
  /** The command reads the standard input of its caller. */
  readonly stdin?: true;
  /** A part of its output is enough, so that a call whose output was cut went well. */
  readonly mayBeCut?: true;
  /** The command runs on a terminal, which its caller may give the size of their own. */
  readonly terminal?: true;
}

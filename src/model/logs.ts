import type { OutcomeStatus } from "./outcome.js";
import type { KeptArguments } from "./run-record.js";

/** What the server tells its logs. Values are raw here, and may be hostile. The logs must make them safe. */
export interface Logs {
  /** Writes a line of access.log. */
  access(event: AccessEvent): void;
  /** Writes a line of error.log. */
  error(event: ErrorEvent): void;
  /** Writes a line of commands.log. */
  command(event: CommandEvent): void;
  /** The file with the lines of `command`, if there is one. The history of runs is read from it. */
  readonly commandsFile?: string | undefined;
  /** Writes what is buffered and closes the files. */
  close(): Promise<void>;
}

/** Logs for a collector: the lines of all three files go to a stream of this process. */
export interface LogStream {
  /** The stream that gets the lines. */
  readonly to: "stderr" | "stdout";
  /** One JSON object a line, with the name of its log as `log`. Default: json, the only one there is. */
  readonly format?: "json";
}

/** A line of access.log: a connection was opened, refused, or closed. */
export interface AccessEvent {
  /** What happened to the connection. */
  readonly event: "open" | "close" | "refused";
  /** The number of the connection in this server, from 1; 0 for one that was refused at once. */
  readonly connection: number;
  /** The peer's IP address, or `unix`. */
  readonly source: string;
  /** The peer's port, for TCP. */
  readonly port?: number;
  /** Whether it uses TLS. */
  readonly tls?: boolean;
  /** Why it was refused, or how it ended. */
  readonly reason?: string;
  /** How long it was open, in milliseconds; for `close`. */
  readonly durationMs?: number;
  /** How many packets or messages came over it; for `close`. */
  readonly packets?: number;
  /** The owner of its token, where one was shown. */
  readonly owner?: string;
  /** How many such lines of its source were left out before this one. */
  readonly suppressed?: number;
}

/** A line of error.log: something went wrong in the server, or with a request. */
export interface ErrorEvent {
  /** A stable word: `malformed`, `unauthorized`, `command_failed`, `tokens_file`, `certificate`, `internal`, … */
  readonly event: string;
  /** A sentence for people. */
  readonly message: string;
  /** `info` when nothing went wrong. */
  readonly level?: "info";
  /** The number of the connection that it came over. */
  readonly connection?: number;
  /** The peer's IP address, `unix`, or a word of its door. */
  readonly source?: string;
  /** The owner of the caller's token. */
  readonly owner?: string;
  /** The public id of that token. */
  readonly tokenId?: string;
  /** The command that it is about. */
  readonly command?: string;
  /** The run that it is about. */
  readonly runId?: string;
  /** Its stack goes to the log, and never to the caller. */
  readonly error?: unknown;
}

/**
 * A line of commands.log: who ran what, when, how long, and how it ended. Arguments appear by name and type, and by
 * value only for a command with `logArgs`. A run that lasts longer than a turn of the event loop, or is kept, also has a line when it begins.
 */
export interface CommandEvent extends Partial<KeptArguments> {
  /** The id of the run (UUIDv7). */
  readonly runId: string;
  /** The name that was called, whether there is such a command or not. */
  readonly command: string;
  /** The owner of the caller's token. */
  readonly owner: string;
  /** The public id of that token; null where there is none. */
  readonly tokenId: string | null;
  /** The caller's IP address, `unix`, or a word of its door. */
  readonly source: string;
  /** When it was called, as Unix time in milliseconds. */
  readonly startedAtMs: number;
  /** How long it has taken so far, in milliseconds. */
  readonly durationMs: number;
  /** `running`, or how it ended. */
  readonly status: OutcomeStatus | "running";
  /** The error code of a run that did not complete. */
  readonly code?: string;
  /** The exit code of a script that ended by itself. */
  readonly exitCode?: number;
  /** The name of the signal that ended a script. */
  readonly signal?: string;
  /** How many bytes it has printed, on both channels together. */
  readonly outputBytes?: number;
  /**
   * Names the server's process, if the run has two lines. A server that finds only the first line can find out whether
   * that one still lives.
   */
  readonly server?: string;
  /** The line must be written before the command starts. */
  readonly isDurable?: boolean;
  /** The arguments as they may be logged: without the values of secrets. */
  readonly args: unknown;
  /** Calls of the same caller that were refused since its last line, and have none of their own. */
  readonly suppressed?: number;
}

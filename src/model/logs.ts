import type { OutcomeStatus } from "./outcome.js";

/** What the server tells its logs. Values are raw here, and may be hostile: making them safe is the logs' work. */
export interface Logs {
  access(event: AccessEvent): void;
  error(event: ErrorEvent): void;
  command(event: CommandEvent): void;
  /** The file with the lines of `command`, where there is one: the history of runs is read from it. */
  readonly commandsFile?: string | undefined;
  /** Writes what is buffered and closes the files. */
  close(): Promise<void>;
}

/** A line of access.log: a connection came, was refused, or ended. */
export interface AccessEvent {
  readonly event: "open" | "close" | "refused";
  readonly connection: number;
  /** The peer: IP address, or `unix`. */
  readonly source: string;
  readonly port?: number;
  readonly tls?: boolean;
  readonly reason?: string;
  /** On close: */
  readonly durationMs?: number;
  readonly packets?: number;
  readonly owner?: string;
}

/** A line of error.log: something went wrong in the server, or with a request. */
export interface ErrorEvent {
  /** A stable word: `malformed`, `unauthorized`, `command_failed`, `tokens_file`, `internal`, … */
  readonly event: string;
  readonly message: string;
  readonly connection?: number;
  readonly source?: string;
  readonly owner?: string;
  readonly tokenId?: string;
  readonly command?: string;
  readonly runId?: string;
  /** Its stack goes to the log, never to the caller. */
  readonly error?: unknown;
}

/**
 * A line of commands.log: who ran what, when, how long, and how it ended. Arguments by name and type only, never their
 * values. A run that lasts longer than a turn of the event loop, or is kept, has a line when it begins as well.
 */
export interface CommandEvent {
  readonly runId: string;
  readonly command: string;
  readonly owner: string;
  readonly tokenId: string | null;
  readonly source: string;
  readonly startedAtMs: number;
  readonly durationMs: number;
  readonly status: OutcomeStatus | "running";
  readonly code?: string;
  readonly exitCode?: number;
  readonly signal?: string;
  readonly outputBytes?: number;
  /** The server's process, of a run that has two lines: whoever finds the first alone can tell whether it still lives. */
  readonly server?: string;
  /** The line has to be with the system before the command starts. */
  readonly isDurable?: boolean;
  readonly args: unknown;
}

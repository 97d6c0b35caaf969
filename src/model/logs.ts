import type { OutcomeStatus } from "./outcome.js";

/** What the server tells its logs. Values are raw here, and may be hostile. The logs must make them safe. */
export interface Logs {
  access(event: AccessEvent): void;
  error(event: ErrorEvent): void;
  command(event: CommandEvent): void;
  /** The file with the lines of `command`, if there is one. The history of runs is read from it. */
  readonly commandsFile?: string | undefined;
  /** Writes what is buffered and closes the files. */
  close(): Promise<void>;
}

/** A line of access.log: a connection was opened, refused, or closed. */
export interface AccessEvent {
  readonly event: "open" | "close" | "refused";
  readonly connection: number;
  /** The peer's IP address, or `unix`. */
  readonly source: string;
  readonly port?: number;
  readonly tls?: boolean;
  readonly reason?: string;
  /** These are for `close`. */
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
  /** Its stack goes to the log, and never to the caller. */
  readonly error?: unknown;
}

/**
 * A line of commands.log: who ran what, when, how long, and how it ended. Arguments appear by name and type, never by
 * value. A run that lasts longer than a turn of the event loop, or is kept, also has a line when it begins.
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
  /**
   * Names the server's process, if the run has two lines. Who finds only the first line can find out whether that
   * server still lives.
   */
  readonly server?: string;
  /** The line must be written before the command starts. */
  readonly isDurable?: boolean;
  readonly args: unknown;
  /** Calls of the same caller that were refused since its last line, and have none of their own. */
  readonly suppressed?: number;
}

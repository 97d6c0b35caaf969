import type { OutcomeStatus } from "../runs/outcome.js";

/** What the server tells its logs. Values are raw here, and may be hostile: making them safe is the logs' work. */
export interface Logs {
  access(event: AccessEvent): void;
  error(event: ErrorEvent): void;
  command(event: CommandEvent): void;
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

/** A line of commands.log: who ran what, when, how long, and how it ended. Arguments by name and type only, never their values. */
export interface CommandEvent {
  readonly runId: string;
  readonly command: string;
  readonly owner: string;
  readonly tokenId: string | null;
  readonly source: string;
  readonly startedAtMs: number;
  readonly durationMs: number;
  readonly status: OutcomeStatus;
  readonly code?: string;
  readonly exitCode?: number;
  readonly signal?: string;
  readonly args: unknown;
}

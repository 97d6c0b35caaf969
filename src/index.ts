/** The public surface of iscep, written by hand. What is not named here is internal. */

// Servers
export { Server } from "./server/server.js";
export type { ListeningServer, ListenPlace, ServerOptions, TlsFiles } from "./server/options.js";

// Commands
export { defineCommand, type CommandDefinition } from "./commands/define.js";
export type { ConcurrencyDefinition } from "./commands/concurrency.js";
export type { ScheduleDefinition } from "./commands/schedule.js";
export { defineScript, type ScriptDefinition } from "./commands/define-script.js";
export { declareArguments } from "./commands/declared-arguments.js";
export type {
  Command,
  CommandContext,
  CommandDescription,
  CommandSet,
  FunctionCommand,
  JsonSchema,
  ScriptCommand,
  ScriptInvocation,
} from "./commands/command.js";
export type { InputOf, NameOf, ResultOf } from "./commands/command-types.js";
export type { Outcome, OutcomeStatus, ScriptResult } from "./runs/outcome.js";

// Clients
export type { ConnectionEventMap } from "./client/connection-events.js";
export { connect, type Client } from "./client/client.js";
export type { CallOptions, ConnectOptions, RunOptions, RunsOptions } from "./client/options.js";
export type { RunsPage } from "./client/run-records.js";
export type { RunRecord } from "./runs/run-record.js";
export type { StdinSource } from "./client/input-sender.js";
export type { RunHandle } from "./client/run-handle.js";
export type { OutputChunk } from "./client/run-output.js";

// Errors, limits, logs
export { errorTable, IscepError, isIscepError, type ErrorCode } from "./errors.js";
export { defaultLimits, type LimitName, type Limits } from "./limits.js";
export type { AccessEvent, CommandEvent, ErrorEvent, Logs } from "./logs/logs.js";

/** The public surface of iscep, written by hand. Everything that is not named here is internal. */

// Servers
export type { ListenPlace } from "./transport/address.js";
export { Server } from "./server/server.js";
export type { ClientCertificates, ListeningServer, ServerOptions, TlsFiles } from "./server/options.js";

// Ways in of your own
export type {
  AcceptedStream,
  AcceptOptions,
  Door,
  DoorServer,
  InProcessClientOptions,
  ServerLoad,
} from "./doors/door.js";
export { encodeJson, parseJson } from "./wire/public-json.js";

// Commands
export { defineCommand, type CommandDefinition, type NoArguments } from "./commands/define.js";
export type { ConcurrencyDefinition } from "./commands/concurrency.js";
export type { Notify, NotifyDefinition } from "./commands/notify.js";
export type { ScheduleDefinition } from "./commands/schedule.js";
export { defineScript, type ScriptDefinition } from "./commands/define-script.js";
export { declareArguments, type DeclaredArguments } from "./commands/arguments/declared-arguments.js";
export type {
  Command,
  CommandContext,
  CommandDescription,
  CommandSet,
  FunctionCommand,
  JsonSchema,
  ScriptCommand,
  ScriptInvocation,
} from "./model/command.js";
export type { FailureOf, InputOf, NameOf, ResultOf } from "./model/command-types.js";
export type { Outcome, OutcomeStatus, ScriptResult } from "./model/outcome.js";

export type { Jsonify } from "./model/jsonify.js";
export type { ContextWith, FailureMaker, FailureSchemas, FailuresOf } from "./commands/failures.js";

// Clients
export { failureOf } from "./client/protocol/failure.js";
export type { ConnectionEventMap } from "./client/protocol/connection-events.js";
export { connect, type Client } from "./client/client.js";
export type {
  AllOptions,
  AttachOptions,
  CallOptions,
  ConnectOptions,
  RunOptions,
  RunsOptions,
} from "./client/protocol/options.js";
export type { NatsCredentials, NatsTlsFiles } from "./nats/credentials.js";
export type { AllRuns, InstanceOutcome, InstanceRecord, InstanceRun } from "./client/protocol/instances.js";
export type { CallerRecord, ScopeRecord } from "./model/caller-record.js";
export type { ScheduleRecord } from "./model/schedule-record.js";
export type { KeptArguments, RunRecord, RunsPage } from "./model/run-record.js";
export type { StdinSource } from "./client/protocol/input-sender.js";
export type { RunHandle, TerminalSize } from "./client/protocol/run-handle.js";
export type { OutputChunk } from "./client/protocol/run-output.js";

// Tokens
export { addToken, type AddTokenOptions, type NewToken } from "./identity/tokens-writer.js";

// Errors, limits, logs
export { errorTable, IscepError, isIscepError, type ErrorCode } from "./errors.js";
export { defaultLimits, type LimitName, type Limits } from "./limits/limits.js";
export type { AccessEvent, CommandEvent, ErrorEvent, Logs, LogStream } from "./model/logs.js";

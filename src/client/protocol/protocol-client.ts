/** What the public client needs from either version of the protocol. */
import type { CommandDescription } from "../../model/command.js";
import type { CallerRecord } from "../../model/caller-record.js";
import type { ScheduleRecord } from "../../model/schedule-record.js";
import type { ClusterCalls } from "./instances.js";
import type { AttachOptions, CallOptions, RunOptions, RunsOptions } from "./options.js";
import type { RunHandle } from "./run-handle.js";
import type { RunsPage } from "../../model/run-record.js";

export interface ProtocolClient {
  readonly version: 1 | 2 | "in-process";
  call(command: string, args: unknown, options: CallOptions | undefined): Promise<unknown>;
  run(command: string, args: unknown, options: RunOptions | undefined): RunHandle;
  attach(run: string, options: AttachOptions): RunHandle;
  cancel(run: string, options: CallOptions | undefined): Promise<void>;
  runs(options: RunsOptions | undefined): Promise<RunsPage>;
  whoAmI(options: CallOptions | undefined): Promise<CallerRecord>;
  schedules(options: CallOptions | undefined): Promise<ScheduleRecord[]>;
  list(options: CallOptions | undefined): Promise<CommandDescription[]>;
  /** undefined: there is a single server. */
  readonly cluster?: ClusterCalls | undefined;
  echo(value: unknown, options: CallOptions | undefined): Promise<unknown>;
  close(): Promise<void>;
}

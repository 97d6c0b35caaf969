/** The public client: typed calls, whatever version the server speaks. */
import { IscepError, toIscepError } from "../errors.js";
import type { CommandDescription, CommandSet } from "../model/command.js";
import { loadTracing } from "../traces/tracing.js";
import { withSpans } from "./spans.js";
import { refuseUnknownOption } from "../text/unknown-option.js";
import type { CallArguments, NameOf, ResultOf } from "../model/command-types.js";
import { ConnectionEvents, type ConnectionEventMap, type ConnectionListener } from "./protocol/connection-events.js";
import {
  allOptionNames,
  attachOptionNames,
  callOptionNames,
  connectOptionNames,
  runOptionNames,
  runsOptionNames,
  type AllOptions,
  type AttachOptions,
  type CallOptions,
  type ConnectOptions,
  type RunOptions,
  type RunsOptions,
} from "./protocol/options.js";
import { withCallSite } from "./protocol/call-site.js";
import { closeSource, sourceFault } from "./protocol/input-sender.js";
import { openProtocolClient } from "./open-protocol-client.js";
import type { AllRuns, ClusterCalls, InstanceRecord } from "./protocol/instances.js";
import type { RunHandle } from "./protocol/run-handle.js";
import { refusedRun } from "./version1/run.js";
import type { CallerRecord } from "../model/caller-record.js";
import type { ScheduleRecord } from "../model/schedule-record.js";
import type { RunsPage } from "../model/run-record.js";
import type { ProtocolClient } from "./protocol/protocol-client.js";

export interface Client<Commands extends object = CommandSet> {
  /**
   * Calls a command and returns its value. A command that returns nothing gives null. A script gives a ScriptResult.
   * @throws IscepError `invalid_arguments`, `command_not_found`, `unauthorized`, `failed`, `busy`, `timeout`,
   *   `cancelled`, `lost` (it may have run or not), `connect_failed`, `protocol`, `too_large`, `closed`
   */
  call<Name extends NameOf<Commands>>(
    name: Name,
    ...args: CallArguments<Commands, Name, CallOptions>
  ): Promise<ResultOf<Commands, Name>>;
  /** The commands that this token may run. With an original server, the schemas are made from its names of types. */
  list(options?: CallOptions): Promise<CommandDescription[]>;
  /**
   * Starts a command and follows it: its output while it runs, its progress, and its one outcome. Over version 1, the
   * output of a script comes at its end, and a cancel ends only the wait.
   */
  run<Name extends NameOf<Commands>>(
    name: Name,
    ...args: CallArguments<Commands, Name, RunOptions>
  ): RunHandle<ResultOf<Commands, Name>>;
  /**
   * Version 2: follows a run that this client, or another one of the same owner, has started, from an offset of its
   * output.
   */
  attach(run: string, options?: AttachOptions): RunHandle;
  /** Version 2: asks a run to stop. */
  cancel(run: string, options?: CallOptions): Promise<void>;
  /**
   * Version 2: one page of the runs that this token may see, newest first: those that go on, and those that the server
   * still knows.
   */
  runs(options?: RunsOptions): Promise<RunsPage>;
  /** Version 2: who the server takes this caller for, and what it may do. */
  whoAmI(options?: CallOptions): Promise<CallerRecord>;
  /** Version 2: the schedules of commands that this token may run, or whose runs it may see. */
  schedules(options?: CallOptions): Promise<ScheduleRecord[]>;
  /**
   * On a service with many instances (`nats://`): calls a command at all of them. There is one outcome for each, also for
   * those that say nothing: `lost` when an instance is gone, and `timeout` or `lost` when its time is over.
   */
  all<Name extends NameOf<Commands>>(
    name: Name,
    ...args: CallArguments<Commands, Name, AllOptions>
  ): AllRuns<ResultOf<Commands, Name>>;
  /**
   * On a service with many instances: which there are, in the order of their ids.
   * @throws IscepError `connect_failed` when the broker is gone, and `usage` for a single server
   */
  instances(): Promise<InstanceRecord[]>;
  /**
   * Reports what happens to the connection: `reconnecting` (with the reason) when it was lost while calls need it,
   * `connected` when it is there again, `closed` at `close()`. Returns a function that ends the listening.
   */
  on<Name extends keyof ConnectionEventMap>(name: Name, listener: ConnectionListener<Name>): () => void;
  /** The version that this client and its server speak. */
  readonly protocol: 1 | 2 | "in-process";
  /** Sends a value to the server and back. */
  echo<Value>(value: Value, options?: CallOptions): Promise<Value>;
  /** Measures a round trip to the server and back, in milliseconds. */
  ping(options?: CallOptions): Promise<number>;
  /** Closes the client. Waiting calls are rejected with `closed`, and a call under way with `lost`. You may call it twice. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Connects to a server at `iscep://HOST:8989?pin=sha256:…` (TLS), `iscep+tcp://…` or `iscep+unix:///PATH`, or to all
 * instances of a service at `nats://HOST:4222/NAME`.
 * `connect<typeof commands>(…)` makes the calls typed.
 * @throws IscepError `usage`, `configuration`, `connect_failed`, `not_trusted`, `timeout`, `cancelled`, `busy`,
 *   `protocol` (the server did not answer the greeting as a server does, or does not speak the wanted version)
 */
export async function connect<Commands extends object = CommandSet>(
  url: string,
  options: ConnectOptions = {},
): Promise<Client<Commands>> {
  refuseUnknownOption("connect()", options, connectOptionNames);
  const events = new ConnectionEvents();
  await loadTracing();
  return new ConnectedClient<Commands>(withSpans(await openProtocolClient(url, options, events)), events);
}

export class ConnectedClient<Commands extends object> implements Client<Commands> {
  readonly #protocolClient: ProtocolClient;
  readonly #events: ConnectionEvents;

  constructor(protocolClient: ProtocolClient, events: ConnectionEvents) {
    this.#protocolClient = protocolClient;
    this.#events = events;
  }

  get protocol(): 1 | 2 | "in-process" {
    return this.#protocolClient.version;
  }

  call<Name extends NameOf<Commands>>(
    name: Name,
    ...args: CallArguments<Commands, Name, CallOptions>
  ): Promise<ResultOf<Commands, Name>> {
    const [given, options] = args;
    const fault = unknownOption("client.call()", options, callOptionNames) ?? this.#unreachable(options);
    if (fault !== undefined) return Promise.reject(fault);
    // The types promise what the command's definition says. The wire cannot prove it.
    return this.#protocolClient.call(name, given, options).catch((error: unknown) => {
      throw withCallSite(error, name);
    });
  }

  run<Name extends NameOf<Commands>>(
    name: Name,
    ...args: CallArguments<Commands, Name, RunOptions>
  ): RunHandle<ResultOf<Commands, Name>> {
    const [given, options] = args;
    const fault =
      unknownOption("client.run()", options, runOptionNames) ??
      sourceFault(options?.stdin) ??
      this.#unreachable(options);
    const refused = (reason: IscepError): RunHandle<ResultOf<Commands, Name>> => {
      closeSource(options?.stdin);
      return refusedRun(reason);
    };
    if (fault !== undefined) return refused(fault);
    try {
      return this.#protocolClient.run(name, given, options);
    } catch (error) {
      return refused(toIscepError(error));
    }
  }

  all<Name extends NameOf<Commands>>(
    name: Name,
    ...args: CallArguments<Commands, Name, AllOptions>
  ): AllRuns<ResultOf<Commands, Name>> {
    const [given, options] = args;
    refuseUnknownOption("client.all()", options ?? {}, allOptionNames);
    return this.#instances("client.all()").all(name, given, options);
  }

  async instances(): Promise<InstanceRecord[]> {
    return this.#instances("client.instances()").instances();
  }

  #instances(what: string): ClusterCalls {
    const { cluster } = this.#protocolClient;
    if (cluster !== undefined) return cluster;
    throw new IscepError("usage", `${what} needs a service with instances, at an address like nats://HOST:4222/NAME`);
  }

  /** A single server has no instances to choose from. */
  #unreachable(options: RunOptions | undefined): IscepError | undefined {
    const { to = "any", durable = false } = options ?? {};
    if ((to === "any" && !durable) || this.#protocolClient.cluster !== undefined) return undefined;
    const name = durable ? "durable" : "to";
    return new IscepError(
      "usage",
      `\`${name}\` needs a service with instances, at an address like nats://HOST:4222/NAME`,
    );
  }

  attach(run: string, options: AttachOptions = {}): RunHandle {
    const fault = unknownOption("client.attach()", options, attachOptionNames);
    if (fault !== undefined) return refusedRun(fault);
    try {
      return this.#protocolClient.attach(run, options);
    } catch (error) {
      return refusedRun(toIscepError(error));
    }
  }

  async cancel(run: string, options?: CallOptions): Promise<void> {
    refuseUnknownOption("client.cancel()", options ?? {}, callOptionNames);
    return this.#protocolClient.cancel(run, options);
  }

  async runs(options?: RunsOptions): Promise<RunsPage> {
    refuseUnknownOption("client.runs()", options ?? {}, runsOptionNames);
    return this.#protocolClient.runs(options);
  }

  async whoAmI(options?: CallOptions): Promise<CallerRecord> {
    refuseUnknownOption("client.whoAmI()", options ?? {}, callOptionNames);
    return this.#protocolClient.whoAmI(options);
  }

  async schedules(options?: CallOptions): Promise<ScheduleRecord[]> {
    refuseUnknownOption("client.schedules()", options ?? {}, callOptionNames);
    return this.#protocolClient.schedules(options);
  }

  on<Name extends keyof ConnectionEventMap>(name: Name, listener: ConnectionListener<Name>): () => void {
    return this.#events.on(name, listener);
  }

  async list(options?: CallOptions): Promise<CommandDescription[]> {
    refuseUnknownOption("client.list()", options ?? {}, callOptionNames);
    return this.#protocolClient.list(options);
  }

  async echo<Value>(value: Value, options?: CallOptions): Promise<Value> {
    refuseUnknownOption("client.echo()", options ?? {}, callOptionNames);
    return this.#protocolClient.echo(value, options) as Promise<Value>;
  }

  async ping(options?: CallOptions): Promise<number> {
    refuseUnknownOption("client.ping()", options ?? {}, callOptionNames);
    const startedMs = performance.now();
    await this.#protocolClient.echo("ping", options);
    return performance.now() - startedMs;
  }

  close(): Promise<void> {
    return this.#protocolClient.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** For methods that must not throw. Returns undefined when all options are known. */
function unknownOption(
  what: string,
  options: object | undefined,
  known: Readonly<Record<string, true>>,
): IscepError | undefined {
  if (options === undefined) return undefined;
  try {
    refuseUnknownOption(what, options, known);
    return undefined;
  } catch (error) {
    return toIscepError(error);
  }
}

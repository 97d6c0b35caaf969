import type { Limits } from "../../limits/limits.js";
import type { NatsCredentials } from "../../nats/credentials.js";
import type { RunRecord } from "../../model/run-record.js";
import type { TerminalSize } from "./run-handle.js";
import type { StdinSource } from "./input-sender.js";

export interface ConnectOptions {
  /** The token of the calls. It may also be in the address (`iscep://OWNER:TOKEN@HOST`). Default: none. */
  readonly token?: string;
  /**
   * PEM text, or the path of a PEM file: the server's certificate, or that of the authority that signed it. Default:
   * the system's authorities.
   */
  readonly ca?: string;
  /**
   * The pin of the server: `sha256:` and the base64url SHA-256 of the certificate's public key (SPKI), as `iscep cert`
   * prints it. With several pins, the server must have one of these keys. So a server can get a new key while its
   * clients know both. Default: the pins in the address, if there are any.
   */
  readonly pin?: string | readonly string[];
  /**
   * Path of a PEM file, or PEM text: the certificate that this client shows to a server that asks for one, with its
   * chain behind it. It needs `key`, and an address with TLS. Default: none.
   */
  readonly certificate?: string;
  /** Path of a PEM file (mode 0600), or PEM text: the key of `certificate`. Default: none. */
  readonly key?: string;
  /** The time for a call, from when it is made to its answer, in milliseconds. Default: the limit `callTimeoutMs`. */
  readonly timeoutMs?: number;
  /** Ends the attempt to connect, with the code `cancelled`. Default: none. */
  readonly signal?: AbortSignal;
  /** true allows cleartext connections beyond loopback and unix sockets. Default: false. */
  readonly allowCleartext?: boolean;
  /** Any of the limits that clients go by, each a whole number in the unit of its name. Default: `defaultLimits`. */
  readonly limits?: Partial<Limits>;
  /**
   * 2 refuses a server that speaks only version 1, and 1 never asks for version 2. Default: the client asks for version
   * 2, and speaks version 1 with a server that knows no other.
   */
  readonly protocol?: 1 | 2;
  /** Who this client is for the broker of a `nats://` address. Default: what the address says, if it says anything. */
  readonly nats?: NatsCredentials;
}

export interface CallOptions {
  /**
   * Version 2: a call with the key of an earlier one joins its run, so it may be repeated safely. 1 to 256 characters.
   * Default: none.
   */
  readonly idempotencyKey?: string;
  /**
   * Version 2: the caller's place in a trace (W3C Trace Context), for the spans and scripts of the server. Default: the
   * span that is active, if OpenTelemetry is in use.
   */
  readonly traceparent?: string;
  /** The token for this call. null sends none. Default: the client's token. */
  readonly token?: string | null;
  /**
   * The time for this call, from when it is made to its answer, in milliseconds. The server stops the run then, and the
   * code is `timeout`. Default: the client's `timeoutMs`.
   */
  readonly timeoutMs?: number;
  /** Ends the wait for the answer (code `cancelled`), and asks the server to stop the run. Default: none. */
  readonly signal?: AbortSignal;
  /**
   * Version 2: false: the call is refused with `busy` when it cannot begin at once, and never waits for a place. Default:
   * true.
   */
  readonly wait?: boolean;
  /**
   * On a service with many instances (`nats://`): the id of the instance that the call goes to. `any` is the one with
   * the most room, and `all` is `client.all()`. Default: `any`.
   */
  readonly to?: string;
}

export interface RunsOptions extends Omit<CallOptions, "traceparent" | "wait" | "to"> {
  /** Only this run. The error is `run_not_found` if there is none that the caller may see. Default: all runs. */
  readonly run?: string;
  /** Only the run of this caller that a call with this key has started. Default: all runs. */
  readonly idempotencyKey?: string;
  /** Default false: only the caller's own runs. true: all that the caller may see (scope `runs:PATTERN`). */
  readonly all?: boolean;
  /** Only runs of this command. Default: of all commands. */
  readonly command?: string;
  /** Only runs with this status: `running`, or how they ended. Default: all. */
  readonly status?: RunRecord["status"];
  /** Only runs of this owner; `schedule` for those that a schedule started. Default: see `all`. */
  readonly owner?: string;
  /** Only runs that started at this time or later, as Unix time in milliseconds. Default: all. */
  readonly sinceMs?: number;
  /** The `next` of the page before. Default: the first page. */
  readonly after?: string;
  /** The largest number of runs. Default: the server's limit `maxRunsPage`, which is also the most. */
  readonly limit?: number;
}

export interface RunOptions extends CallOptions {
  /** Version 2: the run goes on when this client is gone. Default: false. */
  readonly detach?: boolean;
  /**
   * On a service with many instances: the call waits in the queue of the broker until an instance takes it, also while
   * no instance is there, and `id` is known as soon as the broker has it. It needs `detach`, and JetStream. Default:
   * false.
   */
  readonly durable?: boolean;
  /**
   * Version 2: false asks for neither output nor progress, and `output` of the handle is empty. The value of a script has
   * the whole of its output then. Default: true.
   */
  readonly output?: boolean;
  /**
   * Version 2: standard input of the run, sent as fast as the command reads it. A source that fails cancels the run;
   * when the run has ended, the source is closed (`return()` of its iterator, `destroy()` of a Readable). When another
   * client of the same owner takes over the input, the source is told so by `throw()` of its iterator, and closed.
   * Default: none.
   */
  readonly stdin?: StdinSource;
  /**
   * Version 2: the size of this caller's terminal, and its TERM, for a command with `terminal`. It counts only with
   * `stdin`, and `resize` of the run tells of changes. Default: 24 rows of 80 columns, and TERM=dumb.
   */
  readonly terminal?: TerminalSize & { readonly term?: string };
}

/** The options of `attach`. */
export interface AttachOptions extends CallOptions {
  /** Where in the output to begin, in bytes of both channels together. Default: 0. */
  readonly offset?: number;
  /** false asks only for the outcome: `output` of the handle is empty. Default: true. */
  readonly output?: boolean;
}

export const connectOptionNames = {
  token: true,
  ca: true,
  pin: true,
  certificate: true,
  key: true,
  timeoutMs: true,
  signal: true,
  allowCleartext: true,
  limits: true,
  protocol: true,
  nats: true,
} satisfies Record<keyof ConnectOptions, true>;

export const callOptionNames = {
  idempotencyKey: true,
  traceparent: true,
  token: true,
  timeoutMs: true,
  signal: true,
  wait: true,
  to: true,
} satisfies Record<keyof CallOptions, true>;

/** The options of `client.all`. Standard input and a terminal belong to one run. */
export type AllOptions = Omit<RunOptions, "stdin" | "terminal" | "to" | "durable">;

export const runOptionNames = {
  ...callOptionNames,
  detach: true,
  durable: true,
  output: true,
  stdin: true,
  terminal: true,
} satisfies Record<keyof RunOptions, true>;

export const allOptionNames = {
  idempotencyKey: true,
  traceparent: true,
  token: true,
  timeoutMs: true,
  signal: true,
  wait: true,
  detach: true,
  output: true,
} satisfies Record<keyof AllOptions, true>;

export const attachOptionNames = { ...callOptionNames, offset: true, output: true } satisfies Record<
  keyof AttachOptions,
  true
>;

export const runsOptionNames = {
  token: true,
  timeoutMs: true,
  signal: true,
  idempotencyKey: true,
  run: true,
  all: true,
  command: true,
  status: true,
  owner: true,
  sinceMs: true,
  after: true,
  limit: true,
} satisfies Record<keyof RunsOptions, true>;

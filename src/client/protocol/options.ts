import type { Limits } from "../../limits/limits.js";
import type { RunRecord } from "../../model/run-record.js";
import type { StdinSource } from "./input-sender.js";

export interface ConnectOptions {
  /** Sent with each call; the address may hold it too (`iscep://OWNER:TOKEN@HOST`). */
  readonly token?: string;
  /** Path of a PEM file, or PEM text: the certificate itself, or the authority that signed it. */
  readonly ca?: string;
  /**
   * `sha256:` and the base64url SHA-256 of the certificate's public key (SPKI), as `iscep cert` prints it. With several, the
   * server must have one of these keys: so a server can be given a new key while its clients know both.
   */
  readonly pin?: string | readonly string[];
  /**
   * Path of a PEM file, or PEM text: the certificate that this client shows to a server that asks for one, with its chain
   * behind it. With `key`, and for addresses with TLS only.
   */
  readonly certificate?: string;
  /** Path of a PEM file (mode 0600), or PEM text: the key of `certificate`. */
  readonly key?: string;
  /** For a call, from when it is made to its answer. Default `callTimeoutMs`. */
  readonly timeoutMs?: number;
  /** Ends the attempt to connect. */
  readonly signal?: AbortSignal;
  /** Without it no token is sent in cleartext beyond loopback and unix sockets, and no cleartext connection is made there. */
  readonly allowCleartext?: boolean;
  readonly limits?: Partial<Limits>;
  /**
   * Default: the client asks, and speaks version 1 on the same connection with a server that knows no other. 2 refuses
   * such a server; 1 does not ask.
   */
  readonly protocol?: 1 | 2;
}

export interface CallOptions {
  /** Version 2: a call with the key of an earlier one joins its run, so that it may be repeated safely. At most 256 characters. */
  readonly idempotencyKey?: string;
  /** Overrides the client's token for this call; null sends none. */
  readonly token?: string | null;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface RunsOptions extends Omit<CallOptions, "idempotencyKey"> {
  /** Only this run. The error is `run_not_found` if there is none that the caller may see. */
  readonly run?: string;
  /** Default false: only the caller's own runs. true: all that the caller may see (scope `runs:PATTERN`). */
  readonly all?: boolean;
  /** Only runs of this command. */
  readonly command?: string;
  /** Only runs that are `running`, or that ended so. */
  readonly status?: RunRecord["status"];
  /** Only runs of this owner; `schedule` for those that a schedule started. */
  readonly owner?: string;
  /** Only runs that started at this time or later, as Unix time in milliseconds. */
  readonly sinceMs?: number;
  /** The `next` of the page before. */
  readonly after?: string;
  /** At most so many; the server has a limit of its own. */
  readonly limit?: number;
}

export interface RunOptions extends CallOptions {
  /** Version 2: the run goes on when this client is gone. */
  readonly detach?: boolean;
  /**
   * Version 2: standard input of the run, sent as fast as the command reads it. A source that fails cancels the run;
   * when the run has ended, the source is closed (`return()` of its iterator, `destroy()` of a Readable).
   */
  readonly stdin?: StdinSource;
}

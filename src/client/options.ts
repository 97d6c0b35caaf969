import type { Limits } from "../limits.js";

export interface ConnectOptions {
  /** Sent with each call; the address may hold it too (`iscep://OWNER:TOKEN@HOST`). */
  readonly token?: string;
  /** Path of a PEM file, or PEM text: the certificate itself, or the authority that signed it. */
  readonly ca?: string;
  /** `sha256:` and the base64url SHA-256 of the certificate's public key (SPKI), as `iscep cert` prints it. */
  readonly pin?: string;
  /** For a call, from when it is made to its answer. Default `callTimeoutMs`. */
  readonly timeoutMs?: number;
  /** Ends the attempt to connect. */
  readonly signal?: AbortSignal;
  /** Without it no token is sent in cleartext beyond loopback and unix sockets, and no cleartext connection is made there. */
  readonly allowCleartext?: boolean;
  readonly limits?: Partial<Limits>;
}

export interface CallOptions {
  /** Overrides the client's token for this call; null sends none. */
  readonly token?: string | null;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}
/* In client/client.ts:
 *   connect<Commands extends CommandSet>(url: string, options?: ConnectOptions): Promise<Client<Commands>>
 *     @throws usage, configuration (files), connect_failed, not_trusted, timeout, cancelled
 *   client.call(name, args?, options?): Promise<result>   a missing result is null
 *     @throws invalid_arguments, command_not_found, unauthorized, failed, busy, timeout, cancelled, lost, protocol, too_large, closed, …
 *   client.echo(value, options?): Promise<value>
 *   client.ping(options?): Promise<number>    round trip in milliseconds
 *   client.list(options?): Promise<CommandDescription[]>   (from an original server: descriptions made of its type names)
 *   client.close(): Promise<void>;  [Symbol.asyncDispose]
 */

/** Who is calling, and what they may. Made by the door that saw the token; read by the dispatcher, and nowhere else. */
export interface Identity {
  /** The name in the tokens file; `anonymous` on a server without tokens. */
  readonly owner: string;
  /** The token's public id, for logs and revocation; null on a server without tokens, and for tokens of the original. */
  readonly tokenId: string | null;
  /** Milliseconds since the epoch; Infinity when it does not expire. */
  readonly expiresAtMs: number;
  readonly mayDiscover: boolean;
  mayRun(command: string): boolean;
}

export const anonymous: Identity = Object.freeze({
  owner: "anonymous",
  tokenId: null,
  expiresAtMs: Number.POSITIVE_INFINITY,
  mayDiscover: true,
  mayRun: () => true,
});

/** Knows the tokens. Synchronous, as version 1 asks at every packet. */
export interface Authenticator {
  /**
   * A number that changes whenever the set of tokens changes. Reading it looks for a change first (cheaply: a flag set
   * by the system's file notification, or the file's date a few times a second), so that a removed token is refused at
   * the next packet.
   */
  currentGeneration(): number;
  /**
   * The identity, or undefined for a token that is unknown, not yet valid, expired or disabled. Constant time in the secret.
   * `source` is the caller's address: a token that is bound to networks (`cidrs`) counts only when it is given, and in one of them.
   */
  verify(token: string, source?: string): Identity | undefined;
  close(): void;
}

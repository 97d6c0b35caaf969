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

/** Who runs what is scheduled. No token can have this owner (tokens-file.ts), and so no caller sees these runs. */
export const scheduler: Identity = Object.freeze({ ...anonymous, owner: "schedule" });

/** Why no token may belong to this owner. */
export function reservedOwnerProblem(owner: string): string | undefined {
  if (owner !== scheduler.owner) return undefined;
  return `the owner's name "${owner}" is iscep's own, for what runs by a schedule; give the owner another name`;
}

/** What a token of which only its keys are known can be proven with. */
export interface ProvableToken {
  readonly identity: Identity;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

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
  /** The token with this reference (session/proof.ts), if it counts now: for a proof in version 2. */
  find(reference: string, source?: string): ProvableToken | undefined;
  /** What an identity that `verify` or `find` gave has become: undefined when its token no longer counts. */
  refresh(identity: Identity, source?: string): Identity | undefined;
  close(): void;
}

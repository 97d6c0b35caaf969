/** Who calls, and what they may do. The door that saw the token makes it. Only the dispatcher reads it. */
export interface Identity {
  /** The name in the tokens file; `anonymous` on a server without tokens. */
  readonly owner: string;
  /** The token's public id, for logs and revocation; null on a server without tokens, and for tokens of the original. */
  readonly tokenId: string | null;
  /** Milliseconds since the epoch; Infinity when it does not expire. */
  readonly expiresAtMs: number;
  /** As they stand in the tokens file. undefined on a server without tokens, where everything is allowed. */
  readonly scopes?: readonly string[];
  readonly mayDiscover: boolean;
  mayRun(command: string): boolean;
  /** The rules for a command that it may run. undefined: with all values. Otherwise one of the rules must fit. */
  argumentRules(command: string): readonly ArgumentRules[] | undefined;
  /** True when it may see, follow and cancel runs of this command that other owners have started. */
  maySeeRunsOf(command: string): boolean;
  /** True when it may read the metrics of the server. */
  readonly mayReadMetrics: boolean;
}

/** For each argument, the pattern that its value must match. */
export type ArgumentRules = ReadonlyMap<string, string>;

export const anonymous: Identity = Object.freeze({
  owner: "anonymous",
  tokenId: null,
  expiresAtMs: Number.POSITIVE_INFINITY,
  mayDiscover: true,
  mayRun: () => true,
  argumentRules: () => undefined,
  maySeeRunsOf: () => true,
  mayReadMetrics: true,
});

/** The owner of scheduled runs. No token can have this owner (tokens-file.ts); the scope `runs:all` shows these runs. */
export const scheduler: Identity = Object.freeze({ ...anonymous, owner: "schedule" });

/** Why no token may belong to this owner. */
export function reservedOwnerProblem(owner: string): string | undefined {
  const isOfHook = owner.startsWith("hook:");
  if (owner !== scheduler.owner && !isOfHook) return undefined;
  const what = isOfHook ? "what webhooks run" : "what runs by a schedule";
  return `the owner's name "${owner}" is iscep's own, for ${what}; give the owner another name`;
}

/** What is needed to check a proof for a token whose secret is not known. */
export interface ProvableToken {
  readonly identity: Identity;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

/** A certificate that a client showed, and proved that it has its key. */
export interface ClientCertificate {
  /**
   * The names by which the tokens file may know it: the pin of its key, and `cn:NAME` if an authority of the server
   * vouches for the name.
   */
  readonly names: readonly string[];
  /** Milliseconds since the epoch. */
  readonly validFromMs: number;
  readonly validToMs: number;
}

/** Knows who may speak on a connection. It is synchronous, because version 1 asks it for every packet. */
export interface Authenticator {
  /** False when a client certificate alone says who calls. Then `verify` accepts any text for the token. */
  readonly needsToken: boolean;
  /**
   * Why no caller on this connection is accepted, with any token, as a text for the peer. undefined when the token
   * decides.
   */
  refusal(): string | undefined;
  /**
   * A number that changes when the set of tokens changes. To read it looks for a change first, so that a removed token
   * is refused at the next packet. This is cheap: it reads a flag that the system's file notification sets, or looks at
   * the file's date a few times a second.
   */
  currentGeneration(): number;
  /**
   * The identity, or undefined for a token that is unknown, not yet valid, expired or disabled. The time is constant in
   * the secret.
   * @param source the caller's address. A token that is bound to networks (`cidrs`) is good only with an address in one
   *   of them.
   */
  verify(token: string, source?: string): Identity | undefined;
  /** The token with this reference (session/proof.ts), if it is valid now. Version 2 checks proofs with it. */
  find(reference: string, source?: string): ProvableToken | undefined;
  /** The present state of an identity that came from `verify` or `find`. undefined when its token is no longer valid. */
  refresh(identity: Identity, source?: string): Identity | undefined;
}

/** The tokens file. */
export interface TokensAuthenticator extends Authenticator {
  /** The identity of a client certificate, if it counts now. */
  findCertificate(certificate: ClientCertificate, source?: string): Identity | undefined;
  close(): void;
}

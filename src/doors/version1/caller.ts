/** Identifies the caller of version 1. Each packet carries the token, and it counts for that packet. */
import { anonymous, type Authenticator, type Identity } from "../../model/identity.js";

export class Version1Caller {
  readonly #authenticator: Authenticator | undefined;
  readonly #source: string;
  #token: string | undefined;
  #identity: Identity | undefined;
  #generation = -1;

  constructor(authenticator: Authenticator | undefined, source: string) {
    this.#authenticator = authenticator;
    this.#source = source;
  }

  /** True when a good token was shown, or none is needed. */
  get isKnown(): boolean {
    return this.#authenticator === undefined || this.#identity !== undefined;
  }

  /** The log names this owner. */
  get owner(): string | undefined {
    return this.#identity?.owner;
  }

  /** undefined for a token that is missing or wrong. A token that the same connection showed before is known. */
  identify(sent: string | undefined): Identity | undefined {
    const authenticator = this.#authenticator;
    if (authenticator === undefined) return anonymous;
    // Where the certificate of the connection says who is calling, the token of an original client says nothing.
    const token = authenticator.needsToken ? sent : "";
    if (token === undefined) return undefined;
    const generation = authenticator.currentGeneration();
    if (token === this.#token && generation === this.#generation && Date.now() < (this.#identity?.expiresAtMs ?? 0)) {
      return this.#identity;
    }
    const identity = authenticator.verify(token, this.#source);
    if (identity === undefined) return undefined;
    this.#token = token;
    this.#identity = identity;
    this.#generation = generation;
    return identity;
  }
}

/**
 * Decides the identity of one connection, on a server that asks for client certificates. Every door asks its
 * connection's authenticator in place of the tokens file, so no door can forget the certificate.
 */
import type {
  Authenticator,
  ClientCertificate,
  Identity,
  ProvableToken,
  TokensAuthenticator,
} from "../model/identity.js";

export interface CertificateAuthenticatorOptions {
  readonly tokens: TokensAuthenticator;
  /** `certificate`: the certificate alone says who calls. `certificate+token`: a token of the same owner must come with it. */
  readonly mode: "certificate" | "certificate+token";
  /** undefined: the client showed no certificate. */
  readonly certificate: ClientCertificate | undefined;
  readonly source: string;
}

export class CertificateAuthenticator implements Authenticator {
  readonly needsToken: boolean;
  readonly #options: CertificateAuthenticatorOptions;
  /** For each identity that was given here, the identity from the tokens file. */
  readonly #originals = new WeakMap<Identity, Identity>();

  constructor(options: CertificateAuthenticatorOptions) {
    this.#options = options;
    this.needsToken = options.mode === "certificate+token";
  }

  currentGeneration(): number {
    return this.#options.tokens.currentGeneration();
  }

  /** Why the certificate of this connection does not count now, as a text for its peer; undefined when it counts. */
  refusal(): string | undefined {
    const { certificate } = this.#options;
    if (certificate === undefined)
      return "this server asks for a client certificate, and none was shown; give one with its key (--cert FILE --key FILE)";
    const nowMs = Date.now();
    if (nowMs >= certificate.validToMs) return "the client certificate has expired; renew it";
    if (nowMs < certificate.validFromMs) return "the client certificate does not count yet; is a clock wrong?";
    return this.#owner() === undefined
      ? "the server does not know the client certificate, or no longer; its administrator adds it with `iscep tokens add OWNER --certificate FILE`"
      : undefined;
  }

  verify(token: string, source?: string): Identity | undefined {
    const owner = this.#owner();
    if (owner === undefined || !this.needsToken) return owner;
    return this.#together(owner, this.#options.tokens.verify(token, source));
  }

  find(reference: string, source?: string): ProvableToken | undefined {
    const owner = this.#owner();
    if (owner === undefined || !this.needsToken) return undefined;
    const token = this.#options.tokens.find(reference, source);
    const identity = this.#together(owner, token?.identity);
    return token === undefined || identity === undefined ? undefined : { ...token, identity };
  }

  refresh(identity: Identity, source?: string): Identity | undefined {
    const owner = this.#owner();
    if (owner === undefined || !this.needsToken) return owner;
    const original = this.#originals.get(identity);
    return this.#together(owner, original === undefined ? undefined : this.#options.tokens.refresh(original, source));
  }

  #owner(): Identity | undefined {
    const { tokens, certificate, source } = this.#options;
    return certificate === undefined ? undefined : tokens.findCertificate(certificate, source);
  }

  /** An identity with the rights of the token, until the token or the certificate ends. */
  #together(owner: Identity, token: Identity | undefined): Identity | undefined {
    if (token === undefined || token.owner !== owner.owner) return undefined;
    const identity = Object.freeze({ ...token, expiresAtMs: Math.min(token.expiresAtMs, owner.expiresAtMs) });
    this.#originals.set(identity, token);
    return identity;
  }
}

import { IscepError } from "../../errors.js";
import { anonymous, type Identity } from "../../model/identity.js";
import type { InProcessHost } from "./host.js";

/** Identifies the caller by the text of a token, as in version 1. It is checked again for each request. */
export class InProcessIdentity {
  /** This is for `SessionIdentity`: no caller must prove anything first. */
  readonly isKnown = true;
  readonly #token: string | undefined;
  readonly #source: string;
  #identity: Identity | undefined;
  #generation = 0;

  constructor(token: string | undefined, source: string) {
    this.#token = token;
    this.#source = source;
  }

  /** The identity of the last request that `check` accepted. */
  current(): Identity | undefined {
    return this.#identity;
  }

  /** There is nothing to prove. */
  prove(): undefined {
    return undefined;
  }

  /** @throws IscepError `unauthorized`, or `busy` while this source is refused for wrong tokens */
  check(host: InProcessHost): void {
    const { authenticator } = host;
    if (authenticator === undefined) {
      this.#identity = anonymous;
      return;
    }
    if (host.isPenalised(this.#source)) {
      throw new IscepError("busy", "too many wrong tokens came from this address; try again later");
    }
    const generation = authenticator.currentGeneration();
    if (generation === this.#generation && Date.now() < (this.#identity?.expiresAtMs ?? 0)) return;
    const token = this.#token;
    this.#identity = token === undefined ? undefined : authenticator.verify(token, this.#source);
    this.#generation = generation;
    if (this.#identity !== undefined) return;
    if (token !== undefined) host.failedToken(this.#source);
    host.logRefusedPacket("unauthorized", token === undefined ? "no token" : "a wrong token", 0, this.#source);
    throw new IscepError("unauthorized");
  }

  /** The token of runs that go on is not valid any more. */
  isRevoked(host: InProcessHost): boolean {
    const { authenticator } = host;
    if (authenticator === undefined || this.#identity === undefined) return false;
    const isSame = authenticator.currentGeneration() === this.#generation;
    if (isSame && Date.now() < this.#identity.expiresAtMs) return false;
    return authenticator.refresh(this.#identity, this.#source) === undefined;
  }
}

import { randomBytes } from "node:crypto";
import { IscepError } from "../../errors.js";
import { anonymous, type Authenticator, type Identity } from "../../model/identity.js";
import type { TokenProof } from "../built-in-door.js";
import type { InProcessHost } from "./host.js";

/** Says who calls in this process. */
export interface CallerIdentity {
  /** This is for `SessionIdentity`: no caller must prove anything first. */
  readonly isKnown: true;
  /** The identity of the last request that `check` accepted. */
  current(): Identity | undefined;
  /** There is nothing to prove. */
  prove(): undefined;
  /** @throws IscepError `unauthorized`, or `busy` while this source is refused for wrong tokens */
  check(host: InProcessHost): void;
  /** The token of runs that go on is not valid any more. */
  isRevoked(host: InProcessHost): boolean;
}

/** @throws IscepError `busy` */
export function checkPenalty(host: InProcessHost, source: string): void {
  if (!host.isPenalised(source)) return;
  throw new IscepError("busy", "too many wrong tokens came from this address; try again later");
}

/** An identity from a door that has checked who calls, and gives them the right to run these commands. */
export class GivenIdentity implements CallerIdentity {
  readonly isKnown = true;
  readonly #identity: Identity;

  constructor(owner: string, commands: readonly string[]) {
    this.#identity = {
      ...anonymous,
      owner,
      mayDiscover: false,
      mayRun: (command) => commands.includes(command),
      maySeeRunsOf: () => false,
      mayReadMetrics: false,
    };
  }

  current(): Identity {
    return this.#identity;
  }

  prove(): undefined {
    return undefined;
  }

  check(): void {
    // The door has checked the caller before this was made.
  }

  isRevoked(): boolean {
    return false;
  }
}

/** Identifies the caller by the text of a token, as in version 1, or by a proof. It is checked again for each request. */
export class InProcessIdentity implements CallerIdentity {
  readonly isKnown = true;
  readonly #token: string | TokenProof | undefined;
  readonly #source: string;
  #identity: Identity | undefined;
  #generation = 0;
  /** A request found that the token is not valid any more. Runs of earlier ones may go on. */
  #hasLost = false;

  constructor(token: string | TokenProof | undefined, source: string) {
    this.#token = token;
    this.#source = source;
  }

  current(): Identity | undefined {
    return this.#identity;
  }

  prove(): undefined {
    return undefined;
  }

  check(host: InProcessHost): void {
    const { authenticator } = host;
    if (authenticator === undefined) {
      this.#identity = anonymous;
      return;
    }
    const generation = authenticator.currentGeneration();
    if (generation === this.#generation && Date.now() < (this.#identity?.expiresAtMs ?? 0)) return;
    const before = this.#identity;
    // A token that was good before is no guess, so it waits for no penalty.
    if (before === undefined) checkPenalty(host, this.#source);
    this.#identity = before === undefined ? this.#identify(authenticator) : authenticator.refresh(before, this.#source);
    this.#generation = generation;
    if (this.#identity !== undefined) {
      this.#hasLost = false;
      return;
    }
    this.#hasLost ||= before !== undefined;
    const isGuess = authenticator.needsToken && this.#token !== undefined;
    if (isGuess) host.failedToken(this.#source);
    const reason = authenticator.refusal() ?? (isGuess ? "a wrong token" : "no token");
    host.logRefusedPacket("unauthorized", reason, 0, this.#source);
    throw new IscepError("unauthorized");
  }

  /** When certificates alone say who is calling, the token is not looked at. */
  #identify(authenticator: Authenticator): Identity | undefined {
    if (!authenticator.needsToken) return authenticator.verify("", this.#source);
    return this.#token === undefined ? undefined : identify(authenticator, this.#token, this.#source);
  }

  isRevoked(host: InProcessHost): boolean {
    const { authenticator } = host;
    if (this.#hasLost) return true;
    if (authenticator === undefined || this.#identity === undefined) return false;
    const isSame = authenticator.currentGeneration() === this.#generation;
    if (isSame && Date.now() < this.#identity.expiresAtMs) return false;
    return authenticator.refresh(this.#identity, this.#source) === undefined;
  }
}

function identify(authenticator: Authenticator, token: string | TokenProof, source: string): Identity | undefined {
  if (typeof token === "string") return authenticator.verify(token, source);
  const found = authenticator.find(token.reference, source);
  // A token that does not exist costs the same work, so the time does not reveal which tokens exist.
  const isGood = token.isProvenBy(found?.storedKey ?? randomBytes(32));
  return isGood ? found?.identity : undefined;
}

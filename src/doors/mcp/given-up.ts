/**
 * Calls whose answers may not have arrived: the client went away before, or nobody can know. Their runs go on for a
 * while, and the same call again gets this run and does not run the command twice.
 */
import { createHmac } from "node:crypto";

export interface GivenUpCall {
  readonly key: string;
  /**
   * The run whose id was the answer. A client that has got the id waits for the run, and repeats the call only to begin
   * another one.
   */
  readonly told?: string;
}

export class GivenUpCalls {
  readonly #lifetimeMs: number;
  readonly #max: number;
  /** The calls by their fingerprint, the oldest first. */
  readonly #calls = new Map<string, GivenUpCall & { readonly expiresAtMs: number }>();

  constructor(limits: { readonly callerGraceMs: number; readonly maxGivenUpCalls: number }) {
    // Later, the run is cancelled, and its repetition must be a run of its own.
    this.#lifetimeMs = limits.callerGraceMs;
    this.#max = limits.maxGivenUpCalls;
  }

  remember(fingerprint: string, call: GivenUpCall, nowMs: number): void {
    this.#calls.delete(fingerprint);
    this.#calls.set(fingerprint, { ...call, expiresAtMs: nowMs + this.#lifetimeMs });
    for (const [oldest, { expiresAtMs }] of this.#calls) {
      if (expiresAtMs > nowMs && this.#calls.size <= this.#max) break;
      this.#calls.delete(oldest);
    }
  }

  /** The earlier call, for one caller only. */
  take(fingerprint: string, nowMs: number): GivenUpCall | undefined {
    const call = this.#calls.get(fingerprint);
    if (call === undefined) return undefined;
    this.#calls.delete(fingerprint);
    return call.expiresAtMs > nowMs ? call : undefined;
  }
}

/** Different callers never have the same fingerprint. A fingerprint does not reveal the token. */
export function callFingerprint(
  { owner, token }: { readonly owner: string; readonly token: string | undefined },
  command: string,
  args: unknown,
): string {
  return createHmac("sha256", token ?? "")
    .update(JSON.stringify([owner, command, args]))
    .digest("base64url");
}

import type { CallerRecord } from "../model/caller-record.js";
import type { Identity } from "../model/identity.js";
import { scopeSays } from "./scopes.js";

/** What a caller may know about itself. */
export function callerRecord({ owner, tokenId, expiresAtMs, scopes }: Identity): CallerRecord {
  return {
    owner,
    tokenId,
    ...(Number.isFinite(expiresAtMs) ? { expiresAtMs } : {}),
    ...(scopes === undefined ? {} : { scopes: scopes.map((scope) => ({ scope, says: scopeSays(scope) })) }),
  };
}

/** The tokens of a tokens file, by what callers show of them. */
import type { Identity } from "../model/identity.js";
import { tokenReference } from "../session/proof.js";
import { compileScopes } from "./scopes.js";
import { compileCidrs } from "./source.js";
import { grantOf, type TokensFile } from "./tokens-file.js";

export interface KnownEntry {
  readonly identity: Identity;
  readonly kind: "token" | "certificate";
  readonly notBeforeMs: number;
  readonly disabled: boolean;
  readonly countsAt: ((source: string) => boolean) | null;
}

export interface KnownToken extends KnownEntry {
  readonly reference: string;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

export interface KnownTokens {
  /** Tokens that carry their id. */
  readonly byId: ReadonlyMap<string, KnownToken>;
  /** Other tokens by their stored key, in hex. Several owners may have the same one, as in the original. */
  readonly byKey: ReadonlyMap<string, readonly KnownToken[]>;
  /** All tokens, by the reference that version 2 uses. Several owners may have the same one. */
  readonly byReference: ReadonlyMap<string, readonly KnownToken[]>;
  /** Client certificates, by what the file calls them. */
  readonly byCertificate: ReadonlyMap<string, KnownEntry>;
}

export function indexTokens(file: TokensFile): KnownTokens {
  const byId = new Map<string, KnownToken>();
  const byKey = new Map<string, KnownToken[]>();
  const byReference = new Map<string, KnownToken[]>();
  const byCertificate = new Map<string, KnownEntry>();
  for (const [owner, entries] of file) {
    for (const entry of entries) {
      const grant = grantOf(entry);
      const { id, notBeforeMs, expiresAtMs, disabled, cidrs } = grant;
      const identity: Identity = Object.freeze({
        owner,
        tokenId: id,
        expiresAtMs,
        scopes: grant.scopes,
        ...compileScopes(grant.scopes),
      });
      const countsAt = cidrs === null ? null : compileCidrs(cidrs);
      const kind = "certificate" in grant ? "certificate" : "token";
      const terms: KnownEntry = { kind, identity, notBeforeMs, disabled, countsAt };
      if ("certificate" in grant) {
        byCertificate.set(grant.certificate, terms);
        continue;
      }
      const { carriedId, storedKey, serverKey } = grant;
      const reference = tokenReference(storedKey);
      const known: KnownToken = { ...terms, storedKey, serverKey, reference };
      byReference.set(reference, [...(byReference.get(reference) ?? []), known]);
      if (carriedId !== null) {
        byId.set(carriedId, known);
      } else {
        const key = storedKey.toString("hex");
        byKey.set(key, [...(byKey.get(key) ?? []), known]);
      }
    }
  }
  return { byId, byKey, byReference, byCertificate };
}

export function counts(token: KnownEntry, nowMs: number, source: string | undefined): boolean {
  if (token.disabled || nowMs < token.notBeforeMs || nowMs >= token.identity.expiresAtMs) return false;
  return token.countsAt === null || (source !== undefined && token.countsAt(source));
}

/** What a server tells a caller about itself. */

export interface ScopeRecord {
  /** The scope as it stands in the tokens file, such as `run:backup_*`. */
  readonly scope: string;
  /** What the scope allows, as a sentence for people. */
  readonly says: string;
}

export interface CallerRecord {
  /** The name in the tokens file; `anonymous` on a server without tokens. */
  readonly owner: string;
  /** The public id of the token; null on a server without tokens, and for tokens of the original. */
  readonly tokenId: string | null;
  /** When the token, or the certificate, ends, as Unix time in milliseconds; absent when it does not. */
  readonly expiresAtMs?: number;
  /** What the caller may do. Absent on a server without tokens, where everybody may do everything. */
  readonly scopes?: readonly ScopeRecord[];
}

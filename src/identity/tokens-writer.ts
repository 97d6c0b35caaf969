/** Does what `iscep tokens` does: it adds, removes, lists, rotates and imports tokens. */
import { isDeepStrictEqual } from "node:util";
import { IscepError } from "../errors.js";
import { defaultLimits, type Limits } from "../limits/limits.js";
import { reservedOwnerProblem } from "../model/identity.js";
import { defaultScopes, scopeProblem } from "./scopes.js";
import { cidrProblem } from "./source.js";
import {
  grantOf,
  hasLoneSurrogate,
  isCertificateRecord,
  parseTokensFile,
  recordOf,
  type RecordTerms,
  type TokenEntry,
  type TokenRecord,
} from "./tokens-file.js";
import { changeTokensFile, type ChangeLimits, type Owners } from "./tokens-change.js";
import { readTokensText } from "./tokens-reader.js";
import { mintToken, parseToken, quoteUnlessToken } from "./tokens.js";

type WriterLimits = ChangeLimits & Pick<Limits, "tokenLifetimeDays">;

export interface WriterOptions {
  /** Limits of the file and of waiting for it. Default: `defaultLimits`. */
  readonly limits?: WriterLimits;
}

export interface AddTokenOptions extends WriterOptions {
  /** Whose token it is: any text without control characters. */
  readonly owner: string;
  /** What it allows, as `iscep tokens add` takes it: `run:add`. Default: discover, and run every command. */
  readonly scopes?: readonly string[];
  /** After how many milliseconds it expires; null: never. Default: `tokenLifetimeDays`. */
  readonly expiresInMs?: number | null;
  /** The networks from which it counts, such as `10.0.0.0/8`. Default: all. */
  readonly cidrs?: readonly string[];
}

export interface RotateTokenOptions extends WriterOptions {
  /** How long the old tokens stay valid. Default: 0, so they are removed at once. */
  readonly overlapMs?: number;
  /** Default: as the old token, but `tokenLifetimeDays` for a token of the original, which never expires. */
  readonly expiresInMs?: number | null;
}

export interface NewToken {
  /** The token is shown only here: nobody can compute it from the file. */
  readonly token: string;
  /** What the file says of it. */
  readonly record: TokenRecord;
}

/** What may be shown about a token in the file. */
export interface ListedToken {
  readonly owner: string;
  /** null for a token of the original. */
  readonly id: string | null;
  /** The client certificate that this is in place of a token: its pin, or `cn:NAME`. null for tokens. */
  readonly certificate: string | null;
  /** True when the token is in the file in clear; rotate or import it. */
  readonly clear: boolean;
  readonly created: string | null;
  readonly notBefore: string | null;
  /** null: never. */
  readonly expires: string | null;
  readonly scopes: readonly string[];
  readonly disabled: boolean;
  readonly cidrs: readonly string[] | null;
}

/**
 * Adds a token to an owner. Makes the file (0600) if there is none; its folder must exist.
 * @throws IscepError `usage` (owner, scopes, times), `configuration` (file), `busy` (locked for too long)
 */
export async function addToken(path: string, options: AddTokenOptions): Promise<NewToken> {
  const { owner, limits = defaultLimits } = options;
  const token = mintToken();
  const record = recordOf(token, checkedTerms(options));
  await changeTokensFile(path, limits, true, (owners) => {
    owners.set(owner, [...(owners.get(owner) ?? []), record]);
  });
  return { token, record };
}

/**
 * Removes all tokens of an owner, or the one with this id.
 * @returns the owner, and the ids that were removed (null for a token of the original)
 * @throws IscepError `usage` when there is no such owner and no such id; `configuration`, `busy`
 */
export async function removeToken(
  path: string,
  ownerOrId: string,
  { limits = defaultLimits }: WriterOptions = {},
): Promise<{ readonly owner: string; readonly ids: readonly (string | null)[] }> {
  return changeTokensFile(path, limits, false, (owners) => {
    const { owner, chosen, others } = choose(owners, ownerOrId);
    owners.set(owner, others);
    return { owner, ids: chosen.map((entry) => grantOf(entry).id) };
  });
}

/** @throws IscepError `configuration` */
export function listTokens(path: string, { limits = defaultLimits }: WriterOptions = {}): ListedToken[] {
  const file = parseTokensFile(readTokensText(path, limits).text, path);
  return [...file].flatMap(([owner, entries]) => entries.map((entry) => listed(owner, entry)));
}

/**
 * Makes a new token with the rights of the owner's old ones. These are removed, or end after the overlap. With an id
 * instead of an owner, only that token is replaced.
 * @throws IscepError `usage` when there is no such owner or id, when all its tokens are disabled, or when they have
 *   different rights (one token with all rights could do more than any of the old ones); `configuration`, `busy`
 */
export async function rotateToken(
  path: string,
  ownerOrId: string,
  options: RotateTokenOptions = {},
): Promise<NewToken> {
  const { limits = defaultLimits, overlapMs = 0, expiresInMs } = options;
  checkDuration("overlapMs", overlapMs);
  return changeTokensFile(path, limits, false, (owners) => {
    const nowMs = Date.now();
    const { owner, chosen: found, others: foreign } = choose(owners, ownerOrId);
    const certificates = found.filter(isCertificateRecord);
    const chosen = found.filter((entry): entry is string | TokenRecord => !isCertificateRecord(entry));
    if (chosen.length === 0) throw nothingToRotate(owner);
    const others = [...foreign, ...certificates];
    const model = modelOf(owner, chosen, nowMs);
    const { scopes, cidrs } = grantOf(model);
    const lifetimeMs = expiresInMs === undefined ? lifetimeOf(model) : expiresInMs;
    const living = chosen
      .map((entry) => grantOf(entry))
      .filter((grant) => !grant.disabled && grant.expiresAtMs > nowMs);
    const countsFromMs = living.length === 0 ? nowMs : Math.min(...living.map(({ notBeforeMs }) => notBeforeMs));
    const expiresAtMs = expiry(nowMs, lifetimeMs, limits);
    if (expiresAtMs !== null && countsFromMs >= expiresAtMs)
      throw new IscepError(
        "usage",
        `the new token of ${quoteUnlessToken(owner)} would end before it counts; give it more time`,
      );
    const token = mintToken();
    const made = recordOf(token, {
      scopes,
      cidrs: cidrs ?? undefined,
      createdMs: nowMs,
      expiresAtMs,
    });
    // Tokens that do not count yet must not begin to count by being replaced.
    const record = countsFromMs > nowMs ? { ...made, notBefore: new Date(countsFromMs).toISOString() } : made;
    const kept = overlapMs > 0 ? chosen.map((entry) => endingAt(entry, nowMs, nowMs + overlapMs)) : [];
    owners.set(owner, [...others, ...kept, record]);
    return { token, record };
  });
}

/** @throws IscepError `usage` */
export function checkedTerms({
  owner,
  scopes = defaultScopes,
  cidrs,
  expiresInMs,
  limits = defaultLimits,
}: AddTokenOptions): RecordTerms {
  checkOwner(owner);
  checkTexts(scopes, scopeProblem);
  checkTexts(cidrs ?? [], cidrProblem);
  const createdMs = Date.now();
  return { scopes, cidrs, createdMs, expiresAtMs: expiry(createdMs, expiresInMs, limits) };
}

function choose(owners: Owners, ownerOrId: string): { owner: string; chosen: TokenEntry[]; others: TokenEntry[] } {
  const entries = owners.get(ownerOrId);
  if (entries !== undefined && entries.length > 0) return { owner: ownerOrId, chosen: entries, others: [] };
  const id = parseToken(ownerOrId)?.id ?? ownerOrId;
  for (const [owner, candidates] of owners) {
    const chosen = candidates.filter((entry) => grantOf(entry).id === id);
    if (chosen.length > 0) return { owner, chosen, others: candidates.filter((entry) => !chosen.includes(entry)) };
  }
  throw unknownOwner(ownerOrId);
}

function nothingToRotate(owner: string): IscepError {
  return new IscepError(
    "usage",
    `${quoteUnlessToken(owner)} has a certificate there, and no token to rotate; add the new certificate, then remove the old one`,
  );
}

export function unknownOwner(ownerOrId: string): IscepError {
  return new IscepError(
    "usage",
    `there is no owner and no token id ${quoteUnlessToken(ownerOrId)}; \`iscep tokens list\` shows them`,
  );
}

/** The newest of the tokens that count, or of those that have expired when none counts. */
function modelOf(owner: string, entries: readonly (string | TokenRecord)[], nowMs: number): string | TokenRecord {
  const enabled = entries.filter((entry) => !grantOf(entry).disabled);
  const current = enabled.filter((entry) => grantOf(entry).expiresAtMs > nowMs);
  const candidates = current.length > 0 ? current : enabled;
  const model = candidates.at(-1);
  if (model === undefined) {
    throw new IscepError(
      "usage",
      `all tokens of ${quoteUnlessToken(owner)} are disabled; add a new one if the owner may come back`,
    );
  }
  const rights = (entry: string | TokenRecord): unknown => [
    [...grantOf(entry).scopes].sort(),
    [...(grantOf(entry).cidrs ?? ["everywhere"])].sort(),
  ];
  if (candidates.some((entry) => !isDeepStrictEqual(rights(entry), rights(model)))) {
    throw new IscepError(
      "usage",
      `the tokens of ${quoteUnlessToken(owner)} have different rights; rotate them one by one, by id`,
    );
  }
  return model;
}

/** undefined: the usual one. null: never. */
function lifetimeOf(entry: string | TokenRecord): number | null | undefined {
  if (typeof entry === "string" || entry.imported === true) return undefined;
  return typeof entry.expires === "string" ? Math.max(Date.parse(entry.expires) - Date.parse(entry.created), 1) : null;
}

function endingAt(entry: string | TokenRecord, nowMs: number, endMs: number): TokenRecord {
  const expiresAtMs = Math.min(grantOf(entry).expiresAtMs, endMs);
  if (typeof entry === "string") return recordOf(entry, { scopes: defaultScopes, createdMs: nowMs, expiresAtMs });
  return { ...entry, expires: new Date(expiresAtMs).toISOString() };
}

function expiry(nowMs: number, expiresInMs: number | null | undefined, limits: WriterLimits): number | null {
  if (expiresInMs === null) return null;
  const lifetimeMs = expiresInMs ?? limits.tokenLifetimeDays * 86_400_000;
  checkDuration("expiresInMs", lifetimeMs);
  if (lifetimeMs === 0)
    throw new IscepError("usage", "expiresInMs must be more than 0, or null for a token that never expires");
  return nowMs + lifetimeMs;
}

function checkDuration(name: string, value: number): void {
  const latestMs = 100 * 366 * 86_400_000; // dates with more than four digits for the year cannot be read back
  if (!Number.isFinite(value) || value < 0 || value > latestMs) {
    throw new IscepError("usage", `${name} must be a number of milliseconds, from 0 to a hundred years`);
  }
}

function checkOwner(owner: string): void {
  if (owner === "") throw new IscepError("usage", "the owner of a token must have a name");
  const reserved = reservedOwnerProblem(owner);
  if (reserved !== undefined) throw new IscepError("usage", reserved);
  if (parseToken(owner) !== undefined) throw new IscepError("usage", "that is a token; give the name of its owner");
  // Control characters and bidirectional marks could make two owners look the same in a list.
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(owner) || hasLoneSurrogate(owner)) {
    throw new IscepError("usage", "the owner's name must not hold control characters");
  }
}

function checkTexts(texts: readonly string[], problemOf: (text: string) => string | undefined): void {
  for (const text of texts) {
    const wrong = problemOf(text);
    if (wrong !== undefined) throw new IscepError("usage", wrong);
  }
}

function listed(owner: string, entry: TokenEntry): ListedToken {
  const { id, scopes, disabled, cidrs } = grantOf(entry);
  const record = typeof entry === "string" ? undefined : entry;
  return {
    owner,
    id,
    certificate: isCertificateRecord(entry) ? entry.certificate : null,
    clear: record === undefined,
    created: record?.created ?? null,
    notBefore: record?.notBefore ?? null,
    expires: record?.expires ?? null,
    scopes,
    disabled,
    cidrs,
  };
}

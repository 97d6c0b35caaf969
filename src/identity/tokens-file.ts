/**
 * The tokens file: a JSON object { OWNER: ENTRY | [ENTRY, …] }. An ENTRY is a text or a record. A text is a token in
 * clear, as the original wrote it. From a record nobody can compute the token.
 */
import { IscepError } from "../errors.js";
import { reservedOwnerProblem } from "../model/identity.js";
import { certificateProblem } from "./certificate-entry.js";
import { duplicateKey } from "./json-duplicates.js";
import { defaultScopes, scopeProblem } from "./scopes.js";
import { cidrProblem } from "./source.js";
import {
  clientKey,
  isTokenId,
  mintTokenId,
  parseToken,
  quoteUnlessToken,
  secretOf,
  serverKey,
  storedKeyOf,
} from "./tokens.js";

interface EntryTerms {
  /** 12 base62 characters, unique in the file. */
  readonly id: string;
  /** This and the next two are an ISO 8601 date, or a date and time with a zone. null or absent: no such bound. */
  readonly created: string;
  readonly notBefore?: string | null;
  readonly expires?: string | null;
  readonly scopes: readonly string[];
  readonly disabled?: boolean;
  /** The networks from which the token may be used. Absent: from everywhere. Unix sockets are in no network. */
  readonly cidrs?: readonly string[];
}

export interface TokenRecord extends EntryTerms {
  /** base64url of SHA-256(HMAC-SHA-256(secret, "client")). */
  readonly storedKey: string;
  /** base64url of HMAC-SHA-256(secret, "server"). */
  readonly serverKey: string;
  /**
   * True when it was made from a token of the original. Then the whole token is the secret, and does not contain this
   * id.
   */
  readonly imported?: true;
}

/** A client certificate in place of a token, for a server that asks for certificates. */
export interface CertificateRecord extends EntryTerms {
  /** `sha256:` and the base64url SHA-256 of its public key (SPKI), or `cn:NAME`; unique in the file. */
  readonly certificate: string;
}

export type TokenEntry = string | TokenRecord | CertificateRecord;

export function isCertificateRecord(entry: TokenEntry): entry is CertificateRecord {
  return typeof entry !== "string" && "certificate" in entry;
}

/** Owners in the order of the file. It is a Map, because an owner may be called `__proto__`. */
export type TokensFile = ReadonlyMap<string, readonly TokenEntry[]>;

/** What a kept entry grants, and when, in the form in which it is checked. */
interface Grant {
  /** null for a token of the original that is kept in clear. */
  readonly id: string | null;
  readonly notBeforeMs: number;
  readonly expiresAtMs: number;
  readonly scopes: readonly string[];
  readonly disabled: boolean;
  readonly cidrs: readonly string[] | null;
}

export interface TokenGrant extends Grant {
  /** The id that the token itself contains, and by which it is found. null: it is found by its stored key. */
  readonly carriedId: string | null;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

export interface CertificateGrant extends Grant {
  readonly certificate: string;
}

/**
 * @param name the name of the file in messages
 * @throws IscepError `configuration`, which names owner and field, and never shows a token
 */
export function parseTokensFile(text: string, name: string): TokensFile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The message of V8 and the error as a cause are left out, because both quote the text around the fault, and tokens
    // are there.
    const hint =
      text.trim() === "" ? "it is empty; a file without tokens is {}" : "it is not JSON: cut short, or edited wrongly";
    throw problem(name, hint);
  }
  if (!isObject(value)) throw problem(name, "it must be a JSON object that maps each owner to a token");
  const twice = duplicateKey(text);
  if (twice !== undefined) {
    const what = twice.depth === 1 ? `owner ${quoteUnlessToken(twice.key)}` : `field ${quoteUnlessToken(twice.key)}`;
    throw problem(name, `${what} is there twice; put several tokens of an owner into a list`);
  }
  const owners = new Map<string, TokenEntry[]>();
  const ids = new Map<string, string>();
  const certificates = new Map<string, string>();
  for (const [owner, entryOrList] of Object.entries(value)) {
    const reserved = reservedOwnerProblem(owner);
    if (reserved !== undefined) throw problem(name, reserved);
    const list: readonly unknown[] = Array.isArray(entryOrList) ? entryOrList : [entryOrList];
    const entries = list.map((entry, index) => {
      const place = `owner ${quoteUnlessToken(owner)}${list.length > 1 ? `, token ${index + 1}` : ""}`;
      return parseEntry(entry, (message) => problem(name, `${place}: ${message}`));
    });
    for (const entry of entries) {
      if (isCertificateRecord(entry)) {
        const other = certificates.get(entry.certificate);
        if (other !== undefined) throw problem(name, twoOfOneCertificate(entry.certificate, other, owner));
        certificates.set(entry.certificate, owner);
      }
      const id = typeof entry === "string" ? parseToken(entry)?.id : entry.id;
      if (id === undefined) continue;
      const other = ids.get(id);
      if (other !== undefined) {
        throw problem(
          name,
          `owners ${quoteUnlessToken(other)} and ${quoteUnlessToken(owner)} have the same token id ${id}`,
        );
      }
      ids.set(id, owner);
    }
    owners.set(owner, entries);
  }
  return owners;
}

/** The text ends with a newline. An owner with one token has it without a list. Owners without tokens are left out. */
export function serialiseTokensFile(file: TokensFile): string {
  const owners = [...file].filter(([, entries]) => entries.length > 0);
  // fromEntries defines own keys, even `__proto__`.
  return `${JSON.stringify(Object.fromEntries(owners.map(([owner, entries]) => [owner, entries.length === 1 ? entries[0] : entries])), null, 2)}\n`;
}

function twoOfOneCertificate(certificate: string, one: string, other: string): string {
  const owners = one === other ? quoteUnlessToken(one) : `${quoteUnlessToken(one)} and ${quoteUnlessToken(other)}`;
  return `the certificate ${certificate} is there twice (${owners}), so nobody could tell whom it speaks for; remove one`;
}

export function grantOf(entry: string | TokenRecord): TokenGrant;
export function grantOf(entry: TokenEntry): TokenGrant | CertificateGrant;
export function grantOf(entry: TokenEntry): TokenGrant | CertificateGrant {
  if (typeof entry === "string") {
    return {
      id: parseToken(entry)?.id ?? null,
      carriedId: parseToken(entry)?.id ?? null,
      storedKey: storedKeyOf(clientKey(secretOf(entry))),
      serverKey: serverKey(secretOf(entry)),
      notBeforeMs: Number.NEGATIVE_INFINITY,
      expiresAtMs: Number.POSITIVE_INFINITY,
      scopes: defaultScopes,
      disabled: false,
      cidrs: null,
    };
  }
  const granted: Grant = {
    id: entry.id,
    notBeforeMs: typeof entry.notBefore === "string" ? Date.parse(entry.notBefore) : Number.NEGATIVE_INFINITY,
    expiresAtMs: typeof entry.expires === "string" ? Date.parse(entry.expires) : Number.POSITIVE_INFINITY,
    scopes: entry.scopes,
    disabled: entry.disabled === true,
    cidrs: entry.cidrs ?? null,
  };
  if (isCertificateRecord(entry)) return { ...granted, certificate: entry.certificate };
  return {
    ...granted,
    carriedId: entry.imported === true ? null : entry.id,
    storedKey: Buffer.from(entry.storedKey, "base64url"),
    serverKey: Buffer.from(entry.serverKey, "base64url"),
  };
}

export interface RecordTerms {
  readonly scopes: readonly string[];
  readonly createdMs: number;
  /** null: never. */
  readonly expiresAtMs: number | null;
  readonly cidrs?: readonly string[] | undefined;
}

/** Makes the record of one of our tokens, or of any other text that serves as a token (then with an id of its own). */
export function recordOf(token: string, terms: RecordTerms): TokenRecord {
  const parsed = parseToken(token);
  const secret = secretOf(token);
  return {
    id: parsed?.id ?? mintTokenId(),
    storedKey: storedKeyOf(clientKey(secret)).toString("base64url"),
    serverKey: serverKey(secret).toString("base64url"),
    ...termsOf(terms),
    ...(parsed === undefined ? { imported: true as const } : {}),
  };
}

/** @param certificate as `certificateName` gives it */
export function certificateRecordOf(certificate: string, terms: RecordTerms): CertificateRecord {
  return { id: mintTokenId(), certificate, ...termsOf(terms) };
}

function termsOf({ createdMs, expiresAtMs, scopes, cidrs }: RecordTerms): Omit<EntryTerms, "id"> {
  return {
    created: new Date(createdMs).toISOString(),
    expires: expiresAtMs === null ? null : new Date(expiresAtMs).toISOString(),
    scopes,
    ...(cidrs === undefined ? {} : { cidrs }),
  };
}

type Fail = (message: string) => IscepError;

const termFields = ["id", "created", "notBefore", "expires", "scopes", "disabled", "cidrs"];
const keyFields = ["storedKey", "serverKey", "imported"];

function parseEntry(entry: unknown, fail: Fail): TokenEntry {
  if (typeof entry === "string") {
    if (entry === "") throw fail("the token is empty");
    // UTF-8 has no halves of surrogate pairs, so all tokens that differ only there would be the same.
    if (hasLoneSurrogate(entry)) throw fail("the token holds half a character (a lone surrogate)");
    return entry;
  }
  if (!isObject(entry)) throw fail("a token must be a text or a record");
  const isCertificate = Object.hasOwn(entry, "certificate");
  const known = new Set([...termFields, ...(isCertificate ? ["certificate"] : keyFields)]);
  for (const field of Object.keys(entry)) {
    if (known.has(field)) continue;
    const why = isCertificate && keyFields.includes(field) ? ", as this is a certificate, which has none" : "";
    throw fail(`there is no field ${quoteUnlessToken(field)}${why}`);
  }
  const { id, disabled, imported } = entry;
  if (typeof id !== "string" || !isTokenId(id)) throw fail("id must be 12 letters or digits");
  if (disabled !== undefined && typeof disabled !== "boolean") throw fail("disabled must be true or false");
  if (imported !== undefined && imported !== true) throw fail("imported must be true, or left out");
  const created = dateField(entry, "created", fail);
  if (typeof created !== "string") throw fail("created must be a date such as 2026-01-31T12:00:00Z");
  const notBefore = dateField(entry, "notBefore", fail);
  const expires = dateField(entry, "expires", fail);
  const scopes = textsField(entry, "scopes", scopeProblem, fail);
  if (scopes === undefined) throw fail("scopes are missing");
  const cidrs = textsField(entry, "cidrs", cidrProblem, fail);
  const terms: EntryTerms = {
    id,
    created,
    ...(notBefore === undefined ? {} : { notBefore }),
    ...(expires === undefined ? {} : { expires }),
    scopes,
    ...(disabled === undefined ? {} : { disabled }),
    ...(cidrs === undefined ? {} : { cidrs }),
  };
  if (isCertificate) {
    const { certificate } = entry;
    const wrong = typeof certificate === "string" ? certificateProblem(certificate) : "it must be a text";
    if (typeof certificate !== "string" || wrong !== undefined) throw fail(`certificate: ${wrong}`);
    return { ...terms, certificate };
  }
  return {
    ...terms,
    storedKey: keyField(entry, "storedKey", fail),
    serverKey: keyField(entry, "serverKey", fail),
    ...(imported === undefined ? {} : { imported }),
  };
}

function keyField(entry: JsonRecord, field: string, fail: Fail): string {
  const value = entry[field];
  const isKey =
    typeof value === "string" && /^[0-9A-Za-z_-]{43}$/.test(value) && Buffer.from(value, "base64url").length === 32;
  if (!isKey) throw fail(`${field} must be 32 bytes as 43 characters of base64url`);
  return value;
}

function dateField(entry: JsonRecord, field: string, fail: Fail): string | null | undefined {
  const value = entry[field];
  if (value === undefined || value === null) return value;
  if (typeof value === "string" && isIsoDate(value)) return value;
  throw fail(`${field} must be a date such as 2026-01-31, or with a time and its zone 2026-01-31T12:00:00Z, or null`);
}

function textsField(
  entry: JsonRecord,
  field: string,
  problemOf: (text: string) => string | undefined,
  fail: Fail,
): readonly string[] | undefined {
  const value = entry[field];
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) throw fail(`${field} must be a list of texts`);
  return value.map((text: unknown) => {
    if (typeof text !== "string") throw fail(`${field} must be a list of texts`);
    const wrong = problemOf(text);
    if (wrong !== undefined) throw fail(`${field}: ${wrong}`);
    return text;
  });
}

/**
 * A time without a zone would mean something else on another machine. And Date.parse turns February 30 into a day in March.
 */
function isIsoDate(text: string): boolean {
  const match =
    /^([0-9]{4})-([0-9]{2})-([0-9]{2})(?:T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:Z|[+-][0-9]{2}:[0-9]{2}))?$/.exec(
      text,
    );
  if (match === null || Number.isNaN(Date.parse(text))) return false;
  const [, year, month, day] = match.map(Number);
  return new Date(Date.UTC(year ?? 0, (month ?? 0) - 1, day)).getUTCDate() === day;
}

export function hasLoneSurrogate(text: string): boolean {
  return /\p{Surrogate}/u.test(text);
}

type JsonRecord = { readonly [field: string]: unknown };

function isObject(value: unknown): value is JsonRecord {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function problem(name: string, message: string): IscepError {
  return new IscepError("configuration", `tokens file ${name}: ${message}`);
}

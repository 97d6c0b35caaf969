/**
 * Tokens and what is kept of them.
 *
 *     isct_ ID(12) _ SECRET(43) CRC(6)       all base62; CRC is the CRC-32 of everything before it
 *
 * The id is public (logs, listing, revocation, look-up); the secret has 256 bits; the checksum lets a typing error be
 * told from a wrong token, and lets scanners of source code recognise a leaked token without asking anybody.
 */
import { createHash, createHmac, randomInt } from "node:crypto";
import { crc32 } from "node:zlib";
import { IscepError } from "../errors.js";

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const idLength = 12;
const secretLength = 43; // 62^43 > 2^256
const checksumLength = 6; // 62^6 > 2^32
const tokenPattern = new RegExp(
  `^isct_([0-9A-Za-z]{${idLength}})_([0-9A-Za-z]{${secretLength}})([0-9A-Za-z]{${checksumLength}})$`,
);
const idPattern = new RegExp(`^[0-9A-Za-z]{${idLength}}$`);

export interface ParsedToken {
  readonly id: string;
  readonly secret: string;
}

export function mintToken(): string {
  const body = `isct_${mintTokenId()}_${randomBase62(secretLength)}`;
  return body + checksum(body);
}

export function mintTokenId(): string {
  return randomBase62(idLength);
}

/** undefined for anything that is not exactly a token with a good checksum; an original's token among them. */
export function parseToken(text: string): ParsedToken | undefined {
  const match = tokenPattern.exec(text);
  const [, id, secret, claimed] = match ?? [];
  if (id === undefined || secret === undefined) return undefined;
  return claimed === checksum(text.slice(0, -checksumLength)) ? { id, secret } : undefined;
}

/**
 * A token as a client is given it, without white space around it: files and variables often end with a line end.
 * @throws IscepError `usage` for one that was cut or has other text around it; an original's token has no form to check
 */
export function readToken(text: string): string {
  const token = text.trim();
  if (!token.includes("isct_") || parseToken(token) !== undefined) return token;
  throw new IscepError(
    "usage",
    "the token is damaged (its checksum does not fit): it was cut, or has quotes or a name around it; copy it again, as `iscep tokens add` printed it",
  );
}

export function isTokenId(text: string): boolean {
  return idPattern.test(text);
}

// RFC 5802, section 3, without the slow hash: the secret is random, so there is no dictionary to slow down.

/** Proves who the client is; never stored, as whoever has it can log in. */
export function clientKey(secret: string): Buffer {
  return createHmac("sha256", secret).update("client").digest();
}

/** Checks a client's key without being able to make one. */
export function storedKeyOf(key: Buffer): Buffer {
  return createHash("sha256").update(key).digest();
}

/** Lets the server prove in version 2 that it knows the token as well. */
export function serverKey(secret: string): Buffer {
  return createHmac("sha256", secret).update("server").digest();
}

/** The part of a token that its keys are made from: all of it, for a token of the original. */
export function secretOf(token: string): string {
  return parseToken(token)?.secret ?? token;
}

/** For messages about a value that a person may have confused with a token. */
export function quoteUnlessToken(text: string): string {
  return text.includes("isct_") || text.length > 100
    ? "(a text that may be a token, so it is not shown)"
    : JSON.stringify(text);
}

function randomBase62(length: number): string {
  // randomInt draws again where a remainder would favour the first letters.
  return Array.from({ length }, () => alphabet.charAt(randomInt(alphabet.length))).join("");
}

function checksum(body: string): string {
  let rest = crc32(body);
  let text = "";
  for (let index = 0; index < checksumLength; index++) {
    text = alphabet.charAt(rest % alphabet.length) + text;
    rest = Math.floor(rest / alphabet.length);
  }
  return text;
}

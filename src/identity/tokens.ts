/**
 * Makes and reads tokens, and the keys that are kept of them.
 *
 *     isct_ ID(12) _ SECRET(43) CRC(6)       all base62; CRC is the CRC-32 of everything before it
 *
 * The id is public: logs, lists and revocation use it. The secret has 256 bits. The checksum tells a typing error from
 * a wrong token, and scanners of source code recognise a leaked token by it.
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

/** undefined for any text that is not exactly a token with a good checksum. A token of the original is such a text. */
export function parseToken(text: string): ParsedToken | undefined {
  const match = tokenPattern.exec(text);
  const [, id, secret, claimed] = match ?? [];
  if (id === undefined || secret === undefined) return undefined;
  return claimed === checksum(text.slice(0, -checksumLength)) ? { id, secret } : undefined;
}

/**
 * The token that a client was given, without white space around it, because files and variables often end with a line
 * end.
 * @throws IscepError `usage` for a token that was cut or has other text around it; a token of the original has no form
 *   to check
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

// RFC 5802, section 3, without the slow hash: the secret is random, so no dictionary helps an attacker.

/** This key proves who the client is. It is never stored, because a client needs nothing else to log in. */
export function clientKey(secret: string): Buffer {
  return createHmac("sha256", secret).update("client").digest();
}

/** This key checks a client's key. Nobody can make a client's key from it. */
export function storedKeyOf(key: Buffer): Buffer {
  return createHash("sha256").update(key).digest();
}

/** With this key, the server proves in version 2 that it knows the token too. */
export function serverKey(secret: string): Buffer {
  return createHmac("sha256", secret).update("server").digest();
}

/** The part of a token from which its keys are made. For a token of the original, this is the whole token. */
export function secretOf(token: string): string {
  return parseToken(token)?.secret ?? token;
}

/** Shows a value in a message, unless a person may have put a token in its place. */
export function quoteUnlessToken(text: string): string {
  return text.includes("isct_") || text.length > 100
    ? "(a text that may be a token, so it is not shown)"
    : JSON.stringify(text);
}

function randomBase62(length: number): string {
  // randomInt draws again when a remainder would make the first letters more likely.
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

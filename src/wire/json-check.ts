/**
 * Checks only what JSON.parse does not refuse by itself: depth, number of keys, and numbers that would change. It is
 * one pass over the bytes before they are parsed. Bytes of UTF-8 beyond ASCII do not matter here.
 */
import { IscepError } from "../errors.js";

export interface JsonReadLimits {
  readonly maxJsonDepth: number;
  readonly maxJsonKeys: number;
}

const quote = 0x22;
const backslash = 0x5c;

/** @throws IscepError `protocol` */
export function checkJson(bytes: Buffer, { maxJsonDepth, maxJsonKeys }: JsonReadLimits): void {
  const { length } = bytes;
  let depth = 0;
  let keys = 0;
  for (let index = 0; index < length; index++) {
    const byte = bytes[index] ?? 0;
    if (byte === quote) {
      index = endOfString(bytes, index + 1);
    } else if (byte === 0x3a /* : */) {
      if (++keys > maxJsonKeys) {
        throw new IscepError("protocol", `the content has more than ${maxJsonKeys} keys`);
      }
    } else if (byte === 0x7b /* { */ || byte === 0x5b /* [ */) {
      if (++depth > maxJsonDepth) {
        throw new IscepError("protocol", `the content nests deeper than ${maxJsonDepth}`);
      }
    } else if (byte === 0x7d /* } */ || byte === 0x5d /* ] */) {
      depth--;
    } else if (byte <= 0x39 && byte >= 0x30) {
      index = checkNumberAt(bytes, index) - 1;
    }
  }
}

/** Most strings are names, and shorter than this. To call `indexOf` costs as much as to look at so many bytes. */
const shortString = 48;

/** The index of the closing quote, or the length of the bytes. */
function endOfString(bytes: Buffer, from: number): number {
  const { length } = bytes;
  let index = from;
  for (;;) {
    const near = Math.min(length, index + shortString);
    for (; index < near; index++) {
      const byte = bytes[index];
      if (byte === quote) return index;
      if (byte === backslash) index++;
    }
    if (index >= length) return length;
    // What follows may be megabytes without an escape.
    const end = bytes.indexOf(quote, index);
    if (end === -1) return length;
    let backslashes = 0;
    while (end - 1 - backslashes >= index && bytes[end - 1 - backslashes] === backslash) backslashes++;
    if (backslashes % 2 === 0) return end;
    index = end + 1;
  }
}

/** Returns the index behind the number. Its first digit is at `from`; JSON.parse checks its form. */
function checkNumberAt(bytes: Buffer, from: number): number {
  let end = from + 1;
  let hasExponent = false;
  for (; end < bytes.length; end++) {
    const byte = bytes[end] ?? 0;
    if (byte <= 0x39 && byte >= 0x30) continue;
    if ((byte | 0x20) === 0x65 /* e */) hasExponent = true;
    else if (byte !== 0x2e && byte !== 0x2b && byte !== 0x2d) break;
  }
  // A number with fewer digits is below 2^53. It overflows only with an exponent.
  if (hasExponent || end - from >= 16) checkNumber(bytes.toString("latin1", from, end));
  return end;
}

export function isIntegerLiteral(literal: string): boolean {
  return /^-?[0-9]+$/.test(literal);
}

function checkNumber(literal: string): void {
  const number = Number(literal);
  // Without point and exponent the peer reads an integer, and integers are exact there.
  if (isIntegerLiteral(literal) && !Number.isSafeInteger(number)) {
    throw new IscepError("protocol", "an integer beyond 2^53 - 1 cannot be kept exactly here; send it as a string");
  }
  if (!Number.isFinite(number) && !Number.isNaN(number)) {
    throw new IscepError("protocol", "a number is too large for a double; send it as a string");
  }
}

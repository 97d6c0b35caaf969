import fc from "fast-check";
import { anyCharacter } from "./any-character.js";
import { rounds } from "./rounds.js";

export const numRuns = rounds(150, 2_000, 20_000);

/** Made for these tests; opens nothing. */
export const canarySecret = "CANARYcanaryCANARYcanaryCANARYcanaryCANARYcan";
export const canaryToken = `isct_A1b2C3d4E5f6_${canarySecret}${"z".repeat(49 - canarySecret.length)}`;
export const canaryHex = "c0ffee15".repeat(64);

const pieces = fc.oneof(
  fc.string({ unit: anyCharacter, maxLength: 20 }),
  fc.string({ unit: "grapheme", maxLength: 10 }),
  fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)),
  fc.integer({ min: 0, max: 0x9f }).map((unit) => String.fromCharCode(unit)),
  fc.constantFrom(
    "\n",
    "\r\n",
    '"}\n{"event":"forged"}\n',
    "\\",
    "\\u001b",
    '"',
    "\u001b[2J\u001b]0;title\u0007",
    "\u009b31m",
    "\u0085",
    "\u2028",
    "\u2029",
    "\u202e",
    "\u2066",
    "\u061c",
    "\u200f",
    "\ud800",
    "\udc00",
    "\ud83d\ude00",
    "__proto__",
    canaryToken,
    canaryHex,
    canaryHex.toUpperCase(),
  ),
  fc.integer({ min: 0, max: 3000 }).map((length) => "x".repeat(length)),
);

export const hostileText = fc.array(pieces, { maxLength: 6 }).map((parts) => parts.join(""));

/** C0 but the newline that ends a line, DEL, C1, separators, marks of direction. */
// eslint-disable-next-line no-control-regex -- they are what is looked for
export const forbidden = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufffd]/;

export function hasSecret(text: string): boolean {
  return text.includes(canarySecret) || text.toLowerCase().includes(canaryHex.slice(0, 128));
}

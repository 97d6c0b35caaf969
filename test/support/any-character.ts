/**
 * Any character but the halves of a pair, as `unit` of `fc.string`. The one of fast-check, "binary", takes a second to
 * prepare in each process.
 */
import fc from "fast-check";

const firstHalf = 0xd800;
const halves = 0x800;
const last = 0x10ffff - halves;

function characterAt(index: number): string {
  return String.fromCodePoint(index < firstHalf ? index : index + halves);
}

/** So that fast-check can make its dangerous texts of these characters too, such as `__proto__`. */
function indexOf(character: unknown): number {
  const code = typeof character === "string" ? (character.codePointAt(0) ?? -1) : -1;
  const index = code < firstHalf ? code : code - halves;
  if (index < 0 || characterAt(index) !== character) throw new Error("this is no single character");
  return index;
}

export const anyCharacter = fc
  .oneof(fc.integer({ min: 0, max: 0x7f }), fc.integer({ min: 0, max: last }))
  .map(characterAt, indexOf);

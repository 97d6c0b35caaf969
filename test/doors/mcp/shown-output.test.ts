/** What is shown of an output is its beginning and its end, and says exactly what is between. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { modelText } from "#iscep/doors/mcp/model-text";
import { ShownOutput } from "#iscep/doors/mcp/shown-output";

const text = fc.string({ unit: fc.constantFrom("a", "é", "€", "😀", "\n"), maxLength: 200 });

function shownOf(bytes: Buffer, cuts: readonly number[], start: number, maxBytes: number) {
  const output = new ShownOutput(start, maxBytes);
  let from = 0;
  for (const at of [...cuts.filter((cut) => cut < bytes.length), bytes.length].toSorted((a, b) => a - b)) {
    output.push(bytes.subarray(from, at));
    from = at;
  }
  return output;
}

test("shown text and gap together are the output, however it was cut into pieces", () => {
  const cuts = fc.array(fc.nat(800), { maxLength: 20 });
  fc.assert(
    fc.property(text, cuts, fc.nat(1_000), fc.integer({ min: 16, max: 400 }), (whole, pieces, start, maxBytes) => {
      const bytes = Buffer.from(whole);
      const output = shownOf(bytes, pieces, start, maxBytes);
      expect(output.end).toBe(start + bytes.length);
      const { text: shown, gap, next } = output.shown(true);
      expect(next).toBe(start + bytes.length);
      if (gap === undefined) {
        expect(shown).toBe(whole);
        return;
      }
      const left = bytes.subarray(0, gap.from - start).toString();
      const right = bytes.subarray(gap.to - start).toString();
      expect(shown).toBe(`${left}\n[… ${gap.to - gap.from} bytes are left out here …]\n${right}`);
      expect(shown).not.toContain("\ufffd");
      expect(Buffer.byteLength(left) + Buffer.byteLength(right)).toBeLessThanOrEqual(maxBytes);
    }),
  );
});

test("a character that is cut at the end of what came so far is shown with the rest of it", () => {
  const output = new ShownOutput(0, 100);
  output.push(Buffer.from("a€").subarray(0, 3));
  expect(output.shown(false)).toEqual({ text: "a", next: 1 });
  expect(output.shown(true).text).toBe("a\ufffd");
});

test("a flood takes no memory beyond what is shown", () => {
  const output = new ShownOutput(0, 1_024);
  const piece = Buffer.alloc(64 * 1_024, "x");
  for (let count = 0; count < 2_000; count++) output.push(piece);
  const { text: shown, gap } = output.shown(true);
  expect(shown.length).toBeLessThan(1_100);
  expect(gap).toEqual({ from: 256, to: 2_000 * piece.length - 768 });
});

test("the last line is the last that says something, and is short", () => {
  const output = new ShownOutput(0, 4_096);
  output.push(Buffer.from(`first\n10%\r20%\u001b[K\n\n`));
  expect(output.lastLine).toBe(String.raw`20%\x1b[K`);
  output.push(Buffer.from("y".repeat(5_000)));
  expect(output.lastLine).toBe("y".repeat(200));
});

test("text without tricks stays as it is, and every trick becomes visible", () => {
  fc.assert(
    fc.property(text, (plain) => {
      expect(modelText(plain)).toBe(plain);
    }),
  );
  for (const seen of ["👨‍👩‍👧‍👦", "❤️", "1️⃣", "🏳️‍🌈", "👩🏽‍🚀", "می‌خواهم", "क्‍ष", "é漢字"]) expect(modelText(seen)).toBe(seen);
  const unseen = /^[\p{Default_Ignorable_Code_Point}\p{Cf}]$/u;
  const arabicMarks = /^[\u0600-\u0605\u06dd\u0890\u0891\u08e2\u{110bd}\u{110cd}]$/u;
  for (let code = 0; code <= 0x10_ff_ff; code++) {
    const character = String.fromCodePoint(code);
    if (!unseen.test(character) || arabicMarks.test(character)) continue;
    // Behind a letter, and behind an emoji a second time, they say nothing that a person sees.
    expect(modelText(`a${character}b❤\ufe0f${character}`)).toMatch(/^a\\\S+b❤\ufe0f\\\S+$/u);
  }
  const unit = fc.constantFrom("\u001b", "\u202e", "\u200b", "\u{e0041}", "\u{e0101}", "\u0007", "\ufeff");
  fc.assert(
    fc.property(fc.string({ unit }), (tricks) => {
      expect(modelText(tricks)).toMatch(/^[ -~]*$/);
    }),
  );
});

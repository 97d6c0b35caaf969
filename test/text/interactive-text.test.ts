import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InteractiveText } from "#iscep/text/interactive-text";

const esc = "\u001b";

function shown(text: string | Uint8Array): string {
  const filter = new InteractiveText();
  return filter.push(typeof text === "string" ? Buffer.from(text) : text).toString("latin1");
}

/** One piece of what may reach a terminal. Together they are the table of it. */
const piece = new RegExp(
  [
    String.raw`[\x07-\x0f\x20-\x7e]`,
    String.raw`\xc2[\xa0-\xbf]`,
    String.raw`[\xc3-\xdf][\x80-\xbf]?`,
    String.raw`[\xe0-\xef][\x80-\xbf]{0,2}`,
    String.raw`[\xf0-\xf4][\x80-\xbf]{0,3}`,
    String.raw`\x1b[()*+][0-9A-Z]`,
    String.raw`\x1b[78=>DEMc]`,
    String.raw`\x1b\[[\d;:]*[@A-HJKLMPSTXZ\x60abdefmr]`,
    String.raw`\x1b\[[su]`,
    String.raw`\x1b\[[0-6]? q`,
    String.raw`\x1b\[4[hl]`,
    String.raw`\x1b\[\?(?:(?:1|5|6|7|12|25|47|66|100[0-6]|1015|104[7-9]|2004|2026)(?:;|(?=[hl])))+[hl]`,
  ].join("|"),
  "y",
);

function isHarmless(text: string): boolean {
  for (let at = 0; at < text.length; at = piece.lastIndex) {
    piece.lastIndex = at;
    if (!piece.test(text)) return false;
  }
  return true;
}

const parts = fc.oneof(
  fc.uint8Array({ maxLength: 6 }),
  fc
    .constantFrom(
      "[",
      "]",
      "P",
      "X",
      "^",
      "_",
      "k",
      "\\",
      "%G",
      "(B",
      "(0",
      "[?1049h",
      "[6n",
      "[21t",
      "[5i",
      "[1y",
      "]52;c;aGk=",
      "7",
      "c",
    )
    .map((text) => Buffer.from(esc + text)),
  fc.constantFrom("é", "中", "😀", "\u009b31m", "\u0007", "\u0018", "\u0005").map((text) => Buffer.from(text)),
);
const streams = fc.array(parts, { maxLength: 30 }).map((all) => Buffer.concat(all));

describe("output of a program on a person's terminal", () => {
  test("is nothing but the table, whatever the program prints", () => {
    fc.assert(
      fc.property(streams, (bytes) => {
        const text = shown(bytes);
        expect({ text: JSON.stringify(text), harmless: isHarmless(text) }).toMatchObject({ harmless: true });
      }),
      { numRuns: 2_000 },
    );
  });

  test("is the same however it was cut", () => {
    fc.assert(
      fc.property(streams, (bytes) => {
        const filter = new InteractiveText();
        const single = [...bytes].map((byte) => filter.push(Buffer.from([byte])).toString("latin1")).join("");
        expect(single).toBe(shown(bytes));
      }),
    );
  });

  test.each([
    [
      "moves, colours and other screens",
      `${esc}[2J${esc}[1;1H${esc}[?1049h${esc}[38;5;3mx${esc}(0q${esc}[5 q${esc}[4h`,
    ],
    ["text in any language", "é 中 😀 a\r\n\t\b"],
  ])("%s pass", (_what, text) => {
    expect(Buffer.from(shown(text), "latin1").toString()).toBe(text);
  });

  test.each([
    ["the clipboard", `a${esc}]52;c;aGk=\u0007b`],
    ["titles", `a${esc}]0;title${esc}\\b`],
    ["the title of screen", `a${esc}ktitle${esc}\\b`],
    ["device control", `a${esc}P+q544e${esc}\\b`],
    ["reports of titles", `a${esc}[21tb`],
    ["printing", `a${esc}[5ib`],
    ["sums over the screen", `a${esc}[1;1;1;1;1;1*yb`],
    ["questions, whose answers a shell would read", `a${esc}[6n${esc}[c${esc}Z${esc}[>q${esc}[?2026$pb`],
    ["other keys than those of today", `a${esc}[>31u${esc}[=31u${esc}[>4;2mb`],
    ["locked keyboards and memory, and other modes of ANSI", `a${esc}[2h${esc}[20h${esc}[12l${esc}lb`],
    ["the mouse of other makers, and modes that were kept", `a${esc}[1;1'z${esc}[?1003s${esc}[?1003rb`],
    ["stops of tabs, margins and levels", `a${esc}[3g${esc}H${esc}[1;5s${esc}[?69h${esc}[61"p${esc}[>2pb`],
    ["C1 controls", "a\u009d0;x\u009cb".replace("0;x", "")],
    ["the end of UTF-8", `a${esc}%@b`],
    ["questions for the name of the terminal", "a\u0005b"],
    ["endless sequences", `a${esc}[${"1;".repeat(200)}mb`],
  ])("%s do not pass", (_what, text) => {
    expect(shown(text)).toBe("ab");
  });

  test("what was switched is switched back at the end, and nothing else", () => {
    const filter = new InteractiveText();
    expect(filter.end()).toBe("");
    filter.push(
      Buffer.from(
        `${esc}[?1049;2004h${esc}[?25l${esc}[?1h${esc}[?1l${esc}[31m${esc}=${esc}[2;10r${esc}[4h${esc}[5 q${esc}(0`,
      ),
    );
    expect(filter.end()).toBe(
      `${esc}7${esc}[r${esc}8${esc}>${esc}(B${esc})B\u000f${esc}[4l${esc}[0 q${esc}[?1049l${esc}[?2004l${esc}[?25h${esc}[0m`,
    );
    filter.push(Buffer.from(`${esc}[4h${esc}[4l${esc}=${esc}>`));
    expect(filter.end()).toBe("");
  });
});

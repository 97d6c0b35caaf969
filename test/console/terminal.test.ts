/** The terminal of the console: what programs that draw on a whole screen send, and what stands there then. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OutputModel } from "../../console/src/output/output-model.js";
import { segmentsOf } from "../../console/src/output/line.js";
import { screenLimits } from "../../console/src/output/screen.js";
import { classesOf } from "../../console/src/output/style.js";
import { forbidden, hostileText, numRuns } from "../support/hostile-text.js";

const encoder = new TextEncoder();
const size = { columns: 10, rows: 4 };

interface Opened {
  readonly model: OutputModel;
  readonly answers: string[];
}

function open(text = "", of = size): Opened {
  const model = new OutputModel();
  const answers: string[] = [];
  model.becomeTerminal(of, (answer) => answers.push(answer));
  model.push("stdout", encoder.encode(text));
  return { model, answers };
}

/** All lines, also those that have left the screen. */
function linesOf(model: OutputModel): string[] {
  return Array.from(
    { length: model.lineEnd - model.first },
    (_, index) => model.line(model.first + index)?.text ?? "?",
  );
}

const screenOf = (text: string): string[] => linesOf(open(text).model);

function cursorOf({ terminal }: OutputModel): readonly [row: number, column: number] {
  const { cursor, top } = terminal!;
  return [cursor.line - top, cursor.column];
}

describe("what a program draws", () => {
  test.each([
    ["all rows are there from the beginning", "a", ["a", "", "", ""]],
    ["a line feed alone keeps the column", "a\nb", ["a", " b", "", ""]],
    ["text goes on in the next row at the right edge", "0123456789ab", ["0123456789", "ab", "", ""]],
    ["a full row ends at its edge, and no empty one follows", "0123456789\r\nab", ["0123456789", "ab", "", ""]],
    ["a pair that has no room for both halves goes to the next row", "012345678😀", ["012345678", "😀", "", ""]],
    ["letters of two columns are counted so", "日本\u001b[5Gx\b\u001b[2D語", ["日語x", "", "", ""]],
    ["a letter that has one column left goes to the next row", "012345678語", ["012345678", "語", "", ""]],
    ["half of a letter leaves a blank", "日本\rx", ["x 本", "", "", ""]],
    ["the right half, too", "漢字\u001b[2GY", [" Y字", "", "", ""]],
    ["and one that is erased", "漢字\u001b[2G\u001b[X", ["  字", "", "", ""]],
    ["with all behind it", "漢字\u001b[2G\u001b[K", [" ", "", "", ""]],
    ["the halves between which blanks are inserted", "漢字\u001b[2G\u001b[@x", [" x 字", "", "", ""]],
    ["the half that is left when the first is taken out", "漢字\r\u001b[P", [" 字", "", "", ""]],
    ["or the second", "漢字\u001b[2G\u001b[P", [" 字", "", "", ""]],
    ["an accent of its own has no column", "e\u0301\u001b[2Gx", ["\u00e9x", "", "", ""]],
    ["without wrapping, the last column is written again", "\u001b[?7l0123456789ab", ["012345678b", "", "", ""]],
    ["any place can be written to at once", "\u001b[3;5Hx", ["", "", "    x", ""]],
    ["rows leave the screen at the top and stay above it", "1\r\n2\r\n3\r\n4\r\n5", ["1", "2", "3", "4", "5"]],
    ["a region scrolls alone", "a\r\nb\r\nc\r\nd\u001b[2;3r\u001b[3;1H\n", ["a", "c", "", "d"]],
    ["a region scrolls back", "a\r\nb\r\nc\r\nd\u001b[2;3r\u001b[2;1H\u001bM", ["a", "", "b", "d"]],
    ["rows are inserted within the region", "a\r\nb\r\nc\r\nd\u001b[1;3r\u001b[2;1H\u001b[L", ["a", "", "b", "d"]],
    ["rows are taken out within the region", "a\r\nb\r\nc\r\nd\u001b[1;3r\u001b[1;1H\u001b[M", ["b", "c", "", "d"]],
    ["everything is erased, and what was above stays", "1\r\n2\r\n3\r\n4\r\n5\u001b[H\u001b[2J", ["1", "", "", "", ""]],
    ["erasing takes out up to the cursor", "abc\r\ndef\u001b[2D\u001b[1J", ["", "  f", "", ""]],
    ["characters are inserted while they are typed", "abc\r\u001b[4hX\u001b[4lY", ["XYbc", "", "", ""]],
    ["a character is repeated", "=\u001b[5b|", ["======|", "", "", ""]],
    ["tabs go forth and back", "\tx\u001b[2Zy", ["y       x", "", "", ""]],
    ["the place of the cursor is kept", "ab\u001b7\u001b[4;1Hx\u001b8c", ["abc", "", "", "x"]],
    ["letters become lines", "\u001b(0lqk\u001b(Bq", ["┌─┐q", "", "", ""]],
    ["the other screen gives the first one back", "sh$ \u001b[?1049h\u001b[Hvi\u001b[?1049lx", ["sh$ x", "", "", ""]],
    ["a bell is no text", "a\u0007b", ["ab", "", "", ""]],
    [
      "sequences that nobody knows do nothing",
      "a\u001b[>4;2m\u001b[2 q\u001b[?u\u001bP+q544e\u001b\\b",
      ["ab", "", "", ""],
    ],
    ["controls that turn text are shown", "\u202eb", ["\\u202eb", "", "", ""]],
    ["a reset leaves nothing but what is above", "1\r\n2\r\n3\r\n4\r\n5\u001b[2;3r\u001bcx", ["1", "x", "", "", ""]],
  ])("%s", (_name, text, lines) => {
    expect(screenOf(text)).toEqual(lines);
  });

  test("what is erased keeps the ground that was set", () => {
    const { model } = open("\u001b[44mab\u001b[K");
    expect(segmentsOf(model.line(0)!).map(({ text, style }) => [text, classesOf(style)])).toEqual([
      ["ab        ", "t-bg4"],
    ]);
  });

  test("styles stand where they were, behind letters of two columns too", () => {
    const { model } = open("日本\u001b[31mred\u001b[0m語");
    expect(segmentsOf(model.line(0)!).map(({ text, style }) => [text, classesOf(style)])).toEqual([
      ["日本", ""],
      ["red", "t-fg1"],
      ["語", ""],
    ]);
  });

  test("on the other screen nothing goes above it", () => {
    expect(screenOf(`\u001b[?1049h${"x\r\n".repeat(20)}\u001b[?1049l`)).toEqual(["", "", "", ""]);
  });

  test("modes are those that the program has asked for last", () => {
    const { model } = open("\u001b[?1h\u001b[?2004h\u001b[?25l");
    expect(model.terminal!.modes).toMatchObject({ applicationCursor: true, bracketedPaste: true, cursor: false });
    model.push("stdout", encoder.encode("\u001b[?1;2004l\u001b[?25h"));
    expect(model.terminal!.modes).toMatchObject({ applicationCursor: false, bracketedPaste: false, cursor: true });
  });

  test("a program that asks for the terminal gets its answer, and any other question none", () => {
    expect(open("ab\r\nc\u001b[6n\u001b[5n\u001b[c\u001b[>c\u001b[?6n\u001b]11;?\u0007").answers).toEqual([
      "\u001b[2;2R",
      "\u001b[0n",
      "\u001b[?1;2c",
    ]);
  });

  test("when the run has ended, empty rows at the end do not count", () => {
    const { model } = open("a\r\n\r\nb\r\n");
    model.end();
    expect(linesOf(model)).toEqual(["a", "", "b"]);
  });
});

describe("another size", () => {
  test("a smaller one takes empty rows first, and keeps what stands above", () => {
    const { model } = open("1\r\n2\r\n3");
    model.terminal!.resize({ columns: 10, rows: 2 });
    expect(linesOf(model)).toEqual(["1", "2", "3"]);
    expect(cursorOf(model)).toEqual([1, 1]);
  });

  test("a larger one has more rows below, and the region is all of it", () => {
    const { model } = open("\u001b[1;2r1\r\n2\r\n3");
    model.terminal!.resize({ columns: 12, rows: 6 });
    model.push("stdout", encoder.encode("\u001b[6;1H6\r\n7"));
    expect(linesOf(model)).toEqual(["1", "2", "3", "", "", "", "6", "7"]);
  });

  test("takes the region back, as programs expect it", () => {
    const { model } = open("a\r\nb\r\nc\r\nd\u001b[2;3r");
    model.terminal!.resize({ ...size, columns: 12 });
    model.push("stdout", encoder.encode("\u001b[4;1H\n"));
    expect(linesOf(model)).toEqual(["a", "b", "c", "d", ""]);
  });

  test("that is the same leaves the region, as the program is not told to set it again", () => {
    const { model } = open("\u001b[1;3r\u001b[4;1HBAR\u001b[H");
    model.terminal!.resize(size);
    model.push("stdout", encoder.encode("1\r\n2\r\n3\r\n4\r\n5"));
    expect(linesOf(model)).toEqual(["1", "2", "3", "4", "5", "BAR"]);
  });

  test("the screen that an editor hides changes with it", () => {
    const { model } = open("1\r\n2\r\n3\r\n4\u001b[?1049hvi");
    model.terminal!.resize({ columns: 10, rows: 2 });
    model.push("stdout", encoder.encode("\u001b[?1049l!"));
    expect(linesOf(model)).toEqual(["1", "2", "3", "4!"]);
  });
});

const finals = [..."@ABCDEFGHIJKLMPSTXZ`abdefrsuhlmn"];
const terminalText = fc
  .array(
    fc.oneof(
      fc.string({ maxLength: 14 }),
      fc.constantFrom(
        "\r",
        "\n",
        "\b",
        "\t",
        "ä€",
        "😀",
        "日本語",
        "✅",
        "\u001bM",
        "\u001bD",
        "\u001bE",
        "\u001b7",
        "\u001b8",
        "\u001bc",
      ),
      fc.constantFrom(
        "\u001b[?1049h",
        "\u001b[?1049l",
        "\u001b[?7l",
        "\u001b[?7h",
        "\u001b(0",
        "\u001b(B",
        "\u001b[!p",
      ),
      fc
        .tuple(fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 3 }), fc.constantFrom(...finals))
        .map(([numbers, final]) => `\u001b[${numbers.join(";")}${final}`),
    ),
    { maxLength: 60 },
  )
  .map((parts) => parts.join(""));

function expectWhole(model: OutputModel): void {
  const { size: now, top } = model.terminal!;
  const [row, column] = cursorOf(model);
  expect(row).toBeGreaterThanOrEqual(0);
  expect(row).toBeLessThan(now.rows);
  expect(column).toBeGreaterThanOrEqual(0);
  expect(column).toBeLessThan(now.columns);
  expect(model.lineEnd).toBe(top + now.rows);
}

test("whatever is drawn and whatever the size, the screen has its rows, and the cursor is on it", () => {
  const sizes = fc.record({ columns: fc.integer({ min: 2, max: 30 }), rows: fc.integer({ min: 2, max: 12 }) });
  fc.assert(
    fc.property(fc.array(fc.tuple(terminalText, sizes), { maxLength: 6 }), (steps) => {
      const { model } = open();
      for (const [text, next] of steps) {
        model.push("stdout", encoder.encode(text));
        expectWhole(model);
        for (let row = 0; row < model.terminal!.size.rows; row++)
          expect(model.line(model.terminal!.top + row)).toBeDefined();
        model.terminal!.resize(next);
        expectWhole(model);
      }
    }),
    { numRuns },
  );
});

test("bytes may be cut anywhere", () => {
  fc.assert(
    fc.property(terminalText, fc.array(fc.nat({ max: 400 }), { maxLength: 20 }), (text, cuts) => {
      const bytes = encoder.encode(text);
      const { model, answers } = open();
      let from = 0;
      for (const cut of [...cuts.toSorted((a, b) => a - b), bytes.length]) {
        if (cut < from || cut > bytes.length) continue;
        model.push("stdout", bytes.subarray(from, cut));
        from = cut;
      }
      const whole = open(text);
      expect(linesOf(model)).toEqual(linesOf(whole.model));
      expect(cursorOf(model)).toEqual(cursorOf(whole.model));
      expect(answers).toEqual(whole.answers);
    }),
    { numRuns },
  );
});

test("no line has a character that could turn, hide or end what is shown", () => {
  fc.assert(
    fc.property(fc.array(hostileText, { maxLength: 5 }), (texts) => {
      const text = screenOf(texts.join("")).join("").replaceAll("\ufffd", "");
      expect(text).not.toMatch(forbidden);
      expect(text).not.toMatch(/[\n\t]/);
    }),
    { numRuns },
  );
});

test("rows that left the screen keep their numbers, and what is kept has a bound", () => {
  const { model } = open();
  const count = 3 * screenLimits.batchLines;
  model.push("stdout", encoder.encode(Array.from({ length: count }, (_, index) => `line ${index}\r\n`).join("")));
  for (const number of [0, 600, count - 1]) expect(model.line(number)?.text).toBe(`line ${number}`);
  expect(model.settled).toBeGreaterThan(count - 2 * screenLimits.batchLines);
  // A sequence that never ends is held, and no more of it than a sequence may be long.
  for (let part = 0; part < 100; part++) model.push("stdout", encoder.encode(`\u001b]0;${"x".repeat(1_000)}`));
  model.push("stdout", encoder.encode("\u0007\r\nend"));
  expect(linesOf(model).at(-1)).toBe("end");
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OutputModel, type ChannelName } from "../../console/src/output/output-model.js";
import { segmentsOf } from "../../console/src/output/line.js";
import { screenLimits } from "../../console/src/output/screen.js";
import { classesOf } from "../../console/src/output/style.js";
import { forbidden, hostileText, numRuns } from "../support/hostile-text.js";

const encoder = new TextEncoder();

function modelOf(text: string): OutputModel {
  const model = new OutputModel();
  model.push("stdout", encoder.encode(text));
  model.end();
  return model;
}

function linesOf(model: OutputModel): string[] {
  return Array.from({ length: model.lineEnd - model.first }, (_, index) => model.line(model.first + index)!.text);
}

/** Each line as `[classes]text`, piece by piece. */
function styled(model: OutputModel): string[] {
  return Array.from({ length: model.lineEnd - model.first }, (_, index) =>
    segmentsOf(model.line(model.first + index)!)
      .map(({ text, style }) => (classesOf(style) === "" ? text : `[${classesOf(style)}]${text}`))
      .join(""),
  );
}

/** Text, and everything that moves, erases or colours. */
const terminalText = fc
  .array(
    fc.oneof(
      fc.string({ maxLength: 12 }),
      fc.constantFrom(
        "\r",
        "\n",
        "\r\n",
        "\b",
        "\t",
        "ä€",
        "😀",
        "\u001b[K",
        "\u001b[1K",
        "\u001b[2K",
        "\u001b[J",
        "\u001b[2J",
        "\u001b[H",
      ),
      fc
        .tuple(fc.integer({ min: 0, max: 9 }), fc.constantFrom(..."ABCDEFG@LMPX"))
        .map(([n, final]) => `\u001b[${n}${final}`),
      fc.array(fc.integer({ min: 0, max: 110 }), { maxLength: 4 }).map((codes) => `\u001b[${codes.join(";")}m`),
    ),
    { maxLength: 40 },
  )
  .map((parts) => parts.join(""));

describe("plain text", () => {
  test("is its lines, and an empty last line does not count", () => {
    expect(linesOf(modelOf("one\ntwo\n"))).toEqual(["one", "two"]);
    expect(linesOf(modelOf("one\r\n\r\ntwo"))).toEqual(["one", "", "two"]);
    expect(linesOf(modelOf(""))).toEqual([]);
  });

  test("of any length comes back as it is", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.string({ maxLength: 30 }).map((text) => text.replaceAll("\n", "")),
          { maxLength: 300 },
        ),
        (lines) => {
          const model = modelOf(lines.map((line) => `${line}\n`).join(""));
          expect(linesOf(model)).toEqual(lines);
          expect([...model.textOf(0, model.lineEnd)].join("")).toBe(lines.map((line) => `${line}\n`).join(""));
        },
      ),
      { numRuns },
    );
  });

  test("longer than a line may be goes on in the next one", () => {
    const text = "x".repeat(screenLimits.maxColumns * 2 + 5);
    expect(linesOf(modelOf(text)).map(({ length }) => length)).toEqual([4096, 4096, 5]);
    const pairs = `x${"😀".repeat(screenLimits.maxColumns)}`;
    expect(linesOf(modelOf(pairs)).join("")).toBe(pairs);
  });
});

describe("what a progress bar does", () => {
  test.each([
    ["a carriage return writes over the line", "10%\r100%\rab\n", ["ab0%"]],
    ["erase in line", "working…\r\u001b[Kdone\n", ["done"]],
    ["erase up to the cursor", "abcdef\u001b[3D\u001b[1KX\n", ["   Xef"]],
    ["backspace", "abc\b\bX\n", ["aXc"]],
    ["a tab at the end stays a tab", "a\tb\n", ["a\tb"]],
    ["a tab within a line moves to the next stop", "abcdefghijk\r\tX\n", ["abcdefghXjk"]],
    ["cursor up over several bars", "a 1\nb 1\n\u001b[2Aa 2\nb 2\n", ["a 2", "b 2"]],
    ["cursor up and erase the rest", "a\nb\nc\n\u001b[3A\u001b[Jnew\n", ["new"]],
    ["characters are removed, blanked and inserted", "abcdef\u001b[4D\u001b[2P\u001b[1@X\u001b[1X\n", ["abX f"]],
    ["lines are inserted and deleted", "a\nb\nc\u001b[1A\r\u001b[2Lx\u001b[3B\u001b[M\n", ["a", "x", "", "b", ""]],
    ["a screen drawn again and again", "\u001b[H\u001b[2Jone\ntwo\n\u001b[H\u001b[2Jthree\n", ["three"]],
    ["a column", "abc\u001b[2GX\n", ["aXc"]],
    [
      "hidden cursor, modes, title and character set are left out",
      "\u001b[?25l\u001b]0;title\u0007\u001b(Ba\u001b[?25h\n",
      ["a"],
    ],
    ["the text of a link stays", "\u001b]8;;https://example.org\u001b\\link\u001b]8;;\u001b\\\n", ["link"]],
    ["other controls are shown", "a\u0007\u0000\u001bZ\u202eb\n", ["a\\x07\\x00\\x1bZ\\u202eb"]],
  ])("%s", (_name, text, lines) => {
    expect(linesOf(modelOf(text))).toEqual(lines);
  });

  test("what has left the screen at the top changes no more", () => {
    const text = Array.from({ length: 100 }, (_, index) => `${index}\n`).join("");
    const lines = linesOf(modelOf(`${text}\u001b[1000A\u001b[Jnew\n`));
    expect(lines.slice(0, 41)).toEqual(Array.from({ length: 41 }, (_, index) => String(index)));
    expect(lines.slice(41)).toEqual(["new"]);
  });
});

describe("colours and styles", () => {
  test.each([
    ["\u001b[31mred\u001b[0m plain", "[t-fg1]red plain"],
    ["\u001b[1;4;92mloud\u001b[22;24mgreen\u001b[39m.", "[t-bold t-underline t-fg10]loud[t-fg10]green."],
    ["\u001b[38;5;196mcube\u001b[m\u001b[48;2;0;0;255mblue\u001b[49m.", "[t-fg9]cube[t-bg12]blue."],
    ["\u001b[38:2::255:0:0mcolons\u001b[0m", "[t-fg9]colons"],
    ["\u001b[38;5;999mno colour", "no colour"],
    ["a\u001b[31mbcd\r\u001b[0mX", "X[t-fg1]bcd"],
  ])("%j", (text, expected) => {
    expect(styled(modelOf(text))).toEqual([expected]);
  });

  test("standard error is marked, and has colours of its own", () => {
    const model = new OutputModel();
    model.push("stdout", encoder.encode("\u001b[32mgood "));
    model.push("stderr", encoder.encode("bad"));
    model.push("stdout", encoder.encode(" good"));
    expect(styled(model)).toEqual(["[t-fg2]good [t-err]bad[t-fg2] good"]);
  });
});

test("bytes may be cut anywhere", () => {
  fc.assert(
    fc.property(terminalText, fc.array(fc.nat({ max: 400 }), { maxLength: 20 }), (text, cuts) => {
      const bytes = encoder.encode(text);
      const model = new OutputModel();
      let from = 0;
      for (const cut of [...cuts.toSorted((a, b) => a - b), bytes.length]) {
        if (cut < from || cut > bytes.length) continue;
        model.push("stdout", bytes.subarray(from, cut));
        from = cut;
      }
      model.end();
      expect(styled(model)).toEqual(styled(modelOf(text)));
    }),
    { numRuns },
  );
});

/** The same on a grid of characters, as simple as can be: a slow second opinion. */
function gridOf(text: string): string[] {
  const grid: string[][] = [[]];
  let [row, column, top] = [0, 0, 0];
  const cut = (at: number, from: number): void => void (grid[at]!.length = Math.min(grid[at]!.length, from));
  // eslint-disable-next-line no-control-regex -- the text has escape sequences
  for (const [token, digits, final] of text.matchAll(/\u001b\[(\d*)([@A-KLMPX])|[^\u001b]/g)) {
    const count = Math.max(1, Number(digits ?? "0"));
    if (token === "\n") {
      [row, column] = [row + 1, 0];
      if (row === grid.length) grid.push([]);
      top = Math.max(top, grid.length - screenLimits.heightLines);
    } else if (token === "\r") column = 0;
    else if (token === "\b") column = Math.max(0, column - 1);
    else if (final === undefined) {
      while (grid[row]!.length < column) grid[row]!.push(" ");
      grid[row]![column++] = token;
    } else if (final === "A" || final === "F") row = Math.max(top, row - count);
    else if (final === "B" || final === "E") row = Math.min(grid.length - 1, row + count);
    else if (final === "C") column += count;
    else if (final === "D") column = Math.max(0, column - count);
    else if (final === "G") column = count - 1;
    else if (final === "H") [row, column] = [top, 0];
    else if (final === "P") grid[row]!.splice(column, count);
    else if (final === "X") {
      for (let at = column; at < column + count && at < grid[row]!.length; at++) grid[row]![at] = " ";
    } else if (final === "@") {
      if (column < grid[row]!.length) grid[row]!.splice(column, 0, ...Array.from({ length: count }, () => " "));
    } else if (final === "M") {
      grid.splice(row, count);
      if (row === grid.length) grid.push([]);
    } else if (final === "L") {
      const most = Math.min(count, screenLimits.heightLines - (row - top));
      grid.splice(row, 0, ...Array.from({ length: most }, (): string[] => []));
      grid.length = Math.min(grid.length, top + screenLimits.heightLines);
    } else {
      const part = Number(digits);
      if (part === 0) cut(row, column);
      if (part === 1) for (let at = 0; at <= column && at < grid[row]!.length; at++) grid[row]![at] = " ";
      if (part === 2) cut(row, 0);
      if (final === "J" && part !== 1) grid.length = row + 1;
      if (final === "J" && part > 0) for (let at = top; at < row; at++) cut(at, 0);
    }
    if (final === "E" || final === "F") column = 0;
  }
  const lines = grid.map((line) => line.join(""));
  return lines.at(-1) === "" ? lines.slice(0, -1) : lines;
}

test("the screen is that of a grid of characters", () => {
  const operation = fc.oneof(
    fc.stringMatching(/^[a-z]{0,6}$/),
    fc.constantFrom("\r", "\n", "\n", "\b", "\u001b[H"),
    fc
      .tuple(fc.integer({ min: 0, max: 9 }), fc.constantFrom(..."ABCDEFG@LMPX"))
      .map(([n, final]) => `\u001b[${n}${final}`),
    fc.tuple(fc.integer({ min: 0, max: 2 }), fc.constantFrom("J", "K")).map(([n, final]) => `\u001b[${n}${final}`),
  );
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 200 }), (operations) => {
      const text = operations.join("");
      expect(linesOf(modelOf(text))).toEqual(gridOf(text));
    }),
    { numRuns },
  );
});

test("no line has a character that could turn, hide or end what is shown", () => {
  fc.assert(
    fc.property(fc.array(hostileText, { maxLength: 5 }), (texts) => {
      for (const line of linesOf(modelOf(texts.join("")))) {
        expect(line.replaceAll("\t", "").replaceAll("\ufffd", "")).not.toMatch(forbidden);
        expect(line).not.toContain("\n");
      }
    }),
    { numRuns },
  );
});

test("the oldest lines go when there are too many, and the others keep their numbers", () => {
  const model = new OutputModel({ maxLines: 5_000, maxBytes: 1_000_000 });
  const channels: readonly ChannelName[] = ["stdout", "stderr"];
  for (let number = 0; number < 20_000; number++) {
    model.push(channels[number % 2]!, encoder.encode(`\u001b[3${number % 8}mline ${number}\n`));
  }
  expect(model.lineEnd).toBe(20_000);
  expect(model.first).toBeGreaterThan(14_000);
  expect(model.line(model.first - 1)).toBeUndefined();
  for (const number of [model.first, 18_765, 19_999]) expect(model.line(number)?.text).toBe(`line ${number}`);
  expect(model.keptBytes).toBeLessThan(1_000_000);
});

test("16 MiB without an end of line, and as much of cursor movements, stay within the bounds", () => {
  const model = new OutputModel({ maxLines: 10_000, maxBytes: 4 * 2 ** 20 });
  const piece = encoder.encode("x".repeat(65_536));
  for (let count = 0; count < 256; count++) model.push("stdout", piece);
  expect(model.lineEnd).toBe((16 * 2 ** 20) / screenLimits.maxColumns);
  expect(model.keptBytes).toBeLessThanOrEqual(4 * 2 ** 20);
  const moves = encoder.encode("\u001b[9999C\u001b[31mx\u001b[9999D".repeat(1000));
  for (let count = 0; count < 20; count++) model.push("stdout", moves);
  expect(model.keptBytes).toBeLessThanOrEqual(4 * 2 ** 20);
});

import fc from "fast-check";
import { expect, test } from "vitest";
import { defaultLimits } from "#iscep/limits/limits";
import { ProgressLines } from "#iscep/runs/script/progress-lines";

const { maxProgressLineBytes } = defaultLimits;

interface Told {
  readonly passed: string;
  readonly progress: readonly (readonly [number, string | undefined])[];
}

function told(chunks: readonly Buffer[]): Told {
  const progress: [number, string | undefined][] = [];
  const lines = new ProgressLines(maxProgressLineBytes, (fraction, message) => progress.push([fraction, message]));
  const passed = [...chunks.flatMap((chunk) => lines.push(chunk)), ...lines.end()];
  return { passed: Buffer.concat(passed).toString("latin1"), progress };
}

function toldOf(text: string): Told {
  return told([Buffer.from(text, "latin1")]);
}

test.each([
  ["::progress 0.4 packing region files\n", 0.4, "packing region files"],
  ["::progress 40%\n", 0.4, undefined],
  ["::progress 12.5% a\r\n", 0.125, "a"],
  ["::progress 1\n", 1, undefined],
  ["::progress 0 \n", 0, undefined],
  ["::progress .5 half", 0.5, "half"],
])("%j is progress, and no output", (line, fraction, message) => {
  expect(toldOf(`before\n${line}`)).toStrictEqual({ passed: "before\n", progress: [[fraction, message]] });
});

test.each([
  "::progress\n",
  "::progress \n",
  "::progress soon\n",
  "::progress 1.5 too far\n",
  "::progress 101%\n",
  "::progress -1\n",
  "::progress 1e-1\n",
  "::progress 0.5x\n",
  " ::progress 0.5\n",
  "x::progress 0.5\n",
  "::Progress 0.5\n",
  "::pro",
  "::",
  ":",
  `::progress 0.5 ${"x".repeat(maxProgressLineBytes)}\n`,
])("%j passes as it is", (line) => {
  expect(toldOf(line)).toStrictEqual({ passed: line, progress: [] });
});

test("a line that only looks like the beginning of one is held no longer than until that shows", () => {
  const lines = new ProgressLines(maxProgressLineBytes, () => {});
  expect(lines.push(Buffer.from("::prog"))).toStrictEqual([]);
  expect(Buffer.concat(lines.push(Buffer.from("ram? ")))).toStrictEqual(Buffer.from("::program? "));
  expect(Buffer.concat(lines.push(Buffer.from(":")))).toStrictEqual(Buffer.from(":"));
});

test("wherever the stream is cut, the same lines are progress and every other byte passes", () => {
  const line = fc.oneof(
    fc.constantFrom(
      "::progress 0.25 a b\n",
      "::progress 50%\n",
      "::progress x\n",
      "::",
      "::progress 0.5",
      "\n",
      "\r\n",
    ),
    fc.string({ unit: "binary-ascii", maxLength: 20 }),
    fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes).toString("latin1")),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 20 }), fc.array(fc.nat({ max: 400 }), { maxLength: 40 }), (parts, cuts) => {
      const bytes = Buffer.from(parts.join(""), "latin1");
      const places = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length];
      const cut = told(places.slice(1).map((place, n) => bytes.subarray(places[n], place)));
      // By lines, as one would do it with all of it at hand.
      const expected: { passed: string; progress: [number, string | undefined][] } = { passed: "", progress: [] };
      for (const whole of bytes.toString("latin1").split(/(?<=\n)/)) {
        const [, amount, percent, message] = /^::progress (\d+|\d*\.\d+)(%?)(?: +(.*?))?\r?\n?$/s.exec(whole) ?? [];
        const fraction = amount === undefined ? Number.NaN : Number(amount) / (percent === "%" ? 100 : 1);
        const text = message === undefined ? undefined : Buffer.from(message, "latin1").toString();
        if (fraction <= 1) expected.progress.push([fraction, text === "" ? undefined : text]);
        else expected.passed += whole;
      }
      expect(cut).toStrictEqual(expected);
    }),
    { numRuns: 2_000 },
  );
});

/** PITFALLS 18 (OliveTin PR #601, rundeck/rundeck#1556): a secret that a script prints is masked, however it is cut. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SecretMask } from "#iscep/text/secret-mask";
import { rounds } from "../support/rounds.js";

function masked(secrets: readonly string[], chunks: readonly Buffer[]): string {
  const mask = new SecretMask(secrets);
  return Buffer.concat([...chunks.map((chunk) => mask.push(chunk)), mask.end()]).toString("latin1");
}

function whole(secrets: readonly string[], text: string): string {
  return masked(secrets, [Buffer.from(text)]);
}

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length].toSorted((a, b) => a - b);
  return sorted.slice(1).map((place, index) => bytes.subarray(sorted[index], place));
}

describe("what belongs to a secret becomes ***", () => {
  test.each<[string, string[], string, string]>([
    ["in the middle", ["hunter2"], "password=hunter2;", "password=***;"],
    ["as all there is", ["hunter2"], "hunter2", "***"],
    ["several times", ["ab"], "ab.ab.a.b", "***.***.a.b"],
    ["side by side, without telling how often", ["ab"], "xababy", "x***y"],
    ["overlapping itself", ["aba"], "xababay", "x***y"],
    ["overlapping another", ["abc", "bcd"], "xabcdy", "x***y"],
    ["within a longer one", ["b", "abc"], "abc b", "*** ***"],
    ["after a false beginning", ["aab"], "aaab", "a***"],
    ["as JSON has it", ['a"b\nc'], JSON.stringify({ p: 'a"b\nc' }), '{"p":"***"}'],
    ["as Python has it in JSON", ["pä\u{1F600}/\x7f"], String.raw`{"p": "p\u00e4\ud83d\ude00/\u007f"}`, '{"p": "***"}'],
    ["as PHP has it in JSON", ["pä\u{1F600}/<"], String.raw`{"p":"p\u00e4\ud83d\ude00\/<"}`, '{"p":"***"}'],
    ["as Java has it in JSON", ["pä\u{1F600}/"], String.raw`{"p":"p\u00E4\uD83D\uDE00/"}`, '{"p":"***"}'],
    ["as Go has it in JSON", ["pä<&>"], String.raw`{"p":"pä\u003c\u0026\u003e"}`, '{"p":"***"}'],
    ["line by line", ["-----KEY\nabcdefgh\nxy"], "  abcdefgh\r\n  xy", "  ***\r\n  xy"],
    ["not when it only begins", ["hunter2"], "hunter", "hunter"],
    ["never, where there is none", [], "hunter2", "hunter2"],
    ["never, when it is empty", [""], "hunter2", "hunter2"],
  ])("%s", (_, secrets, text, expected) => {
    expect(whole(secrets, text)).toBe(expected);
  });

  test("beyond ASCII, by its bytes", () => {
    expect(whole(["pässwörd"], "<pässwörd>")).toBe("<***>");
  });
});

test("a value is masked in its texts and names, each for itself", () => {
  const mask = new SecretMask(["hunter2"]);
  const value = {
    hunter2: 1,
    list: ["hunt", "er2", "my hunter2", "hunter2", "hunter2"],
    ["__proto__"]: null,
    n: 2.5,
    no: false,
  };
  expect(JSON.stringify(mask.value(value))).toBe(
    '{"***":1,"list":["hunt","er2","my ***","***","***"],"__proto__":null,"n":2.5,"no":false}',
  );
  expect(mask.push(Buffer.from("er2")).toString()).toBe("er2");
});

test("the cuts of the chunks change nothing, and no byte of a secret comes out", () => {
  const letters = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 60 });
  const secret = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(
      fc.array(secret, { minLength: 1, maxLength: 3 }),
      letters,
      fc.array(fc.nat(), { maxLength: 8 }),
      (secrets, text, places) => {
        const bytes = Buffer.from(text);
        const hidden = new Uint8Array(bytes.length);
        for (const each of secrets)
          for (let at = text.indexOf(each); at !== -1; at = text.indexOf(each, at + 1))
            hidden.fill(1, at, at + each.length);
        let expected = "";
        for (const [index, letter] of [...text].entries())
          if (hidden[index] === 0) expected += letter;
          else if (index === 0 || hidden[index - 1] === 0) expected += "***";
        expect(masked(secrets, cut(bytes, places))).toBe(expected);
        expect(masked(secrets, cut(bytes, [...bytes.keys()]))).toBe(expected);
      },
    ),
    { numRuns: rounds(500, 2_000, 20_000) },
  );
});

test("bytes that cannot begin a secret go on at once; what is held back is shorter than the secret", () => {
  const mask = new SecretMask(["hunter2"]);
  expect(mask.push(Buffer.from("password? ")).toString()).toBe("password? ");
  expect(mask.push(Buffer.from("hunt")).length).toBe(0);
  expect(mask.push(Buffer.from("ing")).toString()).toBe("hunting");
  expect(mask.end().length).toBe(0);
});

// A caller chooses its secret; a search that starts again at each byte would take minutes here.
test("a secret and an output made to be slow take no time", () => {
  const mask = new SecretMask([`${"a".repeat(60_000)}b`]);
  const chunk = Buffer.alloc(65_536, "a");
  const startedAtMs = performance.now();
  let bytes = 0;
  for (let count = 0; count < 64; count++) bytes += mask.push(chunk).length;
  bytes += mask.end().length;
  expect(bytes).toBe(64 * chunk.length);
  expect(performance.now() - startedAtMs).toBeLessThan(30_000);
});

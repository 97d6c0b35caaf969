/** Each pattern of a definition is checked by itself, however many stand beside it in one server, on both versions. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { connect, declareArguments, defineCommand, isIscepError, Server } from "iscep";

const atom = fc.constantFrom("a", "b", "[ab]", "[^a]", ".", String.raw`\d`, "(?:ab)", "-", "é");
const piece = fc
  .tuple(atom, fc.constantFrom("", "+", "*", "?", "{1,3}", "{2}", "+?"))
  .map(([what, times]) => what + times);
const pattern = fc.oneof(
  fc.array(piece, { minLength: 1, maxLength: 5 }).map((pieces) => pieces.join("")),
  fc
    .tuple(fc.array(piece, { minLength: 1, maxLength: 3 }), fc.constantFrom("+", "*", "{1,2}"))
    .map(([pieces, times]) => `(?:${pieces.join("|")})${times}`),
  fc.array(piece, { minLength: 2, maxLength: 4 }).map((pieces) => pieces.join("|")),
);
const text = fc.string({ unit: fc.constantFrom("a", "b", "c", "1", "-", "é"), maxLength: 8 });

const commandCount = 50;
const argumentCount = 20;
const patternCount = commandCount * argumentCount;

test("1,000 patterns of one server match what each of them matches alone", async () => {
  const cases = fc.record({
    patterns: fc.uniqueArray(pattern, { minLength: patternCount, maxLength: patternCount }),
    texts: fc.array(text, { minLength: patternCount, maxLength: patternCount }),
  });
  const property = fc.asyncProperty(cases, async ({ patterns, texts }) => {
    const alone = patterns.map((source, index) => new RegExp(`^(?:${source})$`, "u").test(texts[index] ?? ""));
    expect(new Set(alone).size).toBe(2);
    expect(await fittingTexts(patterns, texts, 1)).toEqual(alone);
    expect(await fittingTexts(patterns, texts, 2)).toEqual(alone);
  });
  await fc.assert(property, { numRuns: 1, endOnFailure: true });
});

/** Whether each pattern takes the text of its number. */
async function fittingTexts(
  patterns: readonly string[],
  texts: readonly string[],
  protocol: 1 | 2,
): Promise<boolean[]> {
  const commands = Array.from({ length: commandCount }, (_, index) => {
    const own = patterns.slice(index * argumentCount, (index + 1) * argumentCount);
    const declared = own.map((source, number) => [
      `a${number}`,
      { type: "string" as const, pattern: source, optional: true as const },
    ]);
    const args = declareArguments(Object.fromEntries(declared) as Parameters<typeof declareArguments>[0]);
    return defineCommand({ name: `c${index}`, args, run: () => 1 });
  });
  const server = new Server({ commands, port: 0, tls: false });
  const { url } = await server.listen();
  const client = await connect(url, { protocol });
  const fitting = await Promise.all(
    texts.map((value, index) =>
      client.call(`c${Math.floor(index / argumentCount)}`, { [`a${index % argumentCount}`]: value }).then(
        () => true,
        (error: unknown) => {
          if (isIscepError(error) && error.code === "invalid_arguments") return false;
          throw error;
        },
      ),
    ),
  );
  await client.close();
  await server.close();
  return fitting;
}

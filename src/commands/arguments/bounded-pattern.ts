/**
 * Patterns come from a definition, the texts from callers. A pattern such as `(a+)+` takes years for some short texts, and
 * it would hold up the whole server: what may do so is compared under a deadline.
 */
import { createContext, Script, type Context } from "node:vm";
import { defaultLimits } from "../../limits/limits.js";

interface Pattern {
  test(text: string): boolean;
  /** ajv tells patterns apart by this text alone. */
  toString(): string;
}

/** @returns a pattern whose `test` throws when it takes too long */
export function boundedPattern(source: string, flags: string): Pattern {
  const pattern = new RegExp(source, flags);
  return isLinear(source) ? pattern : { test: (text) => testInTime(pattern, text), toString: () => String(pattern) };
}

/**
 * Whether one repetition of single characters is all that there is to try in several ways: with both ends anchored its
 * time grows with the text. Not exact: what is said to be slow may be fast, and only costs the deadline.
 */
export function isLinear(source: string): boolean {
  const bare = source.replace(/\\[pP]\{[^}]*\}|\\u\{[^}]*\}|\\./gsu, "e").replace(/\[[^\]]*\]/gu, "c");
  const repetitions = bare.match(/(?<!\()[*+?]\??|\{\d+,\d*\}\??/gu) ?? [];
  const ofGroup = /\)(?:[*+?]|\{)/u.test(bare);
  return repetitions.length <= 1 && !ofGroup && !/\(\?<?[=!]/u.test(bare) && !/\\(?:[1-9]|k<)/u.test(source);
}

interface Sandbox extends Context {
  pattern: RegExp | undefined;
  text: string;
}

let sandbox: Sandbox | undefined;
let script: Script | undefined;

/** V8 looks for its deadline while a regular expression backtracks; nothing else can end one in this thread. */
function testInTime(pattern: RegExp, text: string): boolean {
  sandbox ??= createContext({ pattern: undefined, text: "" }) as Sandbox;
  script ??= new Script("pattern.test(text)");
  const { patternTimeoutMs } = defaultLimits;
  sandbox.pattern = pattern;
  sandbox.text = text;
  try {
    return script.runInContext(sandbox, { timeout: patternTimeoutMs }) === true;
  } catch (cause) {
    throw new Error(
      `the pattern ${pattern.source} took longer than ${patternTimeoutMs} ms for a text of ${text.length} characters; ` +
        "write it so that each text can match in one way only, or set a smaller maxLength",
      { cause },
    );
  } finally {
    sandbox.text = "";
  }
}

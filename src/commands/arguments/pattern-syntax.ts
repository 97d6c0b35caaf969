/**
 * Reads a regular expression with the flag u into a tree. It reads only the structure. What a single character may be
 * stays the source of a regular expression, and RegExp itself decides it.
 */

export type PatternTree =
  /** One character: a literal, a dot, a class, or an escape. */
  | { readonly kind: "character"; readonly source: string }
  | { readonly kind: "edge"; readonly edge: Edge }
  | { readonly kind: "look"; readonly behind: boolean; readonly negative: boolean; readonly inner: PatternTree }
  | { readonly kind: "sequence"; readonly parts: readonly PatternTree[] }
  | { readonly kind: "either"; readonly parts: readonly PatternTree[] }
  | { readonly kind: "repeat"; readonly inner: PatternTree; readonly min: number; readonly max: number };

/** `word` is the place between a word character (letter, digit or underscore) and another character. */
export type Edge = "start" | "end" | "word" | "noWord";

const edges: Readonly<Record<string, Edge>> = { "^": "start", $: "end", "\\b": "word", "\\B": "noWord" };

/** Each level of groups is a level of function calls. */
const maxDepth = 100;

/** The order matters: a longer token comes before a shorter one with the same beginning. */
const token =
  /(?<back>\\[1-9]|\\k)|(?<edge>\^|\$|\\[bB])|(?<look>\(\?<?[=!])|(?<open>\((?:\?:|\?<[^=!>][^>]*>|(?!\?)))|(?<close>\))|(?<either>\|)|(?<character>\[(?:\\.|[^\]\\])*\]|\\u\{[^}]*\}|\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u.{4}|\\x..|\\c.|\\[pP]\{[^}]*\}|\\.|[^(?])/suy;

const times = /(?:(?<sign>[*+?])|\{(?<min>\d+)(?<comma>,)?(?<max>\d*)\})\??/suy;

/**
 * @param source a regular expression that is valid with the flag u
 * @throws Error for parts that cannot be matched in linear time, and for groups that are too deep
 */
export function parsePattern(source: string): PatternTree {
  const [tree, end] = either(source, 0, 0);
  if (end < source.length) throw new Error(`cannot be read from ${JSON.stringify(source.slice(end, end + 20))} on`);
  return tree;
}

function either(source: string, from: number, depth: number): [PatternTree, number] {
  if (depth > maxDepth) throw new Error(`has groups within groups, more than ${maxDepth} deep`);
  const branches: PatternTree[] = [];
  let parts: PatternTree[] = [];
  let at = from;
  while (at < source.length) {
    const groups = matchAt(token, source, at);
    if (groups === undefined || groups["close"] !== undefined) break;
    if (groups["back"] !== undefined)
      throw new Error("refers back to a group, and how long that takes has no bound; write the alternatives out");
    at = token.lastIndex;
    if (groups["either"] !== undefined) {
      branches.push({ kind: "sequence", parts });
      parts = [];
      continue;
    }
    let part = partOf(groups);
    const { look, open } = groups;
    if (look !== undefined || open !== undefined) {
      const [inner, end] = either(source, at, depth + 1);
      part = look === undefined ? inner : lookOf(look, inner);
      at = end + ")".length;
    }
    const counted = matchAt(times, source, at);
    if (counted !== undefined) at = times.lastIndex;
    if (part !== undefined) parts.push(counted === undefined ? part : repeated(part, counted));
  }
  const last: PatternTree = { kind: "sequence", parts };
  return [branches.length === 0 ? last : { kind: "either", parts: [...branches, last] }, at];
}

type Groups = Readonly<Record<string, string | undefined>>;

function matchAt(pattern: RegExp, source: string, at: number): Groups | undefined {
  pattern.lastIndex = at;
  return pattern.exec(source)?.groups;
}

function partOf({ edge, character }: Groups): PatternTree | undefined {
  if (character !== undefined) return { kind: "character", source: character };
  const known = edge === undefined ? undefined : edges[edge];
  return known === undefined ? undefined : { kind: "edge", edge: known };
}

function lookOf(look: string, inner: PatternTree): PatternTree {
  return { kind: "look", behind: look.includes("<"), negative: look.endsWith("!"), inner };
}

function repeated(inner: PatternTree, { sign, min = "0", comma, max = "" }: Groups): PatternTree {
  if (sign !== undefined)
    return { kind: "repeat", inner, min: sign === "+" ? 1 : 0, max: sign === "?" ? 1 : Number.POSITIVE_INFINITY };
  const upTo = comma === undefined ? min : max;
  return { kind: "repeat", inner, min: Number(min), max: upTo === "" ? Number.POSITIVE_INFINITY : Number(upTo) };
}

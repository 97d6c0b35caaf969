/**
 * Patterns come from a definition, and texts come from callers. RegExp goes back and tries again: with a pattern such
 * as `(a+)+`, some short texts take it years, and the whole server waits. Here all ways to match are followed at once
 * (Thompson 1968), so the time grows with the length of the text times the size of the pattern.
 */
import { defaultLimits } from "../../limits/limits.js";
import { parsePattern, type Edge, type PatternTree } from "./pattern-syntax.js";

/**
 * What all texts of one call together may cost. Steps are counted instead of time, because a busy machine must not
 * refuse what an idle one accepts.
 */
export class PatternBudget {
  #steps: number = defaultLimits.maxPatternSteps;

  /** @throws PatternTooSlow */
  spend(steps: number): void {
    this.#steps -= steps;
    if (this.#steps < 0) throw new PatternTooSlow();
  }
}

export class PatternTooSlow extends Error {}

export interface Pattern {
  /** @throws PatternTooSlow */
  matches(text: string, budget: PatternBudget): boolean;
}

/**
 * @param source a regular expression that is valid with the flag u
 * @param whole true when the whole text must match, and false for any part of it
 * @throws Error that says what about the pattern cannot be matched in a bounded time
 */
export function compilePattern(source: string, whole = true): Pattern {
  const tree = parsePattern(source);
  if (waysToTry(tree) <= 1 && (whole || beginsAtStart(tree))) {
    const pattern = new RegExp(whole ? `^(?:${source})$` : source, "u");
    return { matches: (text) => pattern.test(text) };
  }
  const looks: Looks = new Map();
  const program = compile(tree, false, { looks, size: 0 });
  return { matches: (text, budget) => match(program, [...looks.values()], text, whole, budget) };
}

function beginsAtStart(tree: PatternTree): boolean {
  const [first] = tree.kind === "sequence" ? tree.parts : [];
  return first?.kind === "edge" && first.edge === "start";
}

/**
 * How often RegExp must choose. With at most one choice, it tries each length of one repetition, and is faster than we
 * are.
 */
function waysToTry(tree: PatternTree): number {
  switch (tree.kind) {
    case "character":
    case "edge":
      return 0;
    case "look":
      return Number.POSITIVE_INFINITY;
    case "sequence":
      return tree.parts.reduce((sum, part) => sum + waysToTry(part), 0);
    case "either":
      return tree.parts.reduce((sum, part) => sum + waysToTry(part), 1);
    case "repeat":
      if (tree.inner.kind === "character") return tree.min === tree.max ? 0 : 1;
      return Number.POSITIVE_INFINITY;
    default:
      return tree satisfies never;
  }
}

type Step =
  | { readonly kind: "character"; readonly matches: (point: number) => boolean }
  | { readonly kind: "edge"; readonly edge: Edge }
  | { readonly kind: "look"; readonly look: number; readonly negative: boolean }
  /** Goes on at both places. */
  | { readonly kind: "split"; readonly to: number; readonly orTo: number }
  | { readonly kind: "end" };

type Program = readonly Step[];

/** A look ahead or behind is found by a run of its own from the other side, for all places of the text at once. */
interface Look {
  readonly index: number;
  readonly program: Program;
  readonly behind: boolean;
}

/** Each look once, even if a count repeats it. Looks within another one come before that one. */
type Looks = Map<PatternTree, Look>;

/** What the programs of one pattern share. */
interface Compilation {
  readonly looks: Looks;
  size: number;
}

/** @param backwards true when the program reads the text from its end */
function compile(tree: PatternTree, backwards: boolean, whole: Compilation): Program {
  const { looks } = whole;
  const steps: Step[] = [];
  const characters = new Map<string, (point: number) => boolean>();
  const { maxPatternSize } = defaultLimits;
  const put = (step: Step): number => {
    if (++whole.size > maxPatternSize)
      throw new Error(`is too large: its counts, written out, make more than ${maxPatternSize} parts`);
    return steps.push(step) - 1;
  };
  const add = (part: PatternTree): void => {
    switch (part.kind) {
      case "character": {
        const matches = characters.get(part.source) ?? characterTest(part.source);
        characters.set(part.source, matches);
        put({ kind: "character", matches });
        break;
      }
      case "edge":
        put(part);
        break;
      case "look": {
        const program = looks.get(part)?.program ?? compile(part.inner, !part.behind, whole);
        const index = looks.get(part)?.index ?? looks.size;
        looks.set(part, { index, program, behind: part.behind });
        put({ kind: "look", look: index, negative: part.negative });
        break;
      }
      case "sequence":
        for (const each of backwards ? part.parts.toReversed() : part.parts) add(each);
        break;
      case "either":
        addEither(part.parts);
        break;
      case "repeat":
        addTimes(part.inner, part.min);
        if (part.max === Number.POSITIVE_INFINITY) addAgainAndAgain(part.inner);
        else addUpTo(part.inner, part.max - part.min);
        break;
    }
  };
  const addTimes = (part: PatternTree, times: number): void => {
    const before = steps.length;
    for (let count = 0; count < times; count++) {
      add(part);
      // An empty part could be repeated forever.
      if (steps.length === before) return;
    }
  };
  const addAgainAndAgain = (part: PatternTree): void => {
    const split = put(later);
    add(part);
    put(goTo(split));
    steps[split] = { kind: "split", to: split + 1, orTo: steps.length };
  };
  /** Each split leads past all parts that follow, so that only a few ways are open at once. */
  const addUpTo = (part: PatternTree, times: number): void => {
    const splits: number[] = [];
    for (let count = 0; count < times; count++) {
      splits.push(put(later));
      add(part);
    }
    for (const split of splits) steps[split] = { kind: "split", to: split + 1, orTo: steps.length };
  };
  const addEither = (parts: readonly PatternTree[]): void => {
    const jumps: number[] = [];
    for (const part of parts.slice(0, -1)) {
      const split = put(later);
      add(part);
      jumps.push(put(later));
      steps[split] = { kind: "split", to: split + 1, orTo: steps.length };
    }
    for (const last of parts.slice(-1)) add(last);
    for (const jump of jumps) steps[jump] = goTo(steps.length);
  };
  add(tree);
  put({ kind: "end" });
  return steps;
}

/** The place of a step that is not known yet. */
const later: Step = { kind: "end" };

function goTo(to: number): Step {
  return { kind: "split", to, orTo: to };
}

const asciiEnd = 128;

function characterTest(source: string): (point: number) => boolean {
  const pattern = new RegExp(`^(?:${source})$`, "u");
  const test = (point: number): boolean => pattern.test(String.fromCodePoint(point));
  let ascii: boolean[] | undefined;
  return (point) => {
    if (point >= asciiEnd) return test(point);
    ascii ??= Array.from({ length: asciiEnd }, (_, each) => test(each));
    return ascii[point] === true;
  };
}

function match(program: Program, looks: readonly Look[], text: string, whole: boolean, budget: PatternBudget): boolean {
  const points: number[] = [];
  for (const character of text) points.push(character.codePointAt(0) ?? 0);
  budget.spend(points.length);
  const found: Uint8Array[] = [];
  for (const { program: inner, behind } of looks) found.push(run(inner, points, !behind, true, found, budget));
  const ends = run(program, points, false, !whole, found, budget);
  return whole ? ends[points.length] === 1 : ends.includes(1);
}

/**
 * Follows all ways through the program, one character of the text at a time.
 * @param everywhere true when a match may begin at each place, and false for only the first one
 * @returns the places between the characters where a match ends
 */
function run(
  program: Program,
  points: readonly number[],
  backwards: boolean,
  everywhere: boolean,
  found: readonly Uint8Array[],
  budget: PatternBudget,
): Uint8Array {
  const ends = new Uint8Array(points.length + 1);
  const seenAt = new Int32Array(program.length).fill(-1);
  let waiting: number[] = [];
  for (let count = 0; count <= points.length; count++) {
    const place = backwards ? points.length - count : count;
    const point = count === 0 ? -1 : (points[backwards ? place : place - 1] ?? -1);
    const open: number[] = count === 0 || everywhere ? [0] : [];
    for (const at of waiting) {
      const step = program[at];
      if (step?.kind === "character" && step.matches(point)) open.push(at + 1);
    }
    if (open.length === 0) break;
    waiting = [];
    let steps = 1;
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      if (seenAt[at] === count) continue;
      seenAt[at] = count;
      steps++;
      const step = program[at];
      switch (step?.kind) {
        case "character":
          waiting.push(at);
          break;
        case "edge":
          if (isEdge(step.edge, points, place)) open.push(at + 1);
          break;
        case "look":
          if ((found[step.look]?.[place] === 1) !== step.negative) open.push(at + 1);
          break;
        case "split":
          open.push(step.to, step.orTo);
          break;
        default:
          ends[place] = 1;
      }
    }
    budget.spend(steps);
  }
  return ends;
}

function isEdge(edge: Edge, points: readonly number[], place: number): boolean {
  if (edge === "start") return place === 0;
  if (edge === "end") return place === points.length;
  return (isWord(points[place - 1]) !== isWord(points[place])) === (edge === "word");
}

/** The characters of `\w` with the flag u. */
function isWord(point: number | undefined): boolean {
  return point !== undefined && point < asciiEnd && /\w/.test(String.fromCharCode(point));
}

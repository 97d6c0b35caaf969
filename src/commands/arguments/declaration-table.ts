/**
 * All that a declared argument can say, with a row for each key: where it belongs, what it may be, how JSON Schema says
 * it, and what a value must be because of it. The check of declarations, the check of values, the schema for callers,
 * iscep.yaml, iscep.schema.json and the tables of the documents follow from it.
 */
import type { JsonSchema } from "../../model/command.js";
import {
  anyValue,
  baseFolder,
  choices,
  count,
  flag,
  listOfWords,
  number,
  pattern,
  text,
  wordOf,
  type DeclaredKind,
} from "./declaration-kinds.js";
import {
  allowances,
  formatExamples,
  pathKinds,
  presences,
  stringFormats,
  type ArgumentDeclaration,
  type ItemDeclaration,
} from "./declaration.js";
import { compilePattern, type PatternBudget } from "./linear-pattern.js";
import { formatCheck } from "./text-format.js";

export type ArgumentType = ArgumentDeclaration["type"];

/** What the value should have been; undefined when it fits. It never reveals the value. */
export type Rule = (value: never, budget: PatternBudget) => string | undefined;

export interface DeclarationKey<Value = unknown> {
  readonly kind: DeclaredKind<Value>;
  /** A sentence for the documents and for editors. */
  readonly says: string;
  readonly types: readonly ArgumentType[];
  /** For a required key, what to write. */
  readonly neededBy?: { readonly types: readonly ArgumentType[]; readonly what: string };
  /** True when it belongs only to whole arguments, and not to items of a list. */
  readonly ofArgument?: boolean;
  /** Another key, whose value must not be smaller. */
  readonly upTo?: string;
  /** The same in JSON Schema. Nothing when JSON Schema has no word for it. */
  tells?(said: Value): JsonSchema;
  /** What values of the argument's type must be. */
  rule?(said: Value): Rule;
}

const texts = ["string", "secret"] as const;
const numbers = ["integer", "number"] as const;
const all = ["string", "integer", "number", "boolean", "enum", "path", "list", "secret"] as const;

/**
 * Names the command that gives the values of an argument. It exists only within a server, because discovery has the
 * values instead.
 */
export const choicesKeyword = "x-iscep-choices-from";

/** These tell forms what JSON Schema has no word for. Other programs ignore them. */
const multilineKeyword = "x-iscep-multiline";
const pathKeyword = "x-iscep-path";
const pathKindKeyword = "x-iscep-path-kind";

function key<Value>(row: DeclarationKey<Value>): DeclarationKey {
  // The check of a declaration has already asked the kind whether this is a valid value.
  return row;
}

type KeyOf<Declaration> = Declaration extends unknown ? Exclude<keyof Declaration, "type"> : never;

/** The rules are applied in this order, so no pattern sees a text that is too long. */
export const declarationTable = {
  description: key({
    kind: text,
    says: "What callers see about it.",
    types: all,
    tells: (description) => ({ description }),
  }),
  choices: key({
    kind: choices,
    says: "The allowed values, or the command of this server that gives them, as a list of texts or one on each line.",
    types: ["string", "enum"],
    neededBy: { types: ["enum"], what: "a list of texts, or { from: COMMAND }" },
    tells: (said) => ("from" in said ? { [choicesKeyword]: said.from } : { enum: said }),
    rule: (said) => {
      if ("from" in said) return () => undefined;
      const known = new Set(said);
      const expected = `one of ${said.map((each) => JSON.stringify(each)).join(", ")}`;
      return (value: string) => (known.has(value) ? undefined : expected);
    },
  }),
  maxLength: key({
    kind: count,
    says: "The largest number of characters.",
    types: texts,
    tells: (maxLength) => ({ maxLength }),
    rule: (most) => (value: string) => (isLongerThan(value, most) ? `at most ${most} characters` : undefined),
  }),
  minLength: key({
    kind: count,
    says: "The smallest number of characters.",
    types: texts,
    upTo: "maxLength",
    tells: (minLength) => ({ minLength }),
    rule: (least) => (value: string) => (isLongerThan(value, least - 1) ? undefined : `at least ${least} characters`),
  }),
  format: key({
    kind: wordOf(stringFormats),
    says: "A known form of text.",
    types: ["string"],
    tells: (format) => ({ format }),
    rule: (format) => {
      const fits = formatCheck(format);
      const expected = `text in the format ${format}, such as ${formatExamples[format]}`;
      return (value: string) => (fits(value) ? undefined : expected);
    },
  }),
  pattern: key({
    kind: pattern,
    says: "The whole text must match it; ^ and $ are not needed. It cannot refer back to a group of its own.",
    types: texts,
    tells: (source) => ({ pattern: `^(?:${source})$` }),
    rule: (source) => {
      const compiled = compilePattern(source);
      const expected = `text that matches ^(?:${source})$`;
      return (value: string, budget) => (compiled.matches(value, budget) ? undefined : expected);
    },
  }),
  multiline: key({
    kind: flag,
    says: "Allows tabs and line ends. Without it, a text has no control characters.",
    types: texts,
    tells: (isAllowed) => (isAllowed ? { [multilineKeyword]: true } : {}),
  }),
  allow: key({
    kind: listOfWords(allowances, { integer: ["dash"], number: ["dash"], enum: ["dash"] }),
    says: "What is allowed in addition: `dash` allows a - at the beginning, `control` allows all control characters except NUL.",
    types: ["string", "integer", "number", "enum"],
  }),
  minimum: key({
    kind: number,
    says: "The smallest value.",
    types: numbers,
    upTo: "maximum",
    tells: (minimum) => ({ minimum }),
    rule: (least) => (value: number) => (value >= least ? undefined : `a number >= ${least}`),
  }),
  maximum: key({
    kind: number,
    says: "The largest value.",
    types: numbers,
    tells: (maximum) => ({ maximum }),
    rule: (most) => (value: number) => (value <= most ? undefined : `a number <= ${most}`),
  }),
  base: key({
    kind: baseFolder,
    says: "The folder that the path must be in, wherever links lead. The program gets the whole path, without links.",
    types: ["path"],
    neededBy: { types: ["path"], what: "the folder that the path lies in" },
    // The folder itself is the server's own affair.
    tells: () => ({ [pathKeyword]: "existing" }),
  }),
  presence: key({
    kind: wordOf(presences),
    says: "Whether the path must exist, must not exist yet, or may do either. Default: existing.",
    types: ["path"],
    tells: (presence) => ({ [pathKeyword]: presence }),
  }),
  kind: key({
    kind: wordOf(pathKinds),
    says: "What the path must be, if it exists.",
    types: ["path"],
    tells: (kind) => ({ [pathKindKeyword]: kind }),
  }),
  items: key({
    kind: { words: "a declaration", schema: {}, fault: () => undefined },
    says: "What each element of the list is. It cannot be a list.",
    types: ["list"],
    neededBy: { types: ["list"], what: "what each element of the list is, such as { type: string }" },
  }),
  minItems: key({
    kind: count,
    says: "The smallest number of elements.",
    types: ["list"],
    upTo: "maxItems",
    tells: (minItems) => ({ minItems }),
    rule: (least) => (value: readonly unknown[]) => (value.length >= least ? undefined : `at least ${least} items`),
  }),
  maxItems: key({
    kind: count,
    says: "The largest number of elements.",
    types: ["list"],
    tells: (maxItems) => ({ maxItems }),
    rule: (most) => (value: readonly unknown[]) => (value.length <= most ? undefined : `at most ${most} items`),
  }),
  default: key({
    kind: anyValue,
    says: "The value if the caller gives none.",
    types: all.filter((type) => type !== "secret"),
    ofArgument: true,
    tells: (fallback) => ({ default: fallback }),
  }),
  optional: key({
    kind: flag,
    says: "The caller may leave it out. Then it disappears from `run`, together with the option before it, unless that has its own value, as `--format=zip` does.",
    types: all,
    ofArgument: true,
  }),
} satisfies Record<KeyOf<ArgumentDeclaration>, DeclarationKey>;

const rows: readonly (readonly [string, DeclarationKey])[] = Object.entries<DeclarationKey>(declarationTable);

function keysByType(types: readonly string[], withKey: (row: DeclarationKey) => boolean) {
  return Object.fromEntries(
    types.map((type) => {
      const own = rows.filter(([, row]) => row.types.some((each) => each === type) && withKey(row));
      return [type, ["type", ...own.map(([name]) => name)]];
    }),
  );
}

/** The keys of an argument, by its type. */
export const keysOfArgument: Readonly<Record<string, readonly string[]>> = keysByType(all, () => true);

/** The keys of an item of a list, by its type. */
export const keysOfItem: Readonly<Record<string, readonly string[]>> = keysByType(
  ["string", "integer", "number", "boolean", "enum", "path"] satisfies ItemDeclaration["type"][],
  ({ ofArgument = false }) => !ofArgument,
);

export interface SaidKey {
  readonly row: DeclarationKey;
  readonly said: unknown;
}

/** The keys of a declaration, in the order of the table. */
export function saidKeys(declaration: ArgumentDeclaration | ItemDeclaration): SaidKey[] {
  const keys: SaidKey[] = [];
  for (const [name, row] of rows) {
    const said: unknown = Reflect.get(declaration, name);
    if (said !== undefined) keys.push({ row, said });
  }
  return keys;
}

/** The length in characters. It counts no further than needed. */
function isLongerThan(value: string, length: number): boolean {
  if (value.length <= length) return false;
  // A character has at most two units.
  if (value.length > length * 2) return true;
  return Array.from(value).length > length;
}

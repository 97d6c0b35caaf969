/** The kinds of values that the keys of a declaration have, for people, for editors, and for the check. */
import path from "node:path";
import { checkCommandName } from "../../model/command-name.js";
import type { JsonSchema } from "../../model/command.js";
import type { Choices } from "./declaration.js";
import { compilePattern } from "./linear-pattern.js";

export interface DeclaredKind<Value> {
  /** Such as `whole number`. */
  readonly words: string;
  /** Draft 7, for iscep.schema.json. */
  readonly schema: JsonSchema;
  /**
   * What is wrong with the value of `key`; undefined when it is a Value.
   * @param type the type of the argument
   */
  fault(value: unknown, key: string, type: string): string | undefined;
  /** This never exists. It only connects the kind with its type. */
  readonly value?: Value;
}

function kindOf<Value>(
  words: string,
  schema: JsonSchema,
  fault: (value: unknown, key: string, type: string) => string | undefined,
): DeclaredKind<Value> {
  return { words, schema, fault };
}

export const text = kindOf<string>("text", { type: "string" }, (value, key) =>
  typeof value === "string" ? undefined : `\`${key}\` must be a text`,
);

export const flag = kindOf<boolean>("`true` or `false`", { type: "boolean" }, (value, key) =>
  typeof value === "boolean" ? undefined : `\`${key}\` must be true or false`,
);

export const count = kindOf<number>("whole number", { type: "integer", minimum: 0 }, (value, key) =>
  Number.isSafeInteger(value) && Number(value) >= 0 ? undefined : `\`${key}\` must be a whole number from 0 on`,
);

export const number = kindOf<number>("number", { type: "number" }, (value, key) =>
  Number.isFinite(value) ? undefined : `\`${key}\` must be a number`,
);

export function wordOf<const Word extends string>(words: readonly Word[]): DeclaredKind<Word> {
  return kindOf(words.join(", "), { enum: words }, (value, key) =>
    words.some((word) => word === value)
      ? undefined
      : `there is no ${key} ${JSON.stringify(value)}; there are ${words.join(", ")}`,
  );
}

/** @param wordsByType the words for types that do not allow all words */
export function listOfWords<const Word extends string>(
  words: readonly Word[],
  wordsByType: Readonly<Record<string, readonly Word[]>>,
): DeclaredKind<readonly Word[]> {
  const schema = { type: "array", items: { enum: words }, minItems: 1 };
  return kindOf(`list of ${words.join(", ")}`, schema, (value, key, type) => {
    const known: readonly unknown[] = wordsByType[type] ?? words;
    if (!Array.isArray(value) || value.length === 0) return `\`${key}\` must be a list of ${known.join(", ")}`;
    const [unknown] = value.filter((word) => !known.includes(word)) as unknown[];
    if (unknown === undefined) return undefined;
    return `\`${key}\` has no ${JSON.stringify(unknown)} here; there is ${known.join(", ")}`;
  });
}

export const pattern = kindOf<string>("regular expression", { type: "string", format: "regex" }, (value, key) => {
  if (typeof value !== "string") return `\`${key}\` must be a text`;
  try {
    // The pattern is checked alone, before it gets anchors, because `a)|(b` would be valid between them, and would not
    // be anchored.
    RegExp(value, "u");
  } catch (error) {
    return `\`${key}\` is no regular expression: ${reasonOf(error)}`;
  }
  try {
    compilePattern(value);
    return undefined;
  } catch (error) {
    return `\`${key}\` ${reasonOf(error)}`;
  }
});

const texts = { type: "array", items: { type: "string" }, minItems: 1, uniqueItems: true };
const giver = {
  type: "object",
  properties: { from: { type: "string" } },
  required: ["from"],
  additionalProperties: false,
};

export const choices = kindOf<Choices>(
  "list of texts, or `{ from: COMMAND }`",
  { anyOf: [texts, giver] },
  (value, key) => {
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return faultOfGiver(value, key);
    if (!Array.isArray(value) || value.length === 0) return `needs \`${key}\`: a list of texts`;
    if (!value.every((each) => typeof each === "string")) return `\`${key}\` must be texts; put numbers in quotes`;
    return new Set(value).size === value.length ? undefined : `a value stands twice in \`${key}\``;
  },
);

function faultOfGiver(value: object, key: string): string | undefined {
  const from: unknown = Reflect.get(value, "from");
  if (typeof from !== "string" || Object.keys(value).length !== 1)
    return `\`${key}\` must be a list of texts, or { from: COMMAND }`;
  try {
    checkCommandName(from);
    return undefined;
  } catch (error) {
    return `\`${key}\`: ${reasonOf(error)}`;
  }
}

export const baseFolder = kindOf<string>("path", { type: "string", minLength: 1 }, (value, key) => {
  if (typeof value !== "string" || value === "" || value.includes("\0"))
    return `needs \`${key}\`: the path of a folder`;
  const folder = path.resolve(value);
  return folder === path.parse(folder).root
    ? `\`${key}\` is the whole file system; name the folder that is meant`
    : undefined;
});

const scalar = { type: ["string", "number", "boolean"] };

/** The value is compared with the rest of the declaration later, when that is known. */
export const anyValue = kindOf<unknown>(
  "a value of the type",
  { anyOf: [scalar, { type: "array", items: scalar }] },
  () => undefined,
);

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

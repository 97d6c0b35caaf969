/**
 * Says what is wrong with a call's arguments, in sentences that name the argument and never its value: values may be
 * secrets, and the sentences go to callers, terminals and logs.
 */
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { defaultLimits } from "../../limits/limits.js";
import { didYouMean } from "../../text/near-name.js";

const { maxShownProblems, maxShownCharacters, maxJsonKeys } = defaultLimits;

type Issue = StandardSchemaV1.Issue;

export function unknownArgument(name: string, known: ReadonlySet<string>): string {
  const hint = known.size === 0 ? "; this command takes none" : didYouMean(name, known);
  return `there is no argument ${shown(name)}${hint}`;
}

export function tellIssues(issues: readonly Issue[], args: object): string {
  const sentences = issues.slice(0, maxShownProblems).map((issue) => tellIssue(issue, args));
  if (issues.length > sentences.length) sentences.push(`and ${issues.length - sentences.length} more`);
  return sentences.length === 0 ? "the arguments do not fit" : sentences.join("; ");
}

function tellIssue(issue: Issue, args: object): string {
  const keys = (issue.path ?? []).map((segment) => (typeof segment === "object" ? segment.key : segment));
  const value = valueAt(args, keys);
  const reason = reasonOf(issue, args, value);
  if (keys.length === 0) return `the arguments do not fit: ${reason}`;
  const name = `argument ${shown(pathText(keys))}`;
  return value === undefined ? `${name} is missing${ofMissing(reason)}` : `${name}: ${reason}`;
}

function valueAt(args: object, keys: readonly PropertyKey[]): unknown {
  let value: unknown = args;
  for (const key of keys) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = Reflect.get(value, key);
  }
  return value;
}

/** `names[2].first` */
function pathText(keys: readonly PropertyKey[]): string {
  let text = "";
  for (const key of keys) text += typeof key === "number" ? `[${key}]` : `${text === "" ? "" : "."}${String(key)}`;
  return text;
}

/** A name in quotes, with control characters escaped, and cut when it is too long. */
function shown(name: string): string {
  const short = name.length > maxShownCharacters ? `${name.slice(0, maxShownCharacters)}…` : name;
  return JSON.stringify(short);
}

function ofMissing(reason: string): string {
  const expected = reason.replace(/,? ?\(?(?:received|was) (?:undefined|missing)\)?$/, "");
  return expected === "" || expected === "missing" || expected.startsWith("not valid") ? "" : `: ${expected}`;
}

/**
 * zod, valibot, arktype and declareArguments say what they expected in a field of its own, which comes only from the
 * schema. Other messages may quote the value (those of valibot and arktype do), and are passed on only when they do
 * not.
 */
function reasonOf(issue: Issue, args: object, value: unknown): string {
  const expected = expectedOf(issue);
  const { message } = issue;
  if (expected !== undefined) {
    if (/^(?:Invalid input: )?expected /.test(message) || message.includes(" but received ")) {
      return issueOfKey(issue) ? "" : `expected ${expected}, received ${typeName(value)}`;
    }
    if (message.includes(" (was ")) return `must be ${expected}`;
  }
  if (quotes(message, value, 1) || quotes(message, args, 4)) return `not valid (received ${typeName(value)})`;
  return message.replace(/^Invalid (?:input|option): /, "");
}

function expectedOf(issue: Issue): string | undefined {
  // arktype: the text of a union has the value in it, but the texts of its branches do not.
  if ("errors" in issue && Array.isArray(issue.errors)) {
    const branches = issue.errors.map((branch: unknown) => fieldText(branch, "expected"));
    return branches.every((text) => text !== undefined) ? branches.join(" or ") : undefined;
  }
  return fieldText(issue, "expected");
}

function fieldText(holder: unknown, field: string): string | undefined {
  if (typeof holder !== "object" || holder === null) return undefined;
  const text: unknown = Reflect.get(holder, field);
  return typeof text === "string" ? text : undefined;
}

/** valibot: for a missing or extra key, the expected text is a name. */
function issueOfKey(issue: Issue): boolean {
  const last = issue.path?.at(-1);
  return fieldText(last, "origin") === "key";
}

function typeName(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

/**
 * True when the text contains a string or number of the value. Short ones count only as whole words: the 1 in "at least
 * 10" is not the caller's 1.
 * @param shortest leaves out what is shorter
 */
function quotes(text: string, value: unknown, shortest: number): boolean {
  let left = maxJsonKeys;
  const visit = (part: unknown): boolean => {
    if (--left < 0) return true;
    if (typeof part === "string" || typeof part === "number" || typeof part === "bigint") {
      const leaf = String(part);
      return leaf.length >= shortest && leaf !== "" && occurs(text, leaf);
    }
    return typeof part === "object" && part !== null && Object.values(part).some(visit);
  };
  return visit(value);
}

function occurs(text: string, leaf: string): boolean {
  if (leaf.length >= 4) return text.includes(leaf) || text.includes(JSON.stringify(leaf).slice(1, -1));
  for (let at = text.indexOf(leaf); at !== -1; at = text.indexOf(leaf, at + 1)) {
    if (!isWordCharacter(text[at - 1]) && !isWordCharacter(text[at + leaf.length])) return true;
  }
  return false;
}

function isWordCharacter(character: string | undefined): boolean {
  return character !== undefined && /[\p{L}\p{N}_]/u.test(character);
}

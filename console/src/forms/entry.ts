/**
 * What a person has entered in a form, and what becomes of it: the arguments of a call. An entry is the text as it was
 * typed, so that nothing is lost while it is not yet right.
 */
import { checkValue } from "./check.js";
import { isRecord, type Field } from "./field.js";

/** A list has an entry for each element. "" is an argument that is not given. */
export type Entry = string | readonly string[];
export type Entries = Readonly<Record<string, Entry>>;

export interface Reading {
  readonly args: Readonly<Record<string, unknown>>;
  /** What is wrong, by the place: `name`, or `name[2]`. */
  readonly faults: ReadonlyMap<string, string>;
}

/** The entries that stand for these arguments. Arguments that are not given get their default. */
export function entriesOf(fields: readonly Field[], args: Readonly<Record<string, unknown>> = {}): Entries {
  const entries = fields.map((field): [string, Entry] => {
    const value = Object.hasOwn(args, field.name) ? args[field.name] : field.fallback;
    if (field.kind !== "list") return [field.name, textOf(field, value)];
    return [field.name, Array.isArray(value) ? value.map((each) => textOf(field.item ?? field, each)) : []];
  });
  return Object.fromEntries(entries);
}

function textOf(field: Field, value: unknown): string {
  if (value === undefined) return "";
  if (field.kind !== "json" && typeof value === "string") return value;
  return JSON.stringify(value, null, field.kind === "json" ? 2 : undefined);
}

/** Makes arguments of entries, with the checks that the server makes too. */
export function readEntries(fields: readonly Field[], entries: Entries): Reading {
  const faults = new Map<string, string>();
  const args = fields.flatMap((field): [string, unknown][] => {
    const entry = entries[field.name] ?? "";
    if (typeof entry !== "string") return readList(field, entry, faults);
    const value = readEntry(field, entry, faults, field.name);
    return value === undefined ? [] : [[field.name, value]];
  });
  return { args: Object.fromEntries(args), faults };
}

function readList(field: Field, entry: readonly string[], faults: Map<string, string>): [string, unknown][] {
  const item = field.item ?? field;
  if (entry.length === 0 && !field.isRequired && field.fallback === undefined) return [];
  const values = entry.map((text, index) =>
    // In a list an empty text is a text.
    item.kind === "text" && text === ""
      ? checked(item, "", faults, `${field.name}[${index}]`)
      : readEntry(item, text, faults, `${field.name}[${index}]`),
  );
  const fault = checkValue(field, values);
  if (fault !== undefined) faults.set(field.name, fault);
  return [[field.name, values]];
}

function readEntry(field: Field, text: string, faults: Map<string, string>, place: string): unknown {
  if (text === "") {
    if (field.isRequired) faults.set(place, "is missing");
    return undefined;
  }
  return checked(field, parse(field, text), faults, place);
}

function checked(field: Field, value: unknown, faults: Map<string, string>, place: string): unknown {
  const fault = value === unreadable ? 'expected JSON, such as [1, 2] or {"a": true}' : checkValue(field, value);
  if (fault !== undefined) faults.set(place, fault);
  return value === unreadable ? undefined : value;
}

const unreadable = Symbol("text that is no JSON");

function parse(field: Field, text: string): unknown {
  switch (field.kind) {
    case "number":
    case "integer":
      return /^\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?\s*$/i.test(text) ? Number(text) : text;
    case "boolean":
      return text === "true" ? true : text === "false" ? false : text;
    case "json":
      return readJson(text);
    case "text":
    case "secret":
    case "path":
    case "choice":
    case "list":
      return text;
    default:
      return field.kind satisfies never;
  }
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return unreadable;
  }
}

/** Arguments from a text of JSON, or a sentence about what is wrong with it. */
export function readRawArguments(text: string): { readonly args: Readonly<Record<string, unknown>> } | string {
  if (text.trim() === "") return { args: {} };
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? { args: value } : 'The arguments must be one JSON object, such as {"name": "Ada"}.';
  } catch (error) {
    return `This is no JSON yet: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/**
 * Where the server's refusal belongs: by the place that it names, in the words that come after it. The server writes
 * `argument "NAME": expected …; argument "LIST[2]" is missing`.
 */
export function faultsOfMessage(message: string): ReadonlyMap<string, string> {
  const faults = new Map<string, string>();
  const pattern = /\bargument ("(?:[^"\\]|\\.)*")(?::)? ((?:(?!; argument ").)+)/gs;
  for (const [, quoted = '""', words = ""] of message.matchAll(pattern)) {
    const name = readJson(quoted);
    if (typeof name === "string") faults.set(name, words.trim());
  }
  return faults;
}

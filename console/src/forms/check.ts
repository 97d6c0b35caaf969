/**
 * Checks a value as the server does, and says what is wrong in the same words. The server has the last word: what only
 * it can know (paths, formats, rules of a token) it says at the call.
 */
import type { Field } from "./field.js";

/** A pattern is tried on no longer text than this, since a pattern of a foreign schema may be slow. */
const maxMatchedLength = 2000;

/** What the value should have been; undefined when it fits. */
export function checkValue(field: Field, value: unknown): string | undefined {
  const fault = faultOf(field, value);
  return fault === undefined ? undefined : `expected ${fault}`;
}

function faultOf(field: Field, value: unknown): string | undefined {
  switch (field.kind) {
    case "text":
    case "secret":
    case "path":
      return typeof value === "string" ? textFault(field, value) : "string";
    case "choice":
      return typeof value === "string" && field.choices.includes(value)
        ? undefined
        : `one of ${field.choices.map((each) => JSON.stringify(each)).join(", ")}`;
    case "number":
      return Number.isFinite(value) ? boundsFault(field, Number(value)) : "number";
    case "integer":
      if (!Number.isInteger(value)) return "integer";
      return safeFault(Number(value)) ?? boundsFault(field, Number(value));
    case "boolean":
      return typeof value === "boolean" ? undefined : "boolean";
    case "list":
      return Array.isArray(value) ? lengthFault(field, value.length) : "array";
    case "json":
      return undefined;
    default:
      return field.kind satisfies never;
  }
}

function textFault({ schema, kind, isLong }: Field, value: string): string | undefined {
  const { maxLength, minLength, pattern } = schema;
  const wrongCharacters = isLong || kind === "secret" ? /(?![\t\n\r])\p{Cc}/u : /[\p{Cs}]/u;
  if (kind === "path" && value === "") return "at least 1 characters";
  if (typeof maxLength === "number" && lengthOf(value) > maxLength) return `at most ${maxLength} characters`;
  if (typeof minLength === "number" && lengthOf(value) < minLength) return `at least ${minLength} characters`;
  if (typeof pattern === "string" && value.length <= maxMatchedLength && !matches(pattern, value))
    return `text that matches ${pattern}`;
  return wrongCharacters.test(value) ? "well-formed text" : undefined;
}

function lengthOf(text: string): number {
  return Array.from(text).length;
}

function matches(pattern: string, value: string): boolean {
  try {
    return new RegExp(pattern, "u").test(value);
  } catch {
    // A browser may not know what a schema of a newer program says. The server checks it.
    return true;
  }
}

function boundsFault({ schema }: Field, value: number): string | undefined {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema;
  if (typeof minimum === "number" && value < minimum) return `a number >= ${minimum}`;
  if (typeof exclusiveMinimum === "number" && value <= exclusiveMinimum) return `a number > ${exclusiveMinimum}`;
  if (typeof maximum === "number" && value > maximum) return `a number <= ${maximum}`;
  if (typeof exclusiveMaximum === "number" && value >= exclusiveMaximum) return `a number < ${exclusiveMaximum}`;
  return undefined;
}

function safeFault(value: number): string | undefined {
  if (value > Number.MAX_SAFE_INTEGER) return `a number <= ${Number.MAX_SAFE_INTEGER}`;
  return value < Number.MIN_SAFE_INTEGER ? `a number >= ${Number.MIN_SAFE_INTEGER}` : undefined;
}

function lengthFault({ schema }: Field, length: number): string | undefined {
  const { minItems, maxItems } = schema;
  if (typeof minItems === "number" && length < minItems) return `at least ${minItems} items`;
  if (typeof maxItems === "number" && length > maxItems) return `at most ${maxItems} items`;
  return undefined;
}

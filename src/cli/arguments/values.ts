/** Converts the text of an argument to the value that the command's schema wants. */
import type { JsonSchema } from "../../model/command.js";
import { IscepError, isIscepError } from "../../errors.js";
import { defaultLimits } from "../../limits/limits.js";
import { parseJson } from "../../wire/json.js";
import { resolveReference, typesOf, type JsonType, type Parameter } from "./types.js";

const jsonNumber = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$/;
const jsonInteger = /^-?(0|[1-9][0-9]*)$/;

/**
 * For a list, each text is one item, or one text is a JSON array. Where a string is allowed, the text stays a string.
 * @throws IscepError `invalid_arguments`
 */
export function valueOf(parameter: Parameter, texts: readonly string[], root: JsonSchema): unknown {
  const { name, schema, types } = parameter;
  const [first = ""] = texts;
  if (types.has("array") && !(types.has("string") && texts.length === 1)) {
    if (texts.length === 1 && first.trimStart().startsWith("[")) return json(name, first);
    const items = itemSchema(schema, root);
    const itemTypes = typesOf(items, root);
    return texts.map((text) => convert(name, text, items, itemTypes));
  }
  if (texts.length > 1) throw wrong(name, "is given twice, and takes one value");
  return convert(name, first, schema, types);
}

function convert(name: string, text: string, schema: JsonSchema, types: ReadonlySet<JsonType>): unknown {
  const values = schema["enum"];
  // The values of an enum with several types say what is meant.
  if (Array.isArray(values) && !values.includes(text)) {
    const meant: unknown = values.find((value: unknown) => typeof value !== "string" && JSON.stringify(value) === text);
    if (meant !== undefined) return meant;
  }
  if (types.size === 0 || types.has("string")) return text;
  if (types.has("number") && jsonNumber.test(text)) return json(name, text);
  if (types.has("integer") && jsonInteger.test(text)) return json(name, text);
  if (types.has("boolean") && (text === "true" || text === "false")) return text === "true";
  if (types.has("null") && text === "null") return null;
  if (types.has("object") && text.trimStart().startsWith("{")) return json(name, text);
  if (types.has("array") && text.trimStart().startsWith("[")) return json(name, text);
  throw wrong(name, `must be ${[...types].map((type) => describeType[type]).join(" or ")}`);
}

const describeType: Readonly<Record<JsonType, string>> = {
  string: "a string",
  number: "a number, like 1.5",
  integer: "a whole number, like 7",
  boolean: "true or false",
  null: "null",
  array: "a JSON array, like [1,2]",
  object: 'a JSON object, like {"a":1}',
};

/** @throws IscepError `invalid_arguments` for text that is not JSON, and for numbers that JavaScript would change */
export function json(name: string, text: string): unknown {
  try {
    return parseJson(Buffer.from(text), defaultLimits);
  } catch (error) {
    const reason = isIscepError(error) ? error.message.replace(/^the content/, "it") : "it is no JSON";
    throw wrong(name, `cannot be used: ${reason}${faultPosition(text)}`, error);
  }
}

/** Only the place is taken: the rest of the message of V8 quotes the text, and a secret may be there. */
function faultPosition(text: string): string {
  try {
    JSON.parse(text);
    return "";
  } catch (error) {
    const { message } = error instanceof Error ? error : { message: "" };
    if (message === "Unexpected end of JSON input") return " (it ends too early)";
    const position = / in JSON at position (\d+)(?: \(line \d+ column \d+\))?$/.exec(message)?.[1];
    return position === undefined ? "" : ` (wrong at character ${Number(position) + 1})`;
  }
}

function itemSchema(schema: JsonSchema, root: JsonSchema, depth = 0): JsonSchema {
  const { items } = schema;
  if (isSchema(items)) return resolveReference(items, root);
  // The schema may be "a list or nothing", or "a list or one item". The branch that is a list describes the items.
  for (const branches of [schema["anyOf"], schema["oneOf"], schema["allOf"]]) {
    if (!Array.isArray(branches) || depth > 4) continue;
    for (const branch of branches) {
      const resolved = isSchema(branch) ? resolveReference(branch, root) : {};
      if (typesOf(resolved, root).has("array")) return itemSchema(resolved, root, depth + 1);
    }
  }
  return {};
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function wrong(name: string, problem: string, cause?: unknown): IscepError {
  return new IscepError("invalid_arguments", `argument "${name}" ${problem}`, { details: { argument: name }, cause });
}

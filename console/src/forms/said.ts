/** What a field wants, in a few words beside it. */
import type { Field } from "./field.js";

export function wantsOf(field: Field): readonly string[] {
  const { schema, item } = field;
  const words: string[] = [];
  const number = (keyword: string): number | undefined => {
    const value = schema[keyword];
    return typeof value === "number" ? value : undefined;
  };
  if (field.kind === "integer") words.push("whole number");
  if (field.kind === "number") words.push("number");
  if (field.kind === "path") words.push(pathWords(schema["x-iscep-path"], schema["x-iscep-path-kind"]));
  if (field.kind === "secret") words.push("never shown or logged");
  if (field.kind === "json") words.push("JSON");
  words.push(...between(number("minimum"), number("maximum"), ""));
  words.push(...between(number("minLength"), number("maxLength"), " characters"));
  if (typeof schema["format"] === "string") words.push(schema["format"]);
  const pattern = schema["pattern"];
  if (typeof pattern === "string") words.push(`matches ${pattern.replace(/^\^\(\?:(.*)\)\$$/s, "$1")}`);
  if (field.kind === "list")
    words.push(
      ...between(number("minItems"), number("maxItems"), " items"),
      ...(item === undefined ? [] : wantsOf(item)),
    );
  return words;
}

/** Bounds that only keep a call from being huge say nothing to a person. */
const hugeBound = 9_999;

function between(least: number | undefined, most: number | undefined, unit: string): string[] {
  const upper = most === undefined || most > hugeBound ? undefined : most;
  if (least !== undefined && upper !== undefined)
    return [least === upper ? `${least}${unit}` : `${least} to ${upper}${unit}`];
  if (least !== undefined && least !== 0) return [`${least}${unit} or more`];
  return upper === undefined ? [] : [`up to ${upper}${unit}`];
}

function pathWords(presence: unknown, kind: unknown): string {
  const what = kind === "file" || kind === "folder" ? kind : "path";
  return presence === "existing" ? `${what} that exists` : presence === "new" ? `new ${what}` : what;
}

/** The kinds of values that several keys of iscep.yaml have. */
import path from "node:path";
import type { ValueKind } from "./keys.js";
import { durationExpression, durationForm, parseDuration } from "../text/duration.js";
import { parseSize, sizeExpression, sizeForm } from "../text/size.js";
import type { YamlValue } from "./yaml-source.js";

export const text: ValueKind<string> = {
  words: "text",
  schema: { type: "string", minLength: 1 },
  read: (value) => value.text(),
};

export const flag: ValueKind<boolean> = {
  words: "`true` or `false`",
  schema: { type: "boolean" },
  read: (value) => value.flag(),
};

/** The absolute path. @throws IscepError `configuration` for `~`, which only a shell replaces */
export function absolutePath(value: YamlValue, written: string, folder: string): string {
  if (/^~[\w-]*(?:\/|$)/.test(written)) {
    throw value.error(
      `~ is not replaced in ${JSON.stringify(written)}, because no shell reads this file; write the whole path, or ./${written} for a file of that name`,
    );
  }
  return path.resolve(folder, written);
}

/** A path, which becomes absolute when it is read. */
export const filePath: ValueKind<string> = {
  words: "path",
  schema: { type: "string", minLength: 1 },
  read(value, { folder, places }) {
    const read = absolutePath(value, value.text(), folder);
    if (!places.has(read)) places.set(read, value.place);
    return read;
  },
};

export function wholeNumber(minimum: number, maximum: number): ValueKind<number> {
  return {
    words: "whole number",
    schema: { type: "integer", minimum, maximum },
    read: (value) => value.wholeNumber(minimum, maximum),
  };
}

export function choice<const Choice extends string>(choices: readonly Choice[]): ValueKind<Choice> {
  return {
    words: choices.map((each) => `\`${each}\``).join(", "),
    schema: { enum: choices },
    read(value) {
      const given = value.scalar;
      const chosen = choices.find((each) => each === given);
      if (chosen === undefined) throw value.error(`${value.what} must be one of ${choices.join(", ")}`);
      return chosen;
    },
  };
}

export function listOf<Value>(words: string, item: ValueKind<Value>): ValueKind<readonly Value[]> {
  return {
    words,
    schema: { type: "array", items: item.schema },
    read: (value, context) => value.list().map((each) => item.read(each, context)),
  };
}

const durationSchema = { type: "string", pattern: durationExpression.source };
const sizeSchema = { type: "string", pattern: sizeExpression.source };

/** A duration, in milliseconds. */
export function duration(maximumMs: number, maximum: string): ValueKind<number> {
  return {
    words: "duration",
    schema: durationSchema,
    read(value) {
      const durationMs = typeof value.scalar === "string" ? parseDuration(value.scalar) : undefined;
      if (durationMs === undefined) throw value.error(`${value.what} must be ${durationForm}`);
      if (durationMs > maximumMs) throw value.error(`${value.what} can be ${maximum} at most`);
      return durationMs;
    },
  };
}

/** A duration in seconds, rounded up. */
export const wholeSeconds: ValueKind<number> = {
  ...duration(Number.MAX_SAFE_INTEGER, ""),
  read: (value, context) => Math.ceil(duration(Number.MAX_SAFE_INTEGER, "").read(value, context) / 1_000),
};

/** A duration, or a number of milliseconds. */
export function milliseconds(minimum: number, maximum: number): ValueKind<number> {
  return numberOrText("duration, or milliseconds", durationSchema, parseDuration, durationForm, minimum, maximum);
}

/** A size, or a number of bytes. */
export function bytes(minimum: number, maximum: number): ValueKind<number> {
  return numberOrText("size, or bytes", sizeSchema, parseSize, sizeForm, minimum, maximum);
}

function numberOrText(
  words: string,
  textSchema: Readonly<Record<string, unknown>>,
  parse: (written: string) => number | undefined,
  form: string,
  minimum: number,
  maximum: number,
): ValueKind<number> {
  return {
    words,
    schema: { anyOf: [{ type: "integer", minimum, maximum }, textSchema] },
    read(value: YamlValue) {
      const number = typeof value.scalar === "string" ? parse(value.scalar) : value.scalar;
      if (typeof number !== "number" || !Number.isSafeInteger(number))
        throw value.error(`${value.what} must be a whole number, or ${form}`);
      if (number < minimum || number > maximum)
        throw value.error(`${value.what} must be from ${minimum} to ${maximum}, and this is ${number}`);
      return number;
    },
  };
}

/** Says which characters texts may have, and checks the known formats. */
import { createRequire } from "node:module";
import type { FormatsPlugin } from "ajv-formats";
import { defaultLimits } from "../../limits/limits.js";
import type { StringFormat } from "./declaration.js";

/** This is loaded when the first format needs it, so a program without formats does not pay for it at its start. */
export function formatCheck(format: StringFormat): (text: string) => boolean {
  const require = createRequire(import.meta.url);
  const { default: formats } = require("ajv-formats") as { default: FormatsPlugin };
  const found = formats.get(format);
  const validate = typeof found === "object" && "validate" in found ? found.validate : found;
  if (validate instanceof RegExp) return (text) => validate.test(text);
  if (typeof validate === "function") return (text) => validate(text as never) === true;
  throw new Error(`ajv-formats has no check of the format ${format} any more`);
}

interface Characters {
  readonly multiline?: boolean;
  readonly allow?: readonly string[];
}

/** What is wrong with the characters of a text; undefined when they are allowed. */
export function characterRule({ multiline = false, allow = [] }: Characters): (text: string) => string | undefined {
  if (allow.includes("control"))
    return (text) => (/[\0\p{Cs}]/u.test(text) ? "well-formed text without NUL" : undefined);
  if (multiline) {
    const expected = "well-formed text without control characters but tabs and line ends";
    return (text) => (/[\p{Cs}]|(?![\t\n\r])\p{Cc}/u.test(text) ? expected : undefined);
  }
  return (text) => (/[\p{Cc}\p{Cs}]/u.test(text) ? "well-formed text without control characters" : undefined);
}

/** The bound when a declaration sets none of its own. */
export function shortRule(text: string): string | undefined {
  const { maxArgumentBytes } = defaultLimits;
  const isShort = text.length * 3 <= maxArgumentBytes || Buffer.byteLength(text) <= maxArgumentBytes;
  return isShort ? undefined : `text of at most ${maxArgumentBytes} bytes`;
}

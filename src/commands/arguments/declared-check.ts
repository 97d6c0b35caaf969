/** The check of declared arguments, compiled by ajv. */
import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { Ajv2020, ErrorObject } from "ajv/dist/2020.js";
import { defaultLimits } from "../../limits/limits.js";
import { compileOnce, openAjv } from "./ajv.js";
import { boundedPattern } from "./bounded-pattern.js";
import type { JsonSchema } from "../../model/command.js";
import { stringFormats } from "./declaration.js";
import { textFormats } from "./declaration-schema.js";

export type CompiledCheck = (args: unknown) => readonly StandardSchemaV1.Issue[] | undefined;

let ajv: Ajv2020 | undefined;

/** Undefined from the check means that all is well. */
export function compileCheck(schema: JsonSchema): CompiledCheck {
  ajv ??= ajvOfDeclarations();
  const validate = compileOnce(ajv, schema);
  return (args) => (validate(args) ? undefined : (validate.errors ?? []).map(toIssue));
}

function ajvOfDeclarations(): Ajv2020 {
  const made = openAjv(
    {
      meta: false,
      validateSchema: false,
      strict: false,
      strictNumbers: true,
      verbose: true,
      unicodeRegExp: true,
      // ajv writes this name into code that it is never asked for.
      code: { regExp: Object.assign(boundedPattern, { code: "boundedPattern" }) },
    },
    [...stringFormats],
  );
  made.addFormat(textFormats.oneLine, (text: string) => !/[\p{Cc}\p{Cs}]/u.test(text));
  made.addFormat(textFormats.multiline, (text: string) => !/[\p{Cs}]|(?![\t\n\r])\p{Cc}/u.test(text));
  made.addFormat(textFormats.any, (text: string) => !/[\0\p{Cs}]/u.test(text));
  made.addFormat(textFormats.short, isShort);
  return made;
}

function isShort(text: string): boolean {
  const { maxArgumentBytes } = defaultLimits;
  return text.length * 3 <= maxArgumentBytes || Buffer.byteLength(text) <= maxArgumentBytes;
}

export interface DeclaredIssue extends StandardSchemaV1.Issue {
  /** What the schema wants; never anything of the value. */
  readonly expected: string;
}

function toIssue(error: ErrorObject): DeclaredIssue {
  const path = error.instancePath
    .split("/")
    .slice(1)
    .map((key, index) => (index === 0 ? key : Number(key)));
  if (error.keyword === "required") {
    const missing = String(error.params["missingProperty"]);
    return { message: "missing", path: [missing], expected: "" };
  }
  const expected = expectation(error);
  return { message: `expected ${expected}, received ${typeName(error.data)}`, path, expected };
}

function expectation(error: ErrorObject): string {
  const { keyword, params } = error;
  switch (keyword) {
    case "type":
      return String(params["type"]);
    case "enum":
      return `one of ${(params["allowedValues"] as readonly string[]).map((value) => JSON.stringify(value)).join(", ")}`;
    case "pattern":
      return `text that matches ${String(params["pattern"])}`;
    case "format":
      return formatName(String(params["format"]));
    case "minimum":
    case "maximum":
      return `a number ${String(params["comparison"])} ${String(params["limit"])}`;
    case "minLength":
    case "maxLength":
      return `${keyword === "minLength" ? "at least" : "at most"} ${String(params["limit"])} characters`;
    case "minItems":
    case "maxItems":
      return `${keyword === "minItems" ? "at least" : "at most"} ${String(params["limit"])} items`;
    default:
      return `what its ${keyword} allows`;
  }
}

function formatName(format: string): string {
  switch (format) {
    case textFormats.oneLine:
      return "well-formed text without control characters";
    case textFormats.multiline:
      return "well-formed text without control characters but tabs and line ends";
    case textFormats.any:
      return "well-formed text without NUL";
    case textFormats.short:
      return `text of at most ${defaultLimits.maxArgumentBytes} bytes`;
    default:
      return `text in the format ${format}`;
  }
}

function typeName(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

/** Checks a script's value against a JSON Schema, which ajv compiles. */
import { createRequire } from "node:module";
import type * as AjvModule from "ajv/dist/2020.js";
import type { Ajv2020 } from "ajv/dist/2020.js";
import type { FormatsPlugin } from "ajv-formats";
import { defaultLimits } from "../../limits/limits.js";
import type { JsonSchema, ResultCheck } from "../../model/command.js";
import { compilePattern, PatternBudget, PatternTooSlow } from "../arguments/linear-pattern.js";

/** The output of a script may contain what callers sent, so its patterns are bounded like those of arguments. */
let budget = new PatternBudget();

/** @throws the error of ajv for a schema that is not valid */
export function compileResultSchema(schema: JsonSchema): (value: unknown) => ResultCheck {
  const compiler = nextAjv();
  const validate = compiler.compile(schema);
  compiler.removeSchema(schema);
  return (value) => {
    budget = new PatternBudget();
    try {
      if (validate(value)) return { ok: true, value };
    } catch (error) {
      if (!(error instanceof PatternTooSlow)) throw error;
      const { maxPatternSteps } = defaultLimits;
      return { ok: false, message: `its texts take more than ${maxPatternSteps} steps to compare with their patterns` };
    }
    const [fault] = validate.errors ?? [];
    return { ok: false, message: `${fault?.instancePath ?? ""} ${fault?.message ?? "it does not fit"}`.trim() };
  };
}

let ajv: Ajv2020 | undefined;
let compiled = 0;

/** ajv keeps everything that it ever compiled, and a configuration may be read again many times. */
const schemasOfOneAjv = 100;

function nextAjv(): Ajv2020 {
  if (ajv === undefined || ++compiled % schemasOfOneAjv === 0) ajv = openAjv();
  return ajv;
}

/** This is loaded when the first schema needs it, so a program without schemas does not pay for it at its start. */
function openAjv(): Ajv2020 {
  const require = createRequire(import.meta.url);
  const { Ajv2020: Ajv } = require("ajv/dist/2020.js") as typeof AjvModule;
  const { default: addFormats } = require("ajv-formats") as { default: FormatsPlugin };
  const made = new Ajv({
    // A misspelt keyword would check nothing.
    strict: true,
    strictTypes: false,
    strictTuples: false,
    strictRequired: false,
    // The check stops at the first fault. Otherwise a list of a million wrong items would give a million errors.
    allErrors: false,
    // ajv would write this name into code that is never used.
    code: { regExp: Object.assign(linearRegExp, { code: "linearRegExp" }) },
  });
  addFormats(made);
  return made;
}

function linearRegExp(source: string): { test(text: string): boolean; toString(): string } {
  RegExp(source, "u");
  const pattern = compilePattern(source, false);
  // ajv compares patterns only by their text.
  return { test: (text) => pattern.matches(text, budget), toString: () => source };
}

/** The check of a script's value against a JSON Schema, which ajv compiles. */
import { createRequire } from "node:module";
import type * as AjvModule from "ajv/dist/2020.js";
import type { Ajv2020 } from "ajv/dist/2020.js";
import type { FormatsPlugin } from "ajv-formats";
import { defaultLimits } from "../../limits/limits.js";
import type { JsonSchema, ResultCheck } from "../../model/command.js";
import { compilePattern, PatternBudget, PatternTooSlow } from "../arguments/linear-pattern.js";

/** What callers gave a script may stand in its output, so that its patterns are bounded as those of arguments are. */
let budget = new PatternBudget();

/** @throws what ajv says of a schema that is none */
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

/** ajv keeps all that it ever compiled, and a configuration may be read again many times. */
const schemasOfOneAjv = 100;

function nextAjv(): Ajv2020 {
  if (ajv === undefined || ++compiled % schemasOfOneAjv === 0) ajv = openAjv();
  return ajv;
}

/** Loaded when the first schema wants it: a program without one does not pay for it at its start. */
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
    // The first fault ends the check: a list of a million wrong items would else become a million errors.
    allErrors: false,
    // ajv writes this name into code that it is never asked for.
    code: { regExp: Object.assign(linearRegExp, { code: "linearRegExp" }) },
  });
  addFormats(made);
  return made;
}

function linearRegExp(source: string): { test(text: string): boolean; toString(): string } {
  RegExp(source, "u");
  const pattern = compilePattern(source, false);
  // ajv tells patterns apart by their text alone.
  return { test: (text) => pattern.matches(text, budget), toString: () => source };
}

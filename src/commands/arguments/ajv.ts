/** ajv, loaded when the first schema wants it: a program without one does not pay for it at its start. */
import { createRequire } from "node:module";
import type * as AjvModule from "ajv/dist/2020.js";
import type { Ajv2020, Options } from "ajv/dist/2020.js";
import type { FormatName, FormatsPlugin } from "ajv-formats";

/** @param formats Default: all that there are */
export function openAjv(options: Options, formats?: FormatName[]): Ajv2020 {
  const require = createRequire(import.meta.url);
  const { Ajv2020 } = require("ajv/dist/2020.js") as typeof AjvModule;
  const { default: addFormats } = require("ajv-formats") as { default: FormatsPlugin };
  // The first fault ends the check: a list of a million wrong items would else become a million errors.
  const made = new Ajv2020({ ...options, allErrors: false });
  addFormats(made, formats);
  return made;
}

/** ajv remembers what it compiled, and a configuration may be read again many times. */
export function compileOnce(ajv: Ajv2020, schema: object): ReturnType<Ajv2020["compile"]> {
  const validate = ajv.compile(schema);
  ajv.removeSchema(schema);
  return validate;
}

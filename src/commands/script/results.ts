/** Decides what a script's end and output become: which exit codes are success, and what the value of the call is. */
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { IscepError } from "../../errors.js";
import type { ScriptResult } from "../../model/outcome.js";
import { resultJsonSchema } from "../arguments/schema.js";
import type { JsonSchema, ResultCheck, ScriptResults } from "../../model/command.js";
import type { ValueOfSchema } from "../arguments/schema-value.js";
import { compileResultSchema } from "./result-schema.js";

export const outputForms = ["text", "json", "lines", "none"] as const;
export type OutputForm = (typeof outputForms)[number];

export type ResultSchema = StandardSchemaV1 | JsonSchema;

/** The value of a call of the script. */
export type ValueOfScript<Output, Result> = Output extends "json"
  ? Result extends StandardSchemaV1
    ? StandardSchemaV1.InferOutput<Result>
    : ValueOfSchema<Result>
  : Output extends "lines"
    ? string[]
    : Output extends "none"
      ? null
      : ScriptResult;

export interface ResultsDefinition<Output extends OutputForm, Result extends ResultSchema | undefined> {
  /**
   * What the value of a call is: with `json` the value that standard output has as JSON, with `lines` a list of
   * texts, with `none` null. Default: `text`, a ScriptResult with any exit code.
   */
  readonly output?: Output;
  /** With `output: "json"`: a Standard Schema or a JSON Schema (draft 2020-12) that the value must fit. Default: any JSON. */
  readonly result?: Result;
  /** The exit codes with which a run counts as completed. Default: `[0]`. */
  readonly successCodes?: readonly number[];
}

/** @throws IscepError `configuration`, with the name of the field in `details` */
export function scriptResults(
  name: string,
  { output = "text", result, successCodes }: ResultsDefinition<OutputForm, ResultSchema | undefined>,
): ScriptResults & { readonly resultSchema?: JsonSchema } {
  if (!outputForms.includes(output))
    throw wrong("output", `output of script "${name}" must be one of ${outputForms.join(", ")}`);
  if (successCodes !== undefined && !isListOfCodes(successCodes)) {
    throw wrong("successCodes", `successCodes of script "${name}" must be a list of exit codes, from 0 to 255`);
  }
  if (result !== undefined && output !== "json") {
    throw wrong("result", `script "${name}" has a schema of its result, which is for output: json only`);
  }
  return {
    ...(output === "text" ? {} : { output }),
    ...(successCodes === undefined ? {} : { successCodes: [...successCodes] }),
    ...(result === undefined ? {} : schemaOfResult(name, result)),
  };
}

function isListOfCodes(codes: unknown): boolean {
  if (!Array.isArray(codes) || codes.length === 0) return false;
  return codes.every((code) => Number.isInteger(code) && Number(code) >= 0 && Number(code) <= 255);
}

function schemaOfResult(
  name: string,
  result: ResultSchema,
): Pick<ScriptResults, "checkResult"> & { readonly resultSchema?: JsonSchema } {
  if (!isStandardSchema(result)) return { resultSchema: result, checkResult: compileSchema(name, result) };
  const resultSchema = resultJsonSchema(result);
  return {
    ...(resultSchema === undefined ? {} : { resultSchema }),
    checkResult: (value) => {
      const checked = result["~standard"].validate(value);
      return checked instanceof Promise ? checked.then(readStandard) : readStandard(checked);
    },
  };
}

function isStandardSchema(result: ResultSchema): result is StandardSchemaV1 {
  return "~standard" in result;
}

function readStandard(checked: StandardSchemaV1.Result<unknown>): ResultCheck {
  if (checked.issues === undefined) return { ok: true, value: checked.value };
  return { ok: false, message: checked.issues.map((issue) => issue.message).join("; ") };
}

function compileSchema(name: string, schema: JsonSchema): (value: unknown) => ResultCheck {
  try {
    return compileResultSchema(schema);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw wrong("result", `result of script "${name}" is no JSON Schema of draft 2020-12: ${reason}`, cause);
  }
}

function wrong(field: string, sentence: string, cause?: unknown): IscepError {
  return new IscepError("configuration", sentence, { cause, details: { field } });
}

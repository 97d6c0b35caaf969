/** The ways to fail that a command declares (`errors`), each with a schema of what it tells its caller. */
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { IscepError } from "../errors.js";
import type { CommandContext, JsonSchema } from "../model/command.js";
import { resultJsonSchema } from "./arguments/schema.js";

export type FailureSchemas = Readonly<Record<string, StandardSchemaV1>>;

export interface FailureMaker<Schemas> {
  /**
   * Makes an error to throw, whose reason and data reach the caller: `throw context.failure("sold_out", { left: 0 })`.
   * The message is for people. Default: the reason.
   * @throws Error when the data does not fit its schema, which is the command's own fault and stays in error.log
   */
  failure<Reason extends keyof Schemas & string>(
    reason: Reason,
    data: Schemas[Reason] extends StandardSchemaV1 ? StandardSchemaV1.InferInput<Schemas[Reason]> : never,
    message?: string,
  ): IscepError;
}

/** What a command with these errors gets in addition to its arguments. */
export type ContextWith<Schemas> = Schemas extends FailureSchemas
  ? CommandContext & FailureMaker<Schemas>
  : CommandContext;

/** What a caller gets of each error: its reason, and its data as the schema makes it. */
export type FailuresOf<Schemas> = Schemas extends FailureSchemas
  ? { [Reason in keyof Schemas]: StandardSchemaV1.InferOutput<Schemas[Reason]> }
  : undefined;

const reasonForm = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;

/** For discovery. A schema that JSON Schema cannot tell allows anything there. @throws IscepError `usage` */
export function failureSchemas(command: string, schemas: FailureSchemas): Readonly<Record<string, JsonSchema>> {
  const entries = Object.entries(schemas).map(([reason, schema]): [string, JsonSchema] => {
    if (!reasonForm.test(reason))
      throw new IscepError(
        "usage",
        `errors of "${command}" have names of letters, digits and _, at most 64, and not "${reason}"`,
      );
    if (!isSchema(schema))
      throw new IscepError("usage", `errors of "${command}": "${reason}" needs a Standard Schema of its data`);
    return [reason, resultJsonSchema(schema) ?? {}];
  });
  return Object.freeze(Object.fromEntries(entries));
}

function isSchema(schema: unknown): schema is StandardSchemaV1 {
  return (typeof schema === "object" || typeof schema === "function") && schema !== null && "~standard" in schema;
}

/** The context of a run, and the maker of its failures. Commands take it apart, so each member works by itself. */
export function withFailures(
  context: CommandContext,
  command: string,
  schemas: FailureSchemas,
): CommandContext & FailureMaker<FailureSchemas> {
  return {
    get runId() {
      return context.runId;
    },
    get identity() {
      return context.identity;
    },
    get signal() {
      return context.signal;
    },
    get output() {
      return context.output;
    },
    get stdin() {
      return context.stdin;
    },
    get progress() {
      return context.progress;
    },
    failure: (reason, data, message) => {
      const schema = schemas[reason];
      if (schema === undefined) throw new Error(`"${command}" has no error "${reason}" in its errors`);
      return new IscepError("failed", message ?? `the command failed: ${reason}`, {
        details: { reason, data: checked(schema, data, command, reason) },
      });
    },
  };
}

function checked(schema: StandardSchemaV1, data: unknown, command: string, reason: string): unknown {
  const result = schema["~standard"].validate(data);
  if (result instanceof Promise)
    throw new Error(`the schema of error "${reason}" of "${command}" checks later; use one that checks at once`);
  if (result.issues === undefined) return result.value;
  const issues = result.issues.map((issue) => issue.message).join("; ");
  throw new Error(`the data of error "${reason}" of "${command}" does not fit its own schema: ${issues}`);
}

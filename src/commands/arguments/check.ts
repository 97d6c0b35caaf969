/** Checks a call's arguments: first their names, and then by the schema. It is synchronous when the schema is. */
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { tellIssues, unknownArgument } from "./problems.js";
import type { ArgumentsCheck, JsonSchema } from "../../model/command.js";

type CheckArguments = (args: unknown) => ArgumentsCheck | Promise<ArgumentsCheck>;

/** Each call goes through this, so it makes nothing except its answer. */
export function argumentsChecker(schema: StandardSchemaV1, jsonSchema: JsonSchema): CheckArguments {
  const known = new Set(Object.keys(jsonSchema["properties"] as object));
  const { validate } = schema["~standard"];
  return (given) => {
    const args = given ?? {};
    if (!isPlainObject(args)) return noObject;
    // Names that a polluted prototype adds are refused too.
    for (const name in args) if (!known.has(name)) return { ok: false, message: unknownArgument(name, known) };
    const result = validate(args);
    return result instanceof Promise ? result.then((checked) => toCheck(checked, args)) : toCheck(result, args);
  };
}

export function checkNoArguments(given: unknown): ArgumentsCheck {
  const args = given ?? {};
  if (!isPlainObject(args)) return noObject;
  for (const name in args) return { ok: false, message: unknownArgument(name, noNames) };
  return { ok: true, args };
}

const noObject: ArgumentsCheck = Object.freeze({
  ok: false,
  message: "the arguments must be an object of names and values",
});
const noNames: ReadonlySet<string> = new Set();

function toCheck(result: StandardSchemaV1.Result<unknown>, args: object): ArgumentsCheck {
  return result.issues === undefined
    ? { ok: true, args: result.value }
    : { ok: false, message: tellIssues(result.issues, args) };
}

/**
 * True for an object that is neither an array nor an instance of a class, even when it comes from another realm with
 * its own Object.
 */
function isPlainObject(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null || Object.getPrototypeOf(prototype) === null;
}

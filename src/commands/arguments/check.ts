/** The check of a call's arguments: first their names, then the schema; at once where the schema is synchronous. */
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { tellIssues, unknownArgument } from "./problems.js";
import type { ArgumentsCheck, JsonSchema } from "../../model/command.js";

type CheckArguments = (args: unknown) => ArgumentsCheck | Promise<ArgumentsCheck>;

/** Stands in the way of each call, so it makes nothing but its answer. */
export function argumentsChecker(schema: StandardSchemaV1, jsonSchema: JsonSchema): CheckArguments {
  const known = new Set(Object.keys(jsonSchema["properties"] as object));
  const { validate } = schema["~standard"];
  return (given) => {
    const args = given ?? {};
    if (!isPlainObject(args)) return noObject;
    // Whatever a polluted prototype adds is refused with the rest.
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

/** Neither an array nor an instance of a class; also when it comes from another realm, whose Object is another one. */
function isPlainObject(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null || Object.getPrototypeOf(prototype) === null;
}

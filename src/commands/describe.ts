/**
 * Makes what discovery shows: descriptions with JSON Schema for our own clients, and names of types for those of
 * version 1.
 */
import { IscepError } from "../errors.js";
import { flagsOf, readFlags } from "../model/command-flags.js";
import type { Command, CommandDescription, JsonSchema } from "../model/command.js";

export function describeCommand(command: Command, defaultTimeoutMs: number): CommandDescription {
  return {
    name: command.name,
    description: command.description,
    kind: command.kind,
    args: command.argsSchema,
    ...(command.resultSchema === undefined ? {} : { result: command.resultSchema }),
    ...(command.failureSchemas === undefined ? {} : { errors: command.failureSchemas }),
    timeoutMs: command.timeoutMs ?? defaultTimeoutMs,
    ...(command.stdin === true ? { stdin: true } : {}),
    ...(command.kind === "script" && command.whenOutputIsFull === "truncate" ? { mayBeCut: true } : {}),
    ...(command.kind === "script" && command.terminal !== undefined ? { terminal: true } : {}),
    ...flagsOf(command),
  };
}

// The names of Python's types, as the original sends them.
const version1Names: Readonly<Record<string, string>> = {
  string: "str",
  integer: "int",
  number: "float",
  boolean: "bool",
  object: "dict",
  array: "list",
};
const noVersion1Name = "_empty";

/** `{COMMAND: {ARGUMENT: TYPE}}`, the answer to a version 1 DISCOVER. */
export function describeVersion1(commands: readonly Command[]): Record<string, Record<string, string>> {
  return Object.fromEntries(
    commands.map((command) => [
      command.name,
      // fromEntries makes own keys, even `__proto__`.
      Object.fromEntries(
        Object.entries(propertiesOf(command.argsSchema)).map(([name, schema]) => [name, version1Name(schema)]),
      ),
    ]),
  );
}

function propertiesOf(schema: JsonSchema): Record<string, unknown> {
  const { properties } = schema;
  return isRecord(properties) ? properties : {};
}

function version1Name(schema: unknown): string {
  const type = isRecord(schema) ? schema["type"] : undefined;
  return typeof type === "string" ? (version1Names[type] ?? noVersion1Name) : noVersion1Name;
}

/**
 * Makes descriptions from an original server's answer to DISCOVER, which has only names and types.
 * @throws IscepError `protocol` when it is not such an answer
 */
export function descriptionsFromVersion1(value: unknown): CommandDescription[] {
  if (!isRecord(value)) throw unusable();
  return Object.entries(value).map(([name, args]) => {
    if (!isRecord(args)) throw unusable();
    const properties = Object.entries(args).map(([argument, type]): [string, JsonSchema] => [argument, schemaOf(type)]);
    return {
      name,
      description: "",
      kind: "function",
      args: {
        type: "object",
        properties: Object.fromEntries(properties),
        required: Object.keys(args),
        additionalProperties: false,
      },
      timeoutMs: 0,
    };
  });
}

function schemaOf(version1Type: unknown): JsonSchema {
  const type = Object.keys(version1Names).find((name) => version1Names[name] === version1Type);
  return type === undefined ? {} : { type };
}

/**
 * Descriptions come from the other side, so they are checked. @throws IscepError `protocol` when they are not
 * descriptions
 */
export function readDescriptions(value: unknown): CommandDescription[] {
  if (!Array.isArray(value)) throw unusable();
  return value.map((entry: unknown): CommandDescription => {
    if (!isRecord(entry)) throw unusable();
    const { name, description, kind, args, result, timeoutMs, stdin, terminal, errors, mayBeCut } = entry;
    if (typeof name !== "string" || typeof description !== "string" || !isRecord(args)) throw unusable();
    return {
      name,
      description,
      kind: kind === "script" ? "script" : "function",
      args,
      ...(isRecord(result) ? { result } : {}),
      ...(isRecord(errors) && Object.values(errors).every(isRecord) ? { errors: errors as SchemasByReason } : {}),
      timeoutMs: typeof timeoutMs === "number" ? timeoutMs : 0,
      ...(stdin === true ? { stdin } : {}),
      ...(mayBeCut === true ? { mayBeCut } : {}),
      ...(terminal === true ? { terminal } : {}),
      ...readFlags(entry),
    };
  });
}

type SchemasByReason = NonNullable<CommandDescription["errors"]>;

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function unusable(): IscepError {
  return new IscepError("protocol", "the server's list of commands cannot be read");
}

/** The values of arguments that a command with `logArgs` keeps, for its audit and to run it once more. */
import type { JsonSchema } from "../model/command.js";
import type { KeptArguments } from "../model/run-record.js";
import { maskText, secretValue } from "../model/secrets.js";
import { holdsToken } from "./safe.js";

/**
 * Takes the arguments as they were given, because a caller can give these again, and the defaults of those that were
 * not. Left out, and only named, are secrets, values in which a secret or a token stands, values that are no JSON, and
 * values that find no room in `maxBytes`.
 * @param loggedArgs arguments that the command has accepted, with `secretValue` in place of each secret
 */
export function keepArguments(
  schema: JsonSchema,
  loggedArgs: unknown,
  secrets: readonly string[],
  maxBytes: number,
): KeptArguments {
  const kept: [string, unknown][] = [];
  const omitted: string[] = [];
  let leftBytes = maxBytes;
  for (const [name, value] of [...givenIn(loggedArgs), ...defaultsIn(schema, loggedArgs)]) {
    const text = value === secretValue ? undefined : jsonOf(value);
    const bytes = text === undefined ? 0 : Buffer.byteLength(text) + Buffer.byteLength(name);
    if (text === undefined || bytes > leftBytes || isConfidential(text, secrets)) {
      omitted.push(name);
      continue;
    }
    leftBytes -= bytes;
    // A copy, because the command may change the object that it gets.
    kept.push([name, JSON.parse(text)]);
  }
  return {
    arguments: Object.fromEntries(kept),
    ...(omitted.length === 0 ? {} : { argumentsOmitted: omitted }),
  };
}

function givenIn(args: unknown): [string, unknown][] {
  if (typeof args !== "object" || args === null) return [];
  return Object.entries(args).filter(([, value]) => value !== undefined);
}

function defaultsIn({ properties }: JsonSchema, args: unknown): [string, unknown][] {
  if (typeof properties !== "object" || properties === null) return [];
  const given = new Set(givenIn(args).map(([name]) => name));
  return Object.entries(properties).flatMap(([name, property]: [string, unknown]): [string, unknown][] => {
    if (given.has(name) || typeof property !== "object" || property === null || !("default" in property)) return [];
    return [[name, "writeOnly" in property && property.writeOnly === true ? secretValue : property.default]];
  });
}

/** undefined for what is no JSON. A door passes only JSON, but a schedule is written by a program. */
function jsonOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}

function isConfidential(text: string, secrets: readonly string[]): boolean {
  // Only the secrets of this call count: what its caller sees must not tell of the secrets of others.
  return holdsToken(text) || maskText(text, secrets) !== text;
}

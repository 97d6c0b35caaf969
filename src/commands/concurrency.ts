/** Checks the concurrency in a definition, and makes it ready for use. */
import { IscepError } from "../errors.js";
import { limitTable } from "../limits/limits.js";
import type { CommandConcurrency, JsonSchema, WhenFull } from "../model/command.js";
import { didYouMean } from "../text/near-name.js";

export interface ConcurrencyDefinition<Args = Readonly<Record<string, unknown>>> {
  /** How many runs of each key go on at once. */
  readonly limit: number;
  /**
   * How runs are counted separately: `"{world}"`, or a function of the checked arguments. Runs with the same key count
   * together. Default: all runs of the command count together.
   */
  readonly key?: string | ((args: Args) => string);
  /** What happens to one more call. Default: `queue`. */
  readonly whenFull?: WhenFull;
  /** How many calls of one key may wait or join. Default: the server's `maxQueuedRunsPerKey`. */
  readonly maxQueued?: number;
}

export const waysWhenFull: readonly WhenFull[] = ["queue", "reject", "replace", "join"];
const keysOfConcurrency = ["limit", "key", "whenFull", "maxQueued"] as const;

/** @throws IscepError `usage`, with `field: "concurrency"` in `details` */
export function compileConcurrency<Args>(
  name: string,
  definition: ConcurrencyDefinition<Args>,
  argsSchema: JsonSchema,
): CommandConcurrency {
  const wrong = (sentence: string): IscepError =>
    new IscepError("usage", `concurrency of "${name}": ${sentence}`, { details: { field: "concurrency" } });
  if (typeof definition !== "object" || definition === null) throw wrong("must be an object such as { limit: 1 }");
  const unknown = Object.keys(definition).find((key) => !keysOfConcurrency.some((known) => known === key));
  if (unknown !== undefined) throw wrong(`there is no "${unknown}"${didYouMean(unknown, keysOfConcurrency)}`);
  const { limit, key, whenFull = "queue", maxQueued } = definition;
  if (!isWhole(limit, 1, limitTable.maxRuns.max))
    throw wrong(`limit must be a whole number from 1 to ${limitTable.maxRuns.max}: the runs that go on at once`);
  if (!waysWhenFull.includes(whenFull)) throw wrong(`whenFull must be one of ${waysWhenFull.join(", ")}`);
  if (maxQueued !== undefined) {
    if (whenFull === "reject" || whenFull === "replace")
      throw wrong(`maxQueued has no meaning where whenFull is ${whenFull}; leave it out`);
    if (!isWhole(maxQueued, 0, limitTable.maxQueuedRuns.max))
      throw wrong(`maxQueued must be a whole number from 0 to ${limitTable.maxQueuedRuns.max}`);
  }
  return Object.freeze({
    limit,
    whenFull,
    ...(maxQueued === undefined ? {} : { maxQueued }),
    key: compileKey(key, argsSchema, wrong),
  });
}

function isWhole(value: unknown, min: number, max: number): boolean {
  return typeof value === "number" && Number.isInteger(value) && value >= min && value <= max;
}

function compileKey(
  key: unknown,
  argsSchema: JsonSchema,
  wrong: (sentence: string) => IscepError,
): (args: unknown) => string {
  if (key === undefined) return () => "";
  if (typeof key === "function") return (args) => checkedKey((key as (args: unknown) => unknown)(args));
  if (typeof key !== "string") throw wrong('key must be a template such as "{world}", or a function of the arguments');
  const names = [...key.matchAll(/\{([^{}]*)\}/g)].map((match) => match[1] ?? "");
  if (names.length === 0) throw wrong(`key "${key}" names no argument, so that it is the same for all; leave it out`);
  const { properties } = argsSchema;
  const known = typeof properties === "object" && properties !== null ? Object.keys(properties) : [];
  const missing = names.find((argument) => !known.includes(argument));
  if (missing !== undefined) {
    throw wrong(`key uses argument "${missing}", and there is none of that name${didYouMean(missing, known)}`);
  }
  // The key is JSON, so that one value cannot look like two: ("a-b", "c") and ("a", "b-c") are different keys for
  // "{x}-{y}".
  return (args) => JSON.stringify(names.map((argument) => memberOf(args, argument) ?? null));
}

function memberOf(args: unknown, name: string): unknown {
  return typeof args === "object" && args !== null && Object.hasOwn(args, name) ? Reflect.get(args, name) : undefined;
}

function checkedKey(key: unknown): string {
  if (typeof key === "string") return key;
  throw new TypeError(`the concurrency key of a command must be a string, not ${typeof key}`);
}

/**
 * The keys of iscep.yaml are declared in tables. The reading, the JSON Schema for editors, and the tables of
 * docs/CONFIGURATION.md follow from them, so a key is added in one place.
 */
import type { JsonSchema } from "../model/command.js";
import type { ConfigurationProblems } from "./problems.js";
import type { YamlValue } from "./yaml-source.js";

export interface ReadContext {
  /** The folder of the file. Paths in the file are relative to it. */
  readonly folder: string;
  readonly problems: ConfigurationProblems;
  /** For each path that the file names, its place in the file. */
  readonly places: Map<string, string>;
  /** For each command that was read, its text in the file. */
  readonly texts: Map<string, string>;
}

/** What a value may be, for people, for editors, and for the reader. */
export interface ValueKind<Value> {
  /** Such as `a duration`. */
  readonly words: string;
  /** The schema of the value as YAML gives it, in draft 7. */
  readonly schema: JsonSchema;
  /** @throws IscepError `configuration` with the place of the fault */
  read(value: YamlValue, context: ReadContext): Value;
}

interface Key<Field extends string, Value> {
  /** Its name in TypeScript. */
  readonly field: Field;
  readonly kind: ValueKind<Value>;
  /** A sentence for the documents and for editors. */
  readonly says: string;
  /** What counts when the key is left out. Default: "nothing". */
  readonly default?: string;
  /** For a required key, the text that says what to write. */
  readonly required?: string;
}

/** The keys by their names in the file. They are read into `Target`, in which undefined is never a value. */
export type KeyTable<Target> = Readonly<
  Record<
    string,
    { [Field in keyof Target & string]-?: Key<Field, Exclude<Target[Field], undefined>> }[keyof Target & string]
  >
>;

/** Any table of keys, for the schema and the documents. */
export type AnyKeyTable = Readonly<Record<string, Key<string, unknown>>>;

/**
 * Reads a map with the keys of the table. Faults of single keys go to the problems, and these keys are missing in the
 * result.
 * @param later keys that this version does not know yet, but a later one will
 * @param place the place of the fault when a key is missing
 */
export function readKeys<Target>(
  fields: ReadonlyMap<string, YamlValue>,
  keys: KeyTable<Target>,
  context: ReadContext,
  place: YamlValue,
  what = place.what,
): Partial<Target> {
  const target: Record<string, unknown> = {};
  for (const [name, { field, kind, required }] of Object.entries(keys)) {
    context.problems.attempt(() => {
      const value = fields.get(name);
      if (value !== undefined) target[field] = kind.read(value, context);
      else if (required !== undefined) throw place.error(`${what} needs \`${name}\`: ${required}`);
    });
  }
  // The type of the table guarantees that each kind reads what its field in the target holds.
  return target as Partial<Target>;
}

/** A map of our keys within another one, such as `{ cert: FILE, key: FILE }`. */
export function mapOf<Target>(words: string, keys: KeyTable<Target>): ValueKind<Partial<Target>> {
  return {
    words,
    schema: mapSchema(keys),
    read(value, context) {
      const fields = value.fields(Object.keys(keys), context.problems);
      return readKeys<Target>(fields, keys, context, value);
    },
  };
}

export function mapSchema(keys: AnyKeyTable): JsonSchema {
  const entries = Object.entries(keys);
  const required = entries.filter(([, key]) => key.required !== undefined).map(([name]) => name);
  return {
    type: "object",
    properties: Object.fromEntries(
      entries.map(([name, { kind, says, default: fallback }]) => [
        name,
        { ...kind.schema, description: fallback === undefined ? says : `${says} Default: ${fallback}.` },
      ]),
    ),
    ...(required.length === 0 ? {} : { required }),
    additionalProperties: false,
  };
}

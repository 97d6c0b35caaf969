/**
 * The keys of iscep.yaml are declared in tables. From a table follow the reading, the JSON Schema that editors use, and
 * the tables of docs/CONFIGURATION.md; so a key is added in one place.
 */
import type { JsonSchema } from "../model/command.js";
import type { ConfigurationProblems } from "./problems.js";
import type { YamlValue } from "./yaml-source.js";

export interface ReadContext {
  /** Of the file: paths in it are relative to it. */
  readonly folder: string;
  readonly problems: ConfigurationProblems;
  /** Where each path of the file stands in it, by what it leads to. */
  readonly places: Map<string, string>;
}

/** What a value may be: for people, for editors, and for the reader. */
export interface ValueKind<Value> {
  /** Such as `a duration`. */
  readonly words: string;
  /** Of the value as YAML gives it, draft 7. */
  readonly schema: JsonSchema;
  /** @throws IscepError `configuration` with the place of what is wrong */
  read(value: YamlValue, context: ReadContext): Value;
}

interface Key<Field extends string, Value> {
  /** What it is called in TypeScript. */
  readonly field: Field;
  readonly kind: ValueKind<Value>;
  /** A sentence for the documentation, and for the editor. */
  readonly says: string;
  /** What counts where the key is left out; without it that is "nothing". */
  readonly default?: string;
  /** The key may not be left out; the text says what to write. */
  readonly required?: string;
}

/** By the names that stand in the file. `Target` is what they are read into; undefined is never a value of it. */
export type KeyTable<Target> = Readonly<
  Record<
    string,
    { [Field in keyof Target & string]-?: Key<Field, Exclude<Target[Field], undefined>> }[keyof Target & string]
  >
>;

/** A table of which nothing is known but that it is one: for the schema and the documentation. */
export type AnyKeyTable = Readonly<Record<string, Key<string, unknown>>>;

/**
 * Reads a map whose keys are those of the table. What is wrong with single keys goes to the problems, and they are then
 * missing in the result.
 * @param later keys that this version does not know yet, and a later one will
 * @param place of the complaint that a key is missing
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
  // The table's type says of each field that its kind reads what the target holds there.
  return target as Partial<Target>;
}

/** A map of keys of ours within another one, such as `{ cert: FILE, key: FILE }`. */
export function mapOf<Target>(words: string, keys: KeyTable<Target>): ValueKind<Partial<Target>> {
  return {
    words,
    schema: mapSchema(keys),
    read(value, context) {
      const fields = value.fields(Object.keys(keys), [], context.problems);
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

/** Arguments as data: the words of `declareArguments` and of iscep.yaml, and the TypeScript types that follow from them. */

interface CommonDeclaration {
  /** For discovery, and for `iscep call COMMAND --help`. */
  readonly description?: string;
}

interface StringDeclaration extends CommonDeclaration {
  readonly type: "string";
  /** A regular expression (with the flag u) that the whole text has to match. */
  readonly pattern?: string;
  readonly format?: StringFormat;
  /** In characters (code points). */
  readonly minLength?: number;
  readonly maxLength?: number;
  /** Default false: no control characters at all. True allows tab, line feed and carriage return. */
  readonly multiline?: boolean;
}

/** No `uri`: it lets file: and more through (GHSA-45pc-w4ph-hrq4). Say what is meant in a pattern. */
export const stringFormats = [
  "date",
  "date-time",
  "duration",
  "email",
  "hostname",
  "ipv4",
  "ipv6",
  "time",
  "uuid",
] as const;
type StringFormat = (typeof stringFormats)[number];

interface NumberDeclaration extends CommonDeclaration {
  /** `integer` is within ±(2^53 - 1). */
  readonly type: "integer" | "number";
  readonly minimum?: number;
  readonly maximum?: number;
}

interface BooleanDeclaration extends CommonDeclaration {
  readonly type: "boolean";
}

interface EnumDeclaration extends CommonDeclaration {
  readonly type: "enum";
  readonly values: readonly [string, ...string[]] | readonly string[];
}

export type ItemDeclaration = StringDeclaration | NumberDeclaration | BooleanDeclaration | EnumDeclaration;

interface ListDeclaration extends CommonDeclaration {
  readonly type: "list";
  readonly items: ItemDeclaration;
  readonly minItems?: number;
  readonly maxItems?: number;
}

/** What an argument is when the caller leaves it out: its default, or nothing at all. Without either it is required. */
interface Absence<Value> {
  readonly default?: Value;
  readonly optional?: boolean;
}

export type ArgumentDeclaration =
  | (StringDeclaration & Absence<string>)
  | (NumberDeclaration & Absence<number>)
  | (BooleanDeclaration & Absence<boolean>)
  | (EnumDeclaration & Absence<string>)
  | (ListDeclaration & Absence<readonly (string | number | boolean)[]>);

export type ArgumentDeclarations = Readonly<Record<string, ArgumentDeclaration>>;

const itemKeys = {
  string: ["type", "description", "pattern", "format", "minLength", "maxLength", "multiline"],
  integer: ["type", "description", "minimum", "maximum"],
  number: ["type", "description", "minimum", "maximum"],
  boolean: ["type", "description"],
  enum: ["type", "description", "values"],
} as const;

/** What may be said of an item of a list, by its type. */
export const keysOfItem: Readonly<Record<string, readonly string[]>> = itemKeys;

/** What may be said of an argument, by its type. */
export const keysOfArgument: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  [...Object.entries(itemKeys), ["list", ["type", "description", "items", "minItems", "maxItems"]] as const].map(
    ([type, keys]) => [type, [...keys, "default", "optional"]],
  ),
);

type ValueOf<Declaration> = Declaration extends { readonly type: "string" }
  ? string
  : Declaration extends { readonly type: "integer" | "number" }
    ? number
    : Declaration extends { readonly type: "boolean" }
      ? boolean
      : Declaration extends { readonly type: "enum"; readonly values: readonly (infer Value)[] }
        ? Value
        : Declaration extends { readonly type: "list"; readonly items: infer Item }
          ? ValueOf<Item>[]
          : never;

type HasDefault<Declaration> = Declaration extends { readonly default: string | number | boolean | readonly unknown[] }
  ? true
  : false;
type IsOptional<Declaration> = Declaration extends { readonly optional: true } ? true : false;

type NamesThatMayMiss<Declarations> = {
  [Name in keyof Declarations]: true extends HasDefault<Declarations[Name]> | IsOptional<Declarations[Name]>
    ? Name
    : never;
}[keyof Declarations];

type NamesThatStayAway<Declarations> = {
  [Name in keyof Declarations]: HasDefault<Declarations[Name]> extends true
    ? never
    : IsOptional<Declarations[Name]> extends true
      ? Name
      : never;
}[keyof Declarations];

type WithOptional<Declarations, Optional> = Flat<
  { -readonly [Name in Exclude<keyof Declarations, Optional>]: ValueOf<Declarations[Name]> } & {
    -readonly [Name in Extract<keyof Declarations, Optional>]?: ValueOf<Declarations[Name]>;
  }
>;

type Flat<Value> = { [Key in keyof Value]: Value[Key] };

/** What a caller passes. */
export type DeclaredInput<Declarations> = WithOptional<Declarations, NamesThatMayMiss<Declarations>>;

/** What the command gets: defaults are filled in. */
export type DeclaredOutput<Declarations> = WithOptional<Declarations, NamesThatStayAway<Declarations>>;

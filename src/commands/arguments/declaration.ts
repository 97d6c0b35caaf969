/** Arguments as data: the words of `declareArguments` and of iscep.yaml, and the TypeScript types that follow from them. */

interface CommonDeclaration {
  /** For discovery, and for `iscep call COMMAND --help`. */
  readonly description?: string;
}

/**
 * What else a value may hold: `dash` at its beginning, where a program may take it for an option; `control` characters
 * of all kinds. NUL and halves of surrogate pairs reach no program, and are always refused.
 */
export const allowances = ["dash", "control"] as const;
type Allowance = (typeof allowances)[number];

/** Texts, or the command of the same server that gives them: its result is a list of texts, or it prints one a line. */
type Choices = readonly string[] | { readonly from: string };

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
  readonly choices?: Choices;
  readonly allow?: readonly Allowance[];
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
  readonly allow?: readonly "dash"[];
}

interface BooleanDeclaration extends CommonDeclaration {
  readonly type: "boolean";
}

interface EnumCommon extends CommonDeclaration {
  readonly type: "enum";
  readonly allow?: readonly "dash"[];
}

type EnumDeclaration =
  | (EnumCommon & { readonly values: readonly string[]; readonly choices?: never })
  | (EnumCommon & { readonly choices: Choices; readonly values?: never });

/** Whether a path has to be there, must not be there yet, or may be either. */
export const presences = ["existing", "new", "either"] as const;

export const pathKinds = ["file", "folder"] as const;

interface PathDeclaration extends CommonDeclaration {
  readonly type: "path";
  /** The folder that it lies in, below it, wherever links lead. The command gets the whole path, without links. */
  readonly base: string;
  /** Default: existing. What is new lies in a folder that exists. */
  readonly presence?: (typeof presences)[number];
  /** Of what exists. Default: either. */
  readonly kind?: (typeof pathKinds)[number];
}

/** Its value goes to a script by standard input or a descriptor only, and appears in no log and no output. */
interface SecretDeclaration extends CommonDeclaration {
  readonly type: "secret";
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly multiline?: boolean;
}

export type ItemDeclaration =
  StringDeclaration | NumberDeclaration | BooleanDeclaration | EnumDeclaration | PathDeclaration;

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
  | (PathDeclaration & Absence<string>)
  // Whoever may list would see its default.
  | (SecretDeclaration & Absence<never>)
  | (ListDeclaration & Absence<readonly (string | number | boolean)[]>);

export type ArgumentDeclarations = Readonly<Record<string, ArgumentDeclaration>>;

const itemKeys = {
  string: ["type", "description", "pattern", "format", "minLength", "maxLength", "multiline", "choices", "allow"],
  integer: ["type", "description", "minimum", "maximum", "allow"],
  number: ["type", "description", "minimum", "maximum", "allow"],
  boolean: ["type", "description"],
  enum: ["type", "description", "values", "choices", "allow"],
  path: ["type", "description", "base", "presence", "kind"],
} as const;

/** What may be said of an item of a list, by its type. */
export const keysOfItem: Readonly<Record<string, readonly string[]>> = itemKeys;

/** What may be said of an argument, by its type. */
export const keysOfArgument: Readonly<Record<string, readonly string[]>> = {
  ...Object.fromEntries(Object.entries(itemKeys).map(([type, keys]) => [type, [...keys, "default", "optional"]])),
  list: ["type", "description", "items", "minItems", "maxItems", "default", "optional"],
  secret: ["type", "description", "pattern", "minLength", "maxLength", "multiline", "optional"],
};

type ValueOf<Declaration> = Declaration extends {
  readonly type: "string" | "enum";
  readonly choices: readonly (infer Value)[];
}
  ? Value
  : ValueByType<Declaration>;

type ValueByType<Declaration> = Declaration extends { readonly type: "string" | "path" | "secret" }
  ? string
  : Declaration extends { readonly type: "integer" | "number" }
    ? number
    : Declaration extends { readonly type: "boolean" }
      ? boolean
      : Declaration extends { readonly type: "enum"; readonly values: readonly (infer Value)[] }
        ? Value
        : Declaration extends { readonly type: "enum" }
          ? string
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

/**
 * Arguments as data: the words of `declareArguments` and iscep.yaml, and the TypeScript types that follow from them.
 */

interface CommonDeclaration {
  /** The description, for discovery and for `iscep call COMMAND --help`. */
  readonly description?: string;
}

/**
 * What a value may have in addition: `dash` allows a - at its beginning, where a program could take it for an option;
 * `control` allows control characters of all kinds. NUL and halves of surrogate pairs are always refused, because they
 * cannot reach a program.
 */
export const allowances = ["dash", "control"] as const;
type Allowance = (typeof allowances)[number];

/**
 * Texts, or the command of the same server that gives them. Its result is a list of texts, or it prints one text on
 * each line.
 */
export type Choices = readonly string[] | { readonly from: string };

interface StringDeclaration extends CommonDeclaration {
  readonly type: "string";
  /** A regular expression (with the flag u) that the whole text must match. It cannot refer back to a group. */
  readonly pattern?: string;
  readonly format?: StringFormat;
  /** The length in characters (code points). */
  readonly minLength?: number;
  readonly maxLength?: number;
  /** true allows tab, line feed and carriage return. Default: false, so no control characters. */
  readonly multiline?: boolean;
  readonly choices?: Choices;
  readonly allow?: readonly Allowance[];
}

/**
 * An example of each format. There is no `uri`, because it accepts file: and more (GHSA-45pc-w4ph-hrq4). Use a pattern
 * for that.
 */
export const formatExamples = {
  date: "2026-01-31",
  "date-time": "2026-01-31T10:30:00Z",
  duration: "P1DT12H",
  email: "name@example.org",
  hostname: "www.example.org",
  ipv4: "192.0.2.1",
  ipv6: "2001:db8::1",
  time: "10:30:00Z",
  uuid: "0190163d-8694-739b-aea5-966c26f8ad91",
} as const;

export type StringFormat = keyof typeof formatExamples;

export const stringFormats = Object.keys(formatExamples) as StringFormat[];

interface NumberDeclaration extends CommonDeclaration {
  /** An `integer` is within ±(2^53 - 1). */
  readonly type: "integer" | "number";
  readonly minimum?: number;
  readonly maximum?: number;
  readonly allow?: readonly "dash"[];
}

interface BooleanDeclaration extends CommonDeclaration {
  readonly type: "boolean";
}

interface EnumDeclaration extends CommonDeclaration {
  readonly type: "enum";
  readonly choices: Choices;
  readonly allow?: readonly "dash"[];
}

/** Whether a path must exist, must not exist yet, or may do either. */
export const presences = ["existing", "new", "either"] as const;

export const pathKinds = ["file", "folder"] as const;

interface PathDeclaration extends CommonDeclaration {
  readonly type: "path";
  /** The folder that the path must be below, wherever links lead. The command gets the whole path, without links. */
  readonly base: string;
  /** The folder of a new path must exist. Default: existing. */
  readonly presence?: (typeof presences)[number];
  /** What an existing path must be. Default: either. */
  readonly kind?: (typeof pathKinds)[number];
}

/** Its value reaches a script only by standard input or a descriptor, and appears in no log and no output. */
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

/** What an absent argument becomes: its default, or nothing. Without either, it is required. */
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
  // Everybody who may list commands would see its default.
  | (SecretDeclaration & Absence<never>)
  | (ListDeclaration & Absence<readonly (string | number | boolean)[]>);

export type ArgumentDeclarations = Readonly<Record<string, ArgumentDeclaration>>;

type ValueOf<Declaration> = Declaration extends {
  readonly type: "string" | "enum";
  readonly choices: readonly (infer Value)[];
}
  ? Value
  : ValueByType<Declaration>;

type ValueByType<Declaration> = Declaration extends { readonly type: "string" | "enum" | "path" | "secret" }
  ? string
  : Declaration extends { readonly type: "integer" | "number" }
    ? number
    : Declaration extends { readonly type: "boolean" }
      ? boolean
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

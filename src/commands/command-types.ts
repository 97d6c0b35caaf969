/** From `typeof commands` to the names, arguments and results that a client's calls have. */
import type { Command, CommandSet } from "./command.js";

/** The commands of a set as a union. Other members of a record (a module has some) are passed over. */
type Members<Commands> = Extract<
  Commands extends readonly (infer Member)[] ? Member : Commands[keyof Commands],
  { readonly kind: string; readonly name: string }
>;

/** A set whose names are not known to the compiler allows any. */
type IsUntyped<Commands> = Command extends Members<Commands> ? true : false;

export type NameOf<Commands extends CommandSet> = IsUntyped<Commands> extends true ? string : Members<Commands>["name"];

type Named<Commands, Name> = Extract<Members<Commands>, { readonly name: Name }>;

export type InputOf<Commands extends CommandSet, Name> = IsUntyped<Commands> extends true
  ? Readonly<Record<string, unknown>>
  : NonNullable<Named<Commands, Name>["types"]>["input"];

export type ResultOf<Commands extends CommandSet, Name> = IsUntyped<Commands> extends true
  ? unknown
  : OverTheWire<NonNullable<Named<Commands, Name>["types"]>["result"]>;

/** A function that returns nothing answers null. */
type OverTheWire<Result> = [Result] extends [void | undefined] ? null : Result;

/** Arguments may be left out when none is required. */
export type CallArguments<Commands extends CommandSet, Name, Options> = Record<string, never> extends InputOf<Commands, Name>
  ? [args?: InputOf<Commands, Name>, options?: Options]
  : [args: InputOf<Commands, Name>, options?: Options];

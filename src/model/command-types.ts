/**
 * Makes the names, arguments and results of a client's calls from `typeof commands`. `Commands` is an array or a record
 * of commands, or a module. Other exports of a module are ignored.
 */
import type { Jsonify } from "./jsonify.js";

/** What every command has. It is looser than `Command`, so that the compiler does not compare schemas. */
interface AnyCommand {
  readonly kind: "function" | "script";
  readonly name: string;
  readonly types?: { readonly input: unknown; readonly result: unknown; readonly failures?: unknown };
}

type MemberOf<Set> = Set extends readonly (infer Member)[] ? Member : Set extends object ? Set[keyof Set] : never;

/** The commands of a set, as a union. As in `serve`, arrays and records within a module count too. */
type CommandOf<Commands> = Found<MemberOf<Commands>>;
type Found<Member> = Member extends AnyCommand
  ? Member
  : Member extends (...args: never) => unknown
    ? never
    : Extract<MemberOf<Member>, AnyCommand>;

/**
 * When the compiler does not know the names of a set, such as `Command[]`, any name is allowed. When it is no set at
 * all, no name is allowed.
 */
type IsUntyped<Commands> = [CommandOf<Commands>] extends [never]
  ? false
  : string extends CommandOf<Commands>["name"]
    ? true
    : false;

export type NameOf<Commands> = IsUntyped<Commands> extends true ? string : CommandOf<Commands>["name"];

type TypesOf<Commands, Name> = NonNullable<Extract<CommandOf<Commands>, { readonly name: Name }>["types"]>;

/** What a caller passes to a command, before its schema converts it. */
export type InputOf<Commands, Name extends NameOf<Commands>> =
  IsUntyped<Commands> extends true ? object : TypesOf<Commands, Name>["input"];

/** The result of a call, as JSON makes it. It is null for a function that returns nothing. */
export type ResultOf<Commands, Name extends NameOf<Commands>> =
  IsUntyped<Commands> extends true ? unknown : OverTheWire<TypesOf<Commands, Name>["result"]>;

type OverTheWire<Result> = unknown extends Result
  ? Result
  : [Result] extends [void | undefined]
    ? null
    : Jsonify<Exclude<Result, void | undefined>> | (undefined extends Result ? null : never);

/** What a command says when it fails in one of the ways that its `errors` declare: a union over these. */
export type FailureOf<Commands, Name extends NameOf<Commands>> =
  IsUntyped<Commands> extends true
    ? { readonly reason: string; readonly data: unknown }
    : FailuresIn<TypesOf<Commands, Name>>;

type FailuresIn<Types> = Types extends { readonly failures?: infer Failures }
  ? {
      [Reason in keyof Failures]-?: { readonly reason: Reason; readonly data: Jsonify<Failures[Reason]> };
    }[keyof Failures]
  : never;

/** The parameters of a call after the name. The arguments may be left out when none is required. */
export type CallArguments<Commands, Name extends NameOf<Commands>, Options> =
  Record<string, never> extends InputOf<Commands, Name>
    ? [args?: InputOf<Commands, Name>, options?: Options]
    : [args: InputOf<Commands, Name>, options?: Options];

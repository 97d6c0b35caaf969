import { realpath } from "node:fs/promises";
import path from "node:path";
import type { StandardJSONSchemaV1, StandardSchemaV1 } from "@standard-schema/spec";
import { IscepError } from "../../errors.js";
import { givenValue } from "./text.js";
import type { ArgumentPaths, ArgumentsCheck, PathNames } from "../../model/command.js";
import { checkDeclaration } from "./declaration-check.js";
import { argumentsSchema } from "./declaration-schema.js";
import type { ArgumentDeclaration, ArgumentDeclarations, DeclaredInput, DeclaredOutput } from "./declaration.js";
import { declaredCheck, declaredIssue } from "./declared-check.js";
import { declaredPath, faultByNow, resolveInside, type DeclaredPath } from "./path-argument.js";

/** A Standard Schema that also has Standard JSON Schema. */
export interface DeclaredArguments<Input, Output> {
  readonly "~standard": StandardSchemaV1.Props<Input, Output> & StandardJSONSchemaV1.Props<Input, Output>;
}

/**
 * Arguments declared as data, in the words of iscep.yaml, for `args` of `defineCommand` and `defineScript`:
 *
 *     declareArguments({
 *       world: { type: "string", pattern: "[a-z0-9_-]+", default: "world" },
 *       count: { type: "integer", minimum: 1, maximum: 9 },
 *       mode: { type: "enum", choices: ["fast", "full"] },
 *       names: { type: "list", items: { type: "string" }, maxItems: 20, optional: true },
 *       target: { type: "path", base: "archives", presence: "new" },
 *       password: { type: "secret" },
 *     })
 *
 * Types: string, integer, number, boolean, enum, path, list, secret. An argument without `default` and without `optional`
 * is required. Strings hold no control characters, are well-formed Unicode and at most 64 KiB; patterns match the whole text.
 * @param options.folder what the base folders of paths are relative to; default: the folder of this process
 * @throws IscepError `usage` for a declaration that cannot be meant, such as a default that does not fit.
 */
export function declareArguments<const Declarations extends ArgumentDeclarations>(
  declarations: Declarations,
  options: { readonly folder?: string } = {},
): DeclaredArguments<DeclaredInput<Declarations>, DeclaredOutput<Declarations>> {
  checkRecord(declarations);
  const declared = Object.entries<ArgumentDeclaration>(declarations);
  for (const [name, declaration] of declared) checkDeclaration(name, declaration);
  const jsonSchema = argumentsSchema(declared);
  const folder = path.resolve(options.folder ?? "");
  const paths = declared.flatMap(([name, declaration]) => declaredPath(name, declaration, folder) ?? []);
  const validate = validator(declared, paths);
  const converter = { input: () => jsonSchema, output: () => jsonSchema };
  const schema: DeclaredArguments<DeclaredInput<Declarations>, DeclaredOutput<Declarations>> = {
    "~standard": {
      version: 1,
      vendor: "iscep",
      // Types and check both follow from the declarations.
      validate: validate as StandardSchemaV1<unknown, DeclaredOutput<Declarations>>["~standard"]["validate"],
      jsonSchema: converter,
    },
  };
  if (paths.length > 0) pathsOfSchemas.set(schema, paths);
  return schema;
}

const pathsOfSchemas = new WeakMap<object, readonly DeclaredPath[]>();

/**
 * For a command with this schema: checks the paths of checked arguments again, because a run may begin long after its
 * call. Nothing when the schema declares no paths.
 */
export function pathsMember(schema: object | undefined): { paths?: ArgumentPaths } {
  const paths = schema === undefined ? undefined : pathsOfSchemas.get(schema);
  if (paths === undefined) return {};
  const bases = paths.map(({ name, declaration: { base } }) => ({ argument: name, base }));
  return {
    paths: {
      bases,
      checkAgain: (args) => checkAgain(args, paths),
      newPaths: (args) => newPaths(args, paths),
      namesOf: (args) => namesOf(args, paths),
    },
  };
}

async function namesOf(args: unknown, paths: readonly DeclaredPath[]): Promise<PathNames> {
  const names = new Map<string, string[][]>();
  for (const { name, declaration } of paths) {
    const resolved = pathsOf(args, name);
    if (resolved.length === 0) continue;
    // A base that is gone since the check of the arguments is found missing once more when the run begins.
    const base = await realpath(declaration.base).catch(() => declaration.base);
    names.set(
      name,
      resolved.map((found) => {
        const below = path.relative(base, found);
        return [below, path.join(declaration.base, below)];
      }),
    );
  }
  return names;
}

function newPaths(args: unknown, paths: readonly DeclaredPath[]): string[] {
  return paths.filter(({ declaration }) => declaration.presence === "new").flatMap(({ name }) => pathsOf(args, name));
}

/** One text, or the texts of a list. */
function pathsOf(args: unknown, name: string): string[] {
  const given = typeof args === "object" && args !== null ? givenValue(args, name) : undefined;
  return (Array.isArray(given) ? (given as unknown[]) : [given]).filter((item) => typeof item === "string");
}

async function checkAgain(args: unknown, paths: readonly DeclaredPath[]): Promise<ArgumentsCheck> {
  for (const { name, declaration } of paths) {
    for (const resolved of pathsOf(args, name)) {
      const expected = await faultByNow(resolved, declaration);
      if (expected !== undefined)
        return {
          ok: false,
          message: `argument "${name}": changed between the call and the run's beginning; expected ${expected}`,
        };
    }
  }
  return { ok: true, args };
}

/** In a program, `{ __proto__: … }` sets the prototype, and would look like a declaration of nothing. */
function checkRecord(declarations: unknown): void {
  const prototype: unknown =
    typeof declarations === "object" && declarations !== null ? Object.getPrototypeOf(declarations) : undefined;
  const plain = prototype === null || (typeof prototype === "object" && Object.getPrototypeOf(prototype) === null);
  if (!plain || Array.isArray(declarations)) {
    throw new IscepError(
      "usage",
      "arguments are declared as an object of names and declarations, and none can be named __proto__",
    );
  }
}

type ArgsResult = StandardSchemaV1.Result<Record<string, unknown>>;

/** The check is synchronous when there is no path, because only paths need the system. */
function validator(
  declared: readonly (readonly [string, ArgumentDeclaration])[],
  paths: readonly DeclaredPath[],
): (value: unknown) => ArgsResult | Promise<ArgsResult> {
  const check = declaredCheck(declared);
  const names = declared.map(([name]) => name);
  const known = new Set(names);
  const defaults = declared.map(([, declaration]) => declaration.default);
  for (const [name, declaration] of declared) checkDefault(name, declaration);
  return (value) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      return { issues: [{ message: "expected an object of names and values" }] };
    }
    // A copy with only the declared names, so that a default never appears in the caller's own object or on its prototype.
    const args: Record<string, unknown> = {};
    for (let index = 0; index < names.length; index++) {
      const name = names[index] as string;
      // Reflect.get would take longer than the rest of the copy.
      const given: unknown = Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
      if (given !== undefined) {
        args[name] = given;
      } else {
        const fallback = defaults[index];
        if (fallback !== undefined) args[name] = Array.isArray(fallback) ? [...(fallback as unknown[])] : fallback;
      }
    }
    for (const name in value) {
      if (!known.has(name)) {
        return { issues: [{ message: "there is no such argument", path: [name] }] };
      }
    }
    const issue = check(args);
    if (issue !== undefined) return { issues: [issue] };
    return paths.length === 0 ? { value: args } : withResolvedPaths(args, paths);
  };
}

/** Paths are checked one after the other, so that a list of them takes only one of the threads that read files. */
async function withResolvedPaths(args: Record<string, unknown>, paths: readonly DeclaredPath[]): Promise<ArgsResult> {
  for (const { name, isList, declaration } of paths) {
    const given = args[name];
    if (given === undefined) continue;
    const resolved: string[] = [];
    for (const [index, text] of (isList ? (given as string[]) : [given as string]).entries()) {
      const result = await resolveInside(text, declaration);
      if ("expected" in result)
        return { issues: [declaredIssue(result.expected, text, isList ? [name, index] : [name])] };
      resolved.push(result.path);
    }
    args[name] = isList ? resolved : resolved[0];
  }
  return { value: args };
}

function checkDefault(name: string, declaration: ArgumentDeclaration): void {
  if (declaration.default === undefined) return;
  const issue = declaredCheck([[name, declaration]])({ [name]: declaration.default });
  if (issue === undefined) return;
  throw new IscepError("usage", `argument "${name}": its own default does not fit: ${issue.message}`, {
    details: { argument: name },
  });
}

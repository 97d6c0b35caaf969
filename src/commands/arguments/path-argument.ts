/** Arguments that are paths: below their base folder wherever links lead, or refused. */
import { lstat, readlink, realpath, stat } from "node:fs/promises";
import path from "node:path";
import type { ArgumentDeclaration, ItemDeclaration } from "./declaration.js";

export type PathDeclaration = Extract<ItemDeclaration, { readonly type: "path" }>;

/** Whose paths, and where in the arguments; the base is absolute. */
export interface DeclaredPath {
  readonly name: string;
  readonly isList: boolean;
  readonly declaration: PathDeclaration;
}

export function declaredPath(name: string, declared: ArgumentDeclaration, folder: string): DeclaredPath | undefined {
  const isList = declared.type === "list";
  const declaration = isList ? declared.items : declared;
  if (declaration.type !== "path") return undefined;
  return { name, isList, declaration: { ...declaration, base: path.resolve(folder, declaration.base) } };
}

export type ResolvedPath = { readonly path: string } | { readonly expected: string };

/**
 * The path without links, or what it should have been: never a path of the server, and for what lies outside the same
 * words whether it is there or not. Between this and the program's own look somebody who may change the base may still
 * put a link there.
 */
export async function resolveInside(text: string, declaration: PathDeclaration): Promise<ResolvedPath> {
  const lexical = path.resolve(declaration.base, text);
  return isBelow(lexical, declaration.base) ? look(lexical, declaration) : outside;
}

/**
 * What is wrong by now with a path that `resolveInside` gave earlier. One that leads elsewhere within the base is refused
 * too: what was decided by the path, such as which runs exclude each other, was decided by the earlier one.
 */
export async function faultByNow(resolved: string, declaration: PathDeclaration): Promise<string | undefined> {
  const result = await look(resolved, declaration);
  if ("expected" in result) return result.expected;
  return result.path === resolved ? undefined : "a path that leads where it led at the call";
}

async function look(lexical: string, declaration: PathDeclaration): Promise<ResolvedPath> {
  let base: string;
  try {
    base = await realpath(declaration.base);
  } catch (error) {
    return unseen(error);
  }
  const result = await lookBelow(base, lexical, declaration).catch(unseen);
  if ("path" in result || result === outside) return result;
  // Whatever else is wrong must not tell what there is behind a link that leads out.
  const leads = await whereItLeads(lexical);
  return leads === base || isBelow(leads, base) ? result : outside;
}

async function lookBelow(base: string, lexical: string, { presence, kind }: PathDeclaration): Promise<ResolvedPath> {
  if (presence === "new") return resolveNew(lexical, base);
  const entry = await lstat(lexical).catch(undefinedIfMissing);
  if (entry === undefined) return presence === "either" ? resolveNew(lexical, base) : missing;
  // Of a link that leads nowhere nobody can say where it would lead a program that makes a file of it.
  const found = await realpath(lexical).catch(undefinedIfMissing);
  if (found === undefined) return missing;
  if (!isBelow(found, base)) return outside;
  if (kind === undefined) return { path: found };
  const stats = await stat(found);
  const fits = kind === "file" ? stats.isFile() : stats.isDirectory();
  return fits ? { path: found } : { expected: kind === "file" ? "a file" : "a folder" };
}

async function resolveNew(lexical: string, base: string): Promise<ResolvedPath> {
  const parent = await realpath(path.dirname(lexical)).catch(undefinedIfMissing);
  if (parent === undefined) return { expected: "a path in a folder that exists" };
  if (parent !== base && !isBelow(parent, base)) return outside;
  const found = path.join(parent, path.basename(lexical));
  const entry = await lstat(found).catch(undefinedIfMissing);
  return entry === undefined ? { path: found } : { expected: "a path where nothing is yet" };
}

/** As many as Linux follows. */
const maxLinks = 40;

/** Without links as far as it exists, or can be looked at; links that lead nowhere are followed too. */
async function whereItLeads(file: string, links = 0): Promise<string> {
  const found = await realpath(file).catch(() => undefined);
  const above = path.dirname(file);
  if (found !== undefined || above === file) return found ?? file;
  const entry = path.join(await whereItLeads(above, links), path.basename(file));
  const target = links < maxLinks ? await readlink(entry).catch(() => undefined) : undefined;
  return target === undefined ? entry : whereItLeads(path.resolve(path.dirname(entry), target), links + 1);
}

function unseen(error: unknown): ResolvedPath {
  return { expected: `a path that the server can look at (${codeOf(error) ?? "unknown fault"})` };
}

const outside: ResolvedPath = { expected: "a path below its folder" };
const missing: ResolvedPath = { expected: "the path of something that exists" };

/** Neither the folder itself: what removes or replaces the path would do so with all that it holds. */
function isBelow(file: string, folder: string): boolean {
  const relative = path.relative(folder, file);
  return relative !== "" && relative !== ".." && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative);
}

function undefinedIfMissing(error: unknown): undefined {
  if (!["ENOENT", "ENOTDIR"].includes(codeOf(error) ?? "")) throw error;
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

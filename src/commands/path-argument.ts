/** Arguments that are paths: below their base folder wherever links lead, or refused. */
import { lstat, realpath, stat } from "node:fs/promises";
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
  const { presence = "existing", kind } = declaration;
  const lexical = path.resolve(declaration.base, text);
  if (!isBelow(lexical, declaration.base)) return outside;
  try {
    const base = await realpath(declaration.base);
    if (presence === "new") return await resolveNew(lexical, base);
    const entry = await lstat(lexical).catch(undefinedIfMissing);
    if (entry === undefined) return presence === "either" ? await resolveNew(lexical, base) : missing;
    // Of a link that leads nowhere nobody can say where it would lead a program that makes a file of it.
    const found = await realpath(lexical).catch(undefinedIfMissing);
    if (found === undefined) return missing;
    if (!isBelow(found, base)) return outside;
    if (kind === undefined) return { path: found };
    const stats = await stat(found);
    const fits = kind === "file" ? stats.isFile() : stats.isDirectory();
    return fits ? { path: found } : { expected: kind === "file" ? "a file" : "a folder" };
  } catch (error) {
    return { expected: `a path that the server can look at (${codeOf(error) ?? "unknown fault"})` };
  }
}

async function resolveNew(lexical: string, base: string): Promise<ResolvedPath> {
  const parent = await realpath(path.dirname(lexical)).catch(undefinedIfMissing);
  if (parent === undefined) return { expected: "a path in a folder that exists" };
  if (parent !== base && !isBelow(parent, base)) return outside;
  const found = path.join(parent, path.basename(lexical));
  const entry = await lstat(found).catch(undefinedIfMissing);
  return entry === undefined ? { path: found } : { expected: "a path where nothing is yet" };
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

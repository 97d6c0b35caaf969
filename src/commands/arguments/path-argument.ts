/** Checks arguments that are paths: they must be below their base folder, wherever links lead. */
import { lstat, readlink, realpath, stat } from "node:fs/promises";
import path from "node:path";
import { systemCodeOf } from "../../files/system-code.js";
import type { ArgumentDeclaration, ItemDeclaration } from "./declaration.js";

export type PathDeclaration = Extract<ItemDeclaration, { readonly type: "path" }>;

/** The base folder, which is absolute, and the place in the arguments. */
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
 * Returns the path without links, or what it should have been. That text never has a path of the server, and is the
 * same for a path outside whether it exists or not. Between this and the program's own look, somebody who may change
 * the base may still put a link there.
 */
export async function resolveInside(text: string, declaration: PathDeclaration): Promise<ResolvedPath> {
  const lexical = path.resolve(declaration.base, text);
  return isBelow(lexical, declaration.base) ? look(lexical, declaration) : outside;
}

/**
 * Says what is wrong now with a path that `resolveInside` gave earlier. A path that leads somewhere else within the
 * base is refused too, because the earlier path decided other things, such as which runs exclude each other.
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
  // No other fault may reveal what is behind a link that leads out.
  const leads = await whereItLeads(lexical);
  return leads === base || isBelow(leads, base) ? result : outside;
}

async function lookBelow(base: string, lexical: string, { presence, kind }: PathDeclaration): Promise<ResolvedPath> {
  if (presence === "new") return resolveNew(lexical, base);
  const entry = await lstat(lexical).catch(undefinedIfMissing);
  if (entry === undefined) return presence === "either" ? resolveNew(lexical, base) : missing;
  // A link that leads nowhere is refused, because it is not known where a program would make the file.
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

/** The number of links that Linux follows. */
const maxLinks = 40;

/** The path without links, as far as it exists or can be read. Links that lead nowhere are followed too. */
async function whereItLeads(file: string, links = 0): Promise<string> {
  const found = await realpath(file).catch(() => undefined);
  const above = path.dirname(file);
  if (found !== undefined || above === file) return found ?? file;
  const entry = path.join(await whereItLeads(above, links), path.basename(file));
  const target = links < maxLinks ? await readlink(entry).catch(() => undefined) : undefined;
  return target === undefined ? entry : whereItLeads(path.resolve(path.dirname(entry), target), links + 1);
}

function unseen(error: unknown): ResolvedPath {
  return { expected: `a path that the server can look at (${systemCodeOf(error) ?? "unknown fault"})` };
}

const outside: ResolvedPath = { expected: "a path below its folder" };
const missing: ResolvedPath = { expected: "the path of something that exists" };

/**
 * The base folder itself is refused too, because a command that removes or replaces the path would do so with
 * everything in it.
 */
function isBelow(file: string, folder: string): boolean {
  const relative = path.relative(folder, file);
  return relative !== "" && relative !== ".." && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative);
}

function undefinedIfMissing(error: unknown): undefined {
  if (!["ENOENT", "ENOTDIR"].includes(systemCodeOf(error) ?? "")) throw error;
}

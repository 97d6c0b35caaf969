/** The program of a script. It is fixed when the command is defined. */
import { accessSync, constants, realpathSync, statSync, type Stats } from "node:fs";
import path from "node:path";
import { systemCodeOf } from "../../files/system-code.js";
import { IscepError } from "../../errors.js";
import { isPrivateGroup } from "./accounts.js";

/**
 * The PATH in which names are found, and that scripts get. It is never the server's own, which depends on its
 * environment.
 */
export const fixedPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * Finds a program by an absolute path, a path with a slash relative to `folder`, or a name in the fixed PATH.
 * @throws IscepError `configuration` when it is not a program, or others may change it
 */
export function resolveProgram(program: string, folder: string): string {
  if (program === "" || program.includes("\0"))
    throw new IscepError("configuration", "the program of a script must be a path or a name");
  if (/[{}]/.test(program)) {
    throw new IscepError(
      "configuration",
      `program "${program}" must be fixed; only the elements after it can hold an {argument}`,
    );
  }
  // Windows runs these by a shell with its own rules. It ignores letter case, and dots and spaces at the end.
  if (/\.(?:bat|cmd)[. ]*$/i.test(program)) {
    throw new IscepError(
      "configuration",
      `program "${program}" is a batch file, whose arguments cannot be passed safely; call the program in it`,
    );
  }
  const found = /[/\\]/.test(program) ? path.resolve(folder, program) : findInPath(program);
  checkProgram(found);
  return found;
}

/** Finds a program in the fixed PATH; undefined when it is not installed. */
export function findSystemProgram(name: string): string | undefined {
  const candidates = fixedPath.split(":").map((folder) => path.posix.join(folder, name));
  return candidates.find(
    (candidate) => statSync(candidate, { throwIfNoEntry: false })?.isFile() === true && isExecutable(candidate),
  );
}

function findInPath(name: string): string {
  const found = findSystemProgram(name);
  if (found !== undefined) return found;
  throw new IscepError(
    "configuration",
    `there is no program "${name}" in ${fixedPath}; install it, or give its path (./${name} when it is beside the configuration)`,
  );
}

function checkProgram(file: string): void {
  const stats = statOf(file);
  if (!stats.isFile()) throw new IscepError("configuration", `program ${file} is not a file`);
  // Windows has no such modes.
  if (process.platform === "win32") return;
  if (!isExecutable(file)) throw new IscepError("configuration", `program ${file} is not executable; chmod +x ${file}`);
  checkMode(file, stats);
  for (const folder of foldersAround(file)) checkFolder(folder);
}

/**
 * Checks the program once more, right before a start. If it is gone, the start itself reports that.
 * @throws IscepError `configuration`
 */
export function checkStillClosed(program: string): void {
  const stats = statIfThere(program);
  if (stats !== undefined && process.platform !== "win32") checkMode(program, stats);
}

/**
 * Applies the rule of programs to any file that decides what the server runs: gives the file or a folder above it that
 * others may change, and what to tell chmod. undefined when there is none.
 */
export function openToOthers(file: string): { readonly path: string; readonly mode: string } | undefined {
  const stats = process.platform === "win32" ? undefined : statIfThere(file);
  if (stats === undefined) return undefined;
  if (othersMayChange(file, stats)) return { path: file, mode: "go-w" };
  const folder = foldersAround(file).find(everybodyMayReplaceIn);
  return folder === undefined ? undefined : { path: folder, mode: "o-w" };
}

/**
 * A file that cannot be changed, because it is mounted read-only, may have any mode: ConfigMaps of Kubernetes have
 * 0777.
 */
function othersMayChange(file: string, stats: Stats): boolean {
  return (stats.mode & 0o022) !== 0 && !isWritableByOwnGroup(stats) && !isMountedReadOnly(file);
}

function checkMode(file: string, stats: Stats): void {
  if (!othersMayChange(file, stats)) return;
  throw new IscepError(
    "configuration",
    `program ${file} can be changed by its group or by everybody; chmod go-w ${file}`,
  );
}

/**
 * True for a program that only its group may write too, when its owner is alone in that group. git makes such files
 * where the umask is 002.
 */
export function isWritableByOwnGroup({ mode, uid, gid }: Stats): boolean {
  return (mode & 0o022) === 0o020 && isPrivateGroup(uid, gid);
}

function isMountedReadOnly(file: string): boolean {
  try {
    accessSync(file, constants.W_OK);
    return false;
  } catch (error) {
    return systemCodeOf(error) === "EROFS";
  }
}

/** Those above the file as it is named, and above the one that a link leads to. */
function foldersAround(file: string): string[] {
  return [...new Set([...foldersAbove(file), ...foldersAbove(realpathSync(file))])];
}

function foldersAbove(file: string): string[] {
  const folder = path.dirname(file);
  return folder === file ? [] : [folder, ...foldersAbove(folder)];
}

function statIfThere(file: string): Stats | undefined {
  try {
    return statSync(file);
  } catch {
    return undefined;
  }
}

/** Where everybody may rename files, the owner of a file means nothing. The sticky bit of /tmp prevents that. */
function everybodyMayReplaceIn(folder: string): boolean {
  const { mode } = statOf(folder);
  return (mode & 0o002) !== 0 && (mode & 0o1000) === 0 && !isMountedReadOnly(folder);
}

function checkFolder(folder: string): void {
  if (!everybodyMayReplaceIn(folder)) return;
  throw new IscepError(
    "configuration",
    `folder ${folder} can be changed by everybody, and so the program in it; chmod o-w ${folder}`,
  );
}

function statOf(file: string): Stats {
  try {
    return statSync(file);
  } catch (cause) {
    const reason =
      systemCodeOf(cause) === "ENOENT" ? "does not exist; check the path, or install it" : "cannot be read";
    throw new IscepError("configuration", `program ${file} ${reason}`, { cause });
  }
}

export function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

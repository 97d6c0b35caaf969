/** Checks whether a server can use files and folders. It makes and changes nothing. */
import { accessSync, constants, lstatSync, statSync, type Stats } from "node:fs";
import { dirname, resolve } from "node:path";
import { systemCodeOf } from "../../files/system-code.js";
import { IscepError } from "../../errors.js";
import { checkSocketPath } from "../../transport/listener.js";

/** Checks a folder that exists or can be made. @throws IscepError `configuration` */
export function checkFolder(folder: string): void {
  const found = nearest(resolve(folder));
  const stats = statOf(found);
  if (stats?.isDirectory() !== true) {
    const place = found === resolve(folder) ? "" : `${folder} cannot be made: `;
    throw wrong(`${place}${found} is no folder; choose another`);
  }
  try {
    accessSync(found, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw wrong(`this user may not write to the folder ${found}; choose another, or change its owner or mode`, error);
  }
}

/** @throws IscepError `configuration` or `listen_failed` */
export function checkSocket(path: string): void {
  checkSocketPath(path);
  const folder = dirname(path);
  if (statOf(folder) === undefined) throw wrong(`the folder of the unix socket ${path} does not exist; make it`);
  checkFolder(folder);
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() === false)
    throw wrong(`${path} is there already, and is no socket; choose another path`);
}

/** The sticky bit prevents others from removing files that are not theirs. */
export function othersMayReplaceIn(path: string): boolean {
  const stats = statOf(dirname(path));
  return stats !== undefined && (stats.mode & 0o002) !== 0 && (stats.mode & 0o1000) === 0;
}

export function isFolder(path: string): boolean {
  return statOf(path)?.isDirectory() === true;
}

export function isOpenToOthers(file: string): boolean {
  const stats = statOf(file);
  return process.getuid !== undefined && stats !== undefined && (stats.mode & 0o077) !== 0;
}

function nearest(folder: string): string {
  return statOf(folder) !== undefined || dirname(folder) === folder ? folder : nearest(dirname(folder));
}

/** undefined also for a path below a file. */
function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (systemCodeOf(error) === "ENOTDIR") return undefined;
    throw wrong(`${path} cannot be looked at: ${error instanceof Error ? error.message : String(error)}`, error);
  }
}

function wrong(message: string, cause?: unknown): IscepError {
  return new IscepError("configuration", message, cause === undefined ? {} : { cause });
}

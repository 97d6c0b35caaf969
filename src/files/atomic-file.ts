/** Writes files that are there as a whole or not at all, even after kill -9 or a power cut. */
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  closeSync,
  fchownSync,
  fsyncSync,
  linkSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { systemCodeOf } from "./system-code.js";
import { isProcessGone, ownProcessMark } from "./process-mark.js";
import { realPath } from "./real-path.js";

const temporaryPattern = /\.([0-9]+-[0-9]+-[0-9a-f]{8})-[0-9a-f]{16}\.tmp$/;

/**
 * The file must be in the same folder, so that it can be renamed. Its name says who made it, so that it can be removed
 * when that process is gone.
 */
export function temporaryPathOf(path: string): string {
  return `${path}.${ownProcessMark()}-${randomBytes(8).toString("hex")}.tmp`;
}

/**
 * Replaces the file or makes it, with the owner as before and mode 0600 by default. A link stays, and the file that it
 * leads to is replaced. It is on the disk when this returns.
 */
export function writeFileAtomically(path: string, text: string, mode = 0o600): void {
  writeFilesAtomically([{ path, text, mode }]);
}

export interface FileToWrite {
  readonly path: string;
  readonly text: string;
  readonly mode: number;
}

/**
 * Does so with several files, and replaces the first one when all texts are on the disk. So a full disk leaves all
 * files as they were. What must not be lost comes last, because a rename may fail too.
 */
export function writeFilesAtomically(files: readonly FileToWrite[]): void {
  const made: { readonly target: string; readonly temporary: string }[] = [];
  try {
    for (const { path, text, mode } of files) {
      const target = realPath(path);
      const temporary = writeTemporaryFile(target, text);
      made.push({ target, temporary });
      if (mode !== 0o600) chmodSync(temporary, mode);
    }
    for (const { target, temporary } of made) renameSync(temporary, target);
  } catch (error) {
    for (const { temporary } of made) rmSync(temporary, { force: true });
    throw error;
  }
  for (const { target } of made) syncFolderOf(target);
}

/**
 * Makes a temporary file beside `path`, with this text, mode 0600 and the same owner. It is on the disk when its path
 * is returned.
 */
export function writeTemporaryFile(path: string, text: string): string {
  const temporary = temporaryPathOf(path);
  const file = openSync(temporary, "wx", 0o600);
  try {
    try {
      keepOwner(path, file);
      writeFileSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  return temporary;
}

/**
 * Makes a file with this text, unless the name is taken: then it returns false. Nobody ever sees a part of the file
 * under this name.
 */
export function createFileExclusively(path: string, text: string): boolean {
  const file = openFileExclusively(path, text);
  if (file !== undefined) closeSync(file);
  return file !== undefined;
}

/** As `createFileExclusively`, but returns the descriptor of the file, or undefined when the name is taken. */
export function openFileExclusively(path: string, text: string): number | undefined {
  const temporary = temporaryPathOf(path);
  const file = openSync(temporary, "wx", 0o600);
  try {
    writeFileSync(file, text);
    linkSync(temporary, path);
    return file;
  } catch (error) {
    closeSync(file);
    if (systemCodeOf(error) === "EEXIST") return undefined;
    throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** A rename is only in memory until its folder is written to the disk. */
export function syncFolderOf(path: string): void {
  if (process.platform === "win32") return; // Windows cannot open folders
  const folder = openSync(dirname(path), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** Finds temporary files of `path` and of its locks that were left by processes that are gone. */
export function staleTemporaryFiles(path: string): string[] {
  return readdirSync(dirname(path))
    .filter((name) => name.startsWith(`${basename(path)}.`))
    .filter((name) => isProcessGone(temporaryPattern.exec(name)?.[1] ?? ""))
    .map((name) => join(dirname(path), name));
}

/** When root adds a token to the file of a service's user, the file must still belong to that user. */
function keepOwner(path: string, file: number): void {
  const before = statSync(path, { throwIfNoEntry: false });
  if (before === undefined || process.getuid?.() !== 0) return;
  if (before.uid !== 0 || before.gid !== process.getgid?.()) fchownSync(file, before.uid, before.gid);
}

/** The names of earlier files: `access.log.2026-08-01`, and `access.log.2026-08-01.1` if that day has another file. */
import { lstatSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/**
 * Returns false when there is no file to rename. A link, such as one to the standard output of a container, stays as it
 * is.
 */
export function renameToDay(path: string, day: string): boolean {
  if (lstatSync(path, { throwIfNoEntry: false })?.isFile() !== true) return false;
  // The number of a file that was removed must not come again, because the highest number is the newest file.
  const newest = rotatedFiles(path).find((file) => file.day === day);
  renameSync(path, newest === undefined ? `${path}.${day}` : `${path}.${day}.${newest.number + 1}`);
  return true;
}

/** Removes all but the newest `keep`. */
export function removeOldFiles(path: string, keep: number): void {
  for (const old of filesBefore(path).slice(keep)) rmSync(old, { force: true });
}

/** The paths of earlier files, the newest first. */
export function filesBefore(path: string): string[] {
  return rotatedFiles(path).map(({ name }) => join(dirname(path), name));
}

interface RotatedFile {
  readonly name: string;
  readonly day: string;
  readonly number: number;
}

/** The newest first. */
function rotatedFiles(path: string): RotatedFile[] {
  const prefix = `${basename(path)}.`;
  return readdirSync(dirname(path))
    .flatMap((name) => {
      const [, day, number = "0"] =
        /^(\d{4}-\d{2}-\d{2})(?:\.(\d+))?$/.exec(name.startsWith(prefix) ? name.slice(prefix.length) : "") ?? [];
      return day === undefined ? [] : [{ name, day, number: Number(number) }];
    })
    .sort((a, b) => (a.day === b.day ? b.number - a.number : a.day < b.day ? 1 : -1));
}

/** The names of earlier days: `access.log.2026-08-01`, and `access.log.2026-08-01.1` if that day has another file. */
import { existsSync, lstatSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/**
 * Returns false when there is no file to rename. A link, such as one to the standard output of a container, stays as it
 * is.
 */
export function renameToDay(path: string, day: string): boolean {
  if (lstatSync(path, { throwIfNoEntry: false })?.isFile() !== true) return false;
  const target = `${path}.${day}`;
  let free = target;
  for (let number = 1; existsSync(free); number++) free = `${target}.${number}`; // one more for each file
  renameSync(path, free);
  return true;
}

/** Removes all but the newest `keep`. */
export function removeOldDays(path: string, keep: number): void {
  for (const old of daysBefore(path).slice(keep)) rmSync(old, { force: true });
}

/** The paths of earlier days, the newest first. */
export function daysBefore(path: string): string[] {
  const prefix = `${basename(path)}.`;
  const folder = dirname(path);
  const days = readdirSync(folder)
    .flatMap((name) => {
      const [, day, number = "0"] =
        /^(\d{4}-\d{2}-\d{2})(?:\.(\d+))?$/.exec(name.startsWith(prefix) ? name.slice(prefix.length) : "") ?? [];
      return day === undefined ? [] : [{ name, day, number: Number(number) }];
    })
    .sort((a, b) => (a.day === b.day ? b.number - a.number : a.day < b.day ? 1 : -1));
  return days.map(({ name }) => join(folder, name));
}

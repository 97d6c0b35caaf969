import { lstatSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";

/**
 * Where a file is, or would be made, without links. A rename onto a symbolic link would replace the link, and leave the
 * file that others read as it was.
 * @throws the system's error, for example when its folder is missing
 */
export function realPath(path: string): string {
  if (statSync(path, { throwIfNoEntry: false }) !== undefined) return realpathSync(path);
  const place = join(realpathSync(dirname(resolve(path))), basename(path));
  // The link may exist before its file, for example on a volume that is still empty.
  const isLink = lstatSync(place, { throwIfNoEntry: false })?.isSymbolicLink() === true;
  return isLink ? realPath(resolve(dirname(place), readlinkSync(place))) : place;
}

import { existsSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { IscepError } from "../../errors.js";

export interface NewFile {
  readonly path: string;
  readonly text: string;
  readonly mode: number;
}

/** @throws IscepError `usage` that lists the files that already exist */
export function refuseExisting(paths: readonly string[], advice: string): void {
  const there = paths.filter((path) => existsSync(path));
  if (there.length > 0) {
    const verb = there.length === 1 ? "is" : "are";
    throw new IscepError("usage", `${there.join(", ")} ${verb} there already and will not be overwritten; ${advice}`);
  }
}

/**
 * Makes the files and their folders. Without `overwrite`, a file that appears meanwhile is not changed either.
 * @throws IscepError `configuration`
 */
export async function writeNewFiles(files: readonly NewFile[], overwrite = false): Promise<void> {
  for (const { path, text, mode } of files) {
    try {
      await mkdir(dirname(path), { recursive: true });
      if (overwrite) await replaceFile(path, text, mode);
      else await writeFile(path, text, { mode, flag: "wx" });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new IscepError("configuration", `${path} cannot be written: ${reason}`, { cause: error });
    }
  }
}

/** Uses a rename, so that a key is never in a file that others could have opened before. */
async function replaceFile(path: string, text: string, mode: number): Promise<void> {
  const temporary = `${path}.${process.pid}.new`;
  try {
    await writeFile(temporary, text, { mode, flag: "wx" });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

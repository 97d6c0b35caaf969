import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { IscepError } from "../../errors.js";
import { writeFilesAtomically, type FileToWrite } from "../../files/atomic-file.js";

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
export async function writeNewFiles(files: readonly FileToWrite[], overwrite = false): Promise<void> {
  for (const { path, text, mode } of files) {
    await doOrSay([path], async () => {
      await mkdir(dirname(path), { recursive: true });
      if (!overwrite) await writeFile(path, text, { mode, flag: "wx" });
    });
  }
  const paths = files.map(({ path }) => path);
  if (overwrite) await doOrSay(paths, () => writeFilesAtomically(files));
}

async function doOrSay(paths: readonly string[], write: () => void | Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new IscepError("configuration", `${paths.join(" and ")} cannot be written: ${reason}`, { cause: error });
  }
}

/**
 * Says for all servers of a runs folder which run has an idempotency key: a symbolic link from the hash of the key,
 * `HASH.key`, to the file of the run. It can be made only once, so of two servers that begin a run with one key at the
 * same moment, one has it. The file of the run is there before the link.
 */
import { readlinkSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { systemCodeOf } from "../files/system-code.js";
import { temporaryPathOf } from "../files/atomic-file.js";
import { fileOfRun, runOfFile } from "./run-file.js";

export class KeyLinks {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  #path(keyHash: string): string {
    return join(this.#folder, `${keyHash}.key`);
  }

  /** undefined when no run has the key. @throws the system's error when that cannot be said */
  runOf(keyHash: string): string | undefined {
    try {
      return runOfFile(readlinkSync(this.#path(keyHash)));
    } catch (error) {
      // A copy of the folder may have a plain file there (EINVAL), which says nothing. The next claim replaces it.
      if (["ENOENT", "EINVAL"].includes(systemCodeOf(error) ?? "")) return undefined;
      throw error;
    }
  }

  /**
   * Returns false when another run has the key.
   * @param isHeldBy whether that run is there and still has a right to the key
   * @throws the system's error
   */
  claim(keyHash: string, run: string, isHeldBy: (run: string) => boolean): boolean {
    const path = this.#path(keyHash);
    try {
      symlinkSync(fileOfRun(run), path);
      return true;
    } catch (error) {
      if (systemCodeOf(error) !== "EEXIST") throw error;
    }
    const holder = this.runOf(keyHash);
    if (holder !== undefined && isHeldBy(holder)) return false;
    // The link of a run that was removed without it, as by hand.
    const temporary = temporaryPathOf(path);
    symlinkSync(fileOfRun(run), temporary);
    renameSync(temporary, path);
    return true;
  }

  /** @throws the system's error */
  release(keyHash: string, run: string): void {
    if (this.runOf(keyHash) === run) rmSync(this.#path(keyHash), { force: true });
  }
}

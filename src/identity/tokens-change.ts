/** Changes a tokens file: it locks the file, reads it, changes it, and replaces it as a whole. */
import { statSync } from "node:fs";
import { IscepError, isIscepError } from "../errors.js";
import type { Limits } from "../limits/limits.js";
import { writeFileAtomically } from "../files/atomic-file.js";
import { withFileLock } from "../files/file-lock.js";
import { realPath } from "../files/real-path.js";
import { parseTokensFile, serialiseTokensFile, type TokenEntry } from "./tokens-file.js";
import { readTokensText } from "./tokens-reader.js";

export type ChangeLimits = Pick<Limits, "maxTokensFileBytes" | "fileLockTimeoutMs">;

export type Owners = Map<string, TokenEntry[]>;

/**
 * @param path the path as the user gave it; a symbolic link is followed
 * @param mayCreate true to begin with an empty file when there is none
 * @param edit changes the owners in place; when it throws, nothing is written
 * @throws IscepError `configuration`, `busy`, and what `edit` throws
 */
export async function changeTokensFile<Result>(
  path: string,
  limits: ChangeLimits,
  mayCreate: boolean,
  edit: (owners: Owners) => Result,
): Promise<Result> {
  const target = tokensPlace(path);
  try {
    return await withFileLock(target, limits.fileLockTimeoutMs, () => {
      const exists = statSync(target, { throwIfNoEntry: false }) !== undefined;
      const before =
        exists || !mayCreate
          ? parseTokensFile(readTokensText(target, limits).text, path)
          : new Map<string, TokenEntry[]>();
      const owners: Owners = new Map([...before].map(([owner, entries]) => [owner, [...entries]]));
      const result = edit(owners);
      const text = serialiseTokensFile(owners);
      if (Buffer.byteLength(text) > limits.maxTokensFileBytes) {
        throw new IscepError(
          "configuration",
          `tokens file ${path} would be larger than maxTokensFileBytes, ${limits.maxTokensFileBytes}`,
        );
      }
      writeFileAtomically(target, text);
      return result;
    });
  } catch (error) {
    if (isIscepError(error)) throw error;
    throw new IscepError("configuration", `tokens file ${path} cannot be written`, { cause: error });
  }
}

/** @throws IscepError `configuration` */
export function tokensPlace(path: string): string {
  try {
    return realPath(path);
  } catch (cause) {
    throw new IscepError("configuration", `tokens file ${path}: its folder must exist and be open to this user`, {
      cause,
    });
  }
}

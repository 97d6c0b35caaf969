import { systemCodeOf } from "./system-code.js";
import { IscepError } from "../errors.js";

/** The system's codes when it has no descriptors or memory left. The same request may succeed a moment later. */
const shortages = new Set(["EMFILE", "ENFILE", "ENOMEM"]);

/** True when descriptors or memory ran out. Then nothing is known about the file that was asked for. */
export function isShortage(error: unknown): boolean {
  return shortages.has(systemCodeOf(error) ?? "");
}

/** @throws IscepError `busy` in a shortage, because the same may succeed a moment later; and what `work` throws */
export function busyInShortage<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (cause) {
    if (!isShortage(cause)) throw cause;
    throw new IscepError("busy", "the server has no descriptors or memory left at this moment; try again later", {
      cause,
    });
  }
}

import { IscepError } from "../errors.js";
import { didYouMean, meantName } from "./near-name.js";
import type { OtherWords } from "./other-words.js";

/**
 * An option that is not known would be passed over without a word: `token` in place of `tokens` lets everybody in.
 * @param what it belongs to, such as `command "backup"`
 * @param known by their names
 * @param mayHaveOwn it may have members of its own, so that only what is near to an option is refused
 * @throws IscepError `usage`, with the name in `details` as `field`
 */
export function refuseUnknownOption(
  what: string,
  given: object,
  known: Readonly<Record<string, unknown>>,
  otherWords?: OtherWords,
  mayHaveOwn = false,
): void {
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || Object.hasOwn(known, name)) continue;
    if (mayHaveOwn && meantName(name, Object.keys(known), otherWords) === undefined) continue;
    const hint = didYouMean(name, Object.keys(known), otherWords);
    throw new IscepError("usage", `${what} has no option "${name}"${hint}`, { details: { field: name } });
  }
}

import { IscepError } from "../errors.js";
import { didYouMean, meantName } from "./near-name.js";
import type { OtherWords } from "./other-words.js";

/**
 * Refuses unknown options. Otherwise they would be ignored silently: `token` instead of `tokens` would let everybody
 * call.
 * @param what the thing that the option belongs to, such as `command "backup"`
 * @param known the known options, by their names
 * @param mayHaveOwn true when it may have members of its own, so that only names near to an option are refused
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

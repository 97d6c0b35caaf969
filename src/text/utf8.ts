import { IscepError } from "../errors.js";

/**
 * Text from outside, without a byte order mark, which belongs to the file and not to its text.
 * @throws IscepError `invalid_arguments` where Node itself would put U+FFFD in place of what is no UTF-8
 */
export function utf8Text(bytes: Uint8Array, source: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new IscepError("invalid_arguments", `${source} is not UTF-8; convert it, for example with: iconv -t UTF-8`, {
      cause,
    });
  }
}

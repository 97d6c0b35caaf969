import { IscepError } from "../errors.js";

/**
 * Decodes text from outside, without its byte order mark, which belongs to the file and not to the text.
 * @throws IscepError `invalid_arguments` for bytes that are not UTF-8, which Node itself would replace by U+FFFD
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

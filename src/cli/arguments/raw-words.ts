/** Reads the words of the command line as bytes. Node silently puts U+FFFD in place of bytes that are not UTF-8. */
import { readFileSync } from "node:fs";
import { IscepError } from "../../errors.js";
import { utf8Text } from "../../text/utf8.js";

/** Only Linux gives the bytes. @throws IscepError `invalid_arguments` when a word is not UTF-8 */
export function checkWords(words: readonly string[]): void {
  if (!words.some((word) => word.includes("\ufffd"))) return;
  let bytes: Buffer;
  try {
    bytes = readFileSync("/proc/self/cmdline");
  } catch (cause) {
    throw new IscepError(
      "invalid_arguments",
      "an argument holds the character U+FFFD, which Node writes for bytes that are not UTF-8; give it in a file with --args @FILE",
      { cause },
    );
  }
  utf8Text(bytes, "an argument of the command line");
}

/**
 * Patterns of names and values. `*` stands for any characters, `?` for exactly one UTF-16 unit, and everything else for
 * itself.
 */

/**
 * After a mismatch, only the last `*` is tried one character further, because an earlier one could not do better. So
 * the text, which a caller chooses, is never walked more often than the longest part of the glob, which the file's
 * owner chose.
 */
export function matchesGlob(glob: string, text: string): boolean {
  let atGlob = 0;
  let atText = 0;
  let star = -1;
  let starText = 0;
  while (atText < text.length) {
    const wanted = glob[atGlob];
    if (wanted === "*") {
      star = atGlob++;
      starText = atText;
    } else if (wanted !== undefined && (wanted === "?" || wanted === text[atText])) {
      atGlob++;
      atText++;
    } else if (star !== -1) {
      atGlob = star + 1;
      atText = ++starText;
    } else {
      return false;
    }
  }
  while (glob[atGlob] === "*") atGlob++;
  return atGlob === glob.length;
}

/**
 * Makes text harmless for a terminal. Characters that could move the cursor, set titles, reach the clipboard or reverse
 * words become visible.
 */

// These are C0 without tab and newline, DEL, C1, line and paragraph separators, and the marks that change the direction
// of text.
// eslint-disable-next-line no-control-regex -- this code looks for them
const steering = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

export function visibleText(text: string): string {
  return text.replaceAll("\r\n", "\n").replace(steering, visibleControl);
}

/** One character as an escape sequence of JavaScript. */
export function visibleControl(character: string): string {
  const code = character.charCodeAt(0);
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
}

/** The same on one line, for the cell of a table. */
export function visibleLine(text: string): string {
  return visibleText(text).replace(/[\n\t]+/g, " ");
}

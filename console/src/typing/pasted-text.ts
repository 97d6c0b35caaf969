/** What a terminal sends for a text that is pasted. */

// eslint-disable-next-line no-control-regex -- these are the keys that a text must not press
const keys = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g;

/**
 * Line ends become Enter. Control characters are left out, so that a text that somebody copied presses no other keys.
 * @param isBracketed the program asked for marks around it, to tell it from keys
 */
export function pastedText(text: string, isBracketed: boolean): string {
  const plain = text.replace(keys, "").replaceAll(/\r\n?|\n/g, "\r");
  return isBracketed ? `\u001b[200~${plain}\u001b[201~` : plain;
}

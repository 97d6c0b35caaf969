/**
 * What a terminal sends for a key, as xterm does it and terminfo tells it (ctlseqs, "PC-Style Function Keys"). Letters are not
 * among them: the browser makes text of them, with all its input methods.
 */

export interface KeyPress {
  readonly key: string;
  readonly ctrlKey: boolean;
  readonly altKey: boolean;
  readonly shiftKey: boolean;
  readonly metaKey: boolean;
}

/**
 * Whether an input method has the key. Safari tells the end of a composition before the Enter that confirmed it (WebKit bug
 * 165004), and only the code for "processed by an input method" (UI Events, "Legacy Key Attributes") is left then.
 */
export function isOfInputMethod(event: {
  readonly key: string;
  readonly keyCode: number;
  readonly isComposing: boolean;
}): boolean {
  return event.isComposing || event.keyCode === 229 || event.key === "Process" || event.key === "Unidentified";
}

export interface KeyOptions {
  /** The program asked for the other form of the cursor keys (DECCKM). */
  readonly hasApplicationCursor: boolean;
  /** Alt makes characters, as on a Mac, and is no prefix. */
  readonly isAltText: boolean;
}

const escape = "\u001b";

const cursorKeys: Readonly<Record<string, string>> = {
  ArrowUp: "A",
  ArrowDown: "B",
  ArrowRight: "C",
  ArrowLeft: "D",
  End: "F",
  Home: "H",
};
const firstFunctionKeys: Readonly<Record<string, string>> = { F1: "P", F2: "Q", F3: "R", F4: "S" };
const numberedKeys: Readonly<Record<string, number>> = {
  Insert: 2,
  Delete: 3,
  PageUp: 5,
  PageDown: 6,
  F5: 15,
  F6: 17,
  F7: 18,
  F8: 19,
  F9: 20,
  F10: 21,
  F11: 23,
  F12: 24,
};

/** undefined: this is text, or a key of the browser or of the system. */
export function bytesOfKey(press: KeyPress, { hasApplicationCursor, isAltText }: KeyOptions): string | undefined {
  const { key, ctrlKey, altKey, shiftKey, metaKey } = press;
  if (metaKey) return undefined;
  const alt = altKey ? escape : "";
  const modifiers = 1 + (shiftKey ? 1 : 0) + (altKey ? 2 : 0) + (ctrlKey ? 4 : 0);
  const cursor = cursorKeys[key];
  if (cursor !== undefined)
    return modifiers > 1 ? `${escape}[1;${modifiers}${cursor}` : escape + (hasApplicationCursor ? "O" : "[") + cursor;
  const functionKey = firstFunctionKeys[key];
  if (functionKey !== undefined) return escape + (modifiers > 1 ? `[1;${modifiers}` : "O") + functionKey;
  // Shift+Insert pastes, and Ctrl+Insert copies.
  if (key === "Insert" && (shiftKey || ctrlKey)) return undefined;
  const numbered = numberedKeys[key];
  if (numbered !== undefined) return `${escape}[${numbered}${modifiers > 1 ? `;${modifiers}` : ""}~`;
  if (key === "Enter") return `${alt}\r`;
  if (key === "Escape") return alt + escape;
  if (key === "Backspace") return alt + (ctrlKey ? "\b" : "\u007f");
  if (key === "Tab") return ctrlKey || altKey ? undefined : shiftKey ? `${escape}[Z` : "\t";
  if (key.length !== 1) return undefined;
  if (ctrlKey) {
    const control = controlOf(key);
    return control === undefined || isOfBrowser(press) ? undefined : alt + control;
  }
  return altKey && !isAltText ? escape + key : undefined;
}

/** The control character of a letter or sign, as Ctrl makes it. */
export function controlOf(character: string): string | undefined {
  if (character === " ") return "\0";
  if (character === "?") return "\u007f";
  return /^[@-_a-z]$/.test(character) ? String.fromCharCode(character.toUpperCase().charCodeAt(0) & 0x1f) : undefined;
}

/** Ctrl+V pastes, and so do browsers with Shift: it leaves what they make of it. */
function isOfBrowser({ key, shiftKey }: KeyPress): boolean {
  return key === "v" || (shiftKey && /^[A-Za-z]$/.test(key));
}

/**
 * Makes text from a command fit for a model and for the people who watch it. What a terminal would obey, and what nobody
 * sees but a model reads, becomes visible.
 */
import { visibleText } from "../../text/visible-text.js";

/** Colours say nothing to a model and cost it much, and taking them away hides no character. */
// eslint-disable-next-line no-control-regex -- this code looks for them
const colours = /\u001b\[[0-9;]*m/g;

/**
 * These take no room on a screen: zero-width characters, tag characters, which can spell whole sentences of ASCII, and
 * the variation selectors beyond those of emoji, which can hold bytes.
 */
const unseen = /[\u200b\u2060-\u2064\ufeff]|[\u{e0000}-\u{e007f}]|[\u{e0100}-\u{e01ef}]/gu;

export function modelText(text: string): string {
  return visibleText(text.replace(colours, "")).replace(
    unseen,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

/** The same on one line. */
export function modelLine(text: string): string {
  return modelText(text).replace(/[\n\t]+/g, " ");
}

/**
 * Makes text from a command fit for a model and for the people who watch it. What a terminal would obey, and what a
 * model reads but people do not see, becomes visible.
 */
import { visibleText } from "../../text/visible-text.js";

/** Colours say nothing to a model and cost it much, and taking them away hides no character. */
// eslint-disable-next-line no-control-regex -- this code looks for them
const colours = /\u001b\[[0-9;]*m/g;

/**
 * Characters that people do not see: with tag characters or variation selectors, whole sentences can be spelt. What
 * stays are the marks of Arabic that are seen, one selector behind a character that may be an emoji, and one joiner
 * between emojis, or behind a letter of a script that joins letters.
 */
const unseen = new RegExp(
  [
    String.raw`(?![\u0600-\u0605\u06dd\u0890\u0891\u08e2\u{110bd}\u{110cd}])`,
    String.raw`(?!(?<=\p{Emoji})[\ufe0e\ufe0f])`,
    String.raw`(?!(?<=\p{Extended_Pictographic}[\ufe0f\p{Emoji_Modifier}]?)\u200d(?=\p{Extended_Pictographic}))`,
    String.raw`(?!(?<=(?!\p{Script=Latin})[\p{L}\p{M}])[\u200c\u200d](?=[\p{L}\p{M}]))`,
    String.raw`[\p{Default_Ignorable_Code_Point}\p{Cf}]`,
  ].join(""),
  "gu",
);

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

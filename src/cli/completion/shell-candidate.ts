/**
 * Makes a candidate safe for a command line. It comes from a server, and must not become something that a shell runs.
 */
import type { TypedWord } from "./typed-words.js";
import { visibleLine } from "../../text/visible-text.js";

export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

export interface Candidate {
  readonly value: string;
  readonly description?: string;
}

/** All other characters get a backslash in front. */
const unsafe = /[^\p{L}\p{N}_./:@%+,=-]/gu;
// The default of COMP_WORDBREAKS: readline takes the text behind the last of these characters as the word.
const wordBreak = /^.*[@><=;|&(:]/s;

/**
 * The line that the completion script of a shell gets; undefined for text that cannot be typed as it is. zsh and fish
 * quote what they insert. bash inserts what it gets.
 */
export function candidateLine({ value, description }: Candidate, current: TypedWord, shell: Shell): string | undefined {
  if (value === "" || visibleLine(value) !== value) return undefined;
  if (shell !== "bash") return description === undefined ? value : `${value}\t${visibleLine(description)}`;
  const quoted = value.replace(unsafe, "\\$&");
  // Within quotes, a backslash has another meaning.
  if (!current.isEscaped) return quoted === value ? value : undefined;
  const before = wordBreak.exec(current.text)?.[0] ?? "";
  // readline does not document which characters behind a backslash end a word.
  if (!current.isPlain) return before === "" ? quoted : undefined;
  return quoted.slice(before.length);
}

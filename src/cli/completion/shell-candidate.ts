/** A candidate on its way into a command line: it comes from a server, and must not become anything that a shell runs. */
import type { TypedWord } from "./typed-words.js";
import { visibleLine } from "../../text/visible-text.js";

export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

export interface Candidate {
  readonly value: string;
  readonly description?: string;
}

/** Whatever else is in it stands behind a backslash. */
const unsafe = /[^\p{L}\p{N}_./:@%+,=-]/gu;
// The default of COMP_WORDBREAKS: readline takes what follows the last of them for the word.
const wordBreak = /^.*[@><=;|&(:]/s;

/**
 * The line that the completion script of a shell gets; undefined for what cannot be typed as it is. zsh and fish quote
 * by themselves what they insert, and bash inserts what it gets.
 */
export function candidateLine({ value, description }: Candidate, current: TypedWord, shell: Shell): string | undefined {
  if (value === "" || visibleLine(value) !== value) return undefined;
  if (shell !== "bash") return description === undefined ? value : `${value}\t${visibleLine(description)}`;
  const quoted = value.replace(unsafe, "\\$&");
  // Within quotes a backslash means something else.
  if (!current.isEscaped) return quoted === value ? value : undefined;
  const before = wordBreak.exec(current.text)?.[0] ?? "";
  // Which of the characters behind a backslash end a word for readline is its own secret.
  if (!current.isPlain) return before === "" ? quoted : undefined;
  return quoted.slice(before.length);
}

/** Splits a line that is being typed into words, as a shell does. Nothing in it is expanded. */

export interface TypedWord {
  /** The word without its quotes and backslashes. */
  readonly text: string;
  /** True when the word means its own text: nothing is quoted, and a shell would expand nothing. */
  readonly isPlain: boolean;
  /** The same, but single characters behind a backslash are allowed. */
  readonly isEscaped: boolean;
}

export interface TypedLine {
  /** The words of the command before the cursor, with its name first. */
  readonly words: readonly TypedWord[];
  /** The word at the cursor. It is empty behind a space. */
  readonly current: TypedWord;
}

const separator = /\s/;
const endsCommand = /[;&|\n]/;
// The characters that a word may have and still mean its own text.
const special = /[^\p{L}\p{N}_./:@%+,=-]/u;

/** `line` ends at the cursor. */
export function typedLine(line: string): TypedLine {
  let words: TypedWord[] = [];
  let text = "";
  let isPlain = true;
  let isEscaped = true;
  let begun = false;
  let quote: string | undefined;
  const take = (character: string): void => {
    text += character;
    begun = true;
  };
  const end = (): void => {
    if (begun) words.push({ text, isPlain, isEscaped });
    text = "";
    isPlain = true;
    isEscaped = true;
    begun = false;
  };
  const characters = Array.from(line);
  for (let index = 0; index < characters.length; index++) {
    const character = characters[index] ?? "";
    if (quote !== undefined) {
      if (character === quote) quote = undefined;
      else if (character === "\\" && quote === '"') take(characters[++index] ?? "");
      else take(character);
    } else if (character === "'" || character === '"') {
      quote = character;
      begun = true;
      isPlain = false;
      isEscaped = false;
    } else if (character === "\\") {
      isPlain = false;
      take(characters[++index] ?? "");
    } else if (endsCommand.test(character)) {
      end();
      words = [];
    } else if (separator.test(character)) {
      end();
    } else {
      if (special.test(character)) {
        isPlain = false;
        isEscaped = false;
      }
      take(character);
    }
  }
  const current = { text, isPlain, isEscaped };
  // NAME=VALUE in front of a command sets its environment.
  const first = words.findIndex((word) => !/^\w+=/.test(word.text));
  return { words: first === -1 ? [] : words.slice(first), current };
}

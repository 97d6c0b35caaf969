/** The line for a shell that calls a command with `iscep call`. */

const longestArguments = 1_000;

/** Names and plain values, which a shell takes as they are. */
const plain = /^[A-Za-z0-9_.:/@%+,-]+$/;

/** For a POSIX shell. Control characters stand as escapes of JSON only, so the line stays one line. */
export function callLine(command: string, args: Readonly<Record<string, unknown>>): string {
  const words = ["iscep", "call", quoted(command)];
  const json = oneLine(JSON.stringify(args));
  // A longer line is no use to somebody who reads it.
  if (Object.keys(args).length > 0 && json.length <= longestArguments) words.push("--args", quoted(json));
  return words.join(" ");
}

function quoted(word: string): string {
  return plain.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** JSON writes most of these as escapes by itself, and not those that turn or hide text. */
function oneLine(json: string): string {
  return json.replaceAll(/[\p{Cf}\p{Zl}\p{Zp}\u007f-\u009f]/gu, (character) =>
    Array.from(
      { length: character.length },
      (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`,
    ).join(""),
  );
}

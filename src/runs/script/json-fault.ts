/**
 * Finds the place where a text stops being JSON. V8 does not always tell the place, and it quotes the text, which may
 * contain a secret.
 */

export interface JsonFault {
  /** Both count from 1. */
  readonly line: number;
  readonly column: number;
  readonly isEnd: boolean;
}

const space = /[ \t\n\r]*/y;
const word = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null/y;
const plainCharacters = /[ !#-[\]-\u{10ffff}]*/uy;
const escape = /\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})/y;

/** Where the match of a sticky expression ends; undefined when it does not match here. */
function endOf(expression: RegExp, text: string, from: number): number | undefined {
  expression.lastIndex = from;
  return expression.test(text) ? expression.lastIndex : undefined;
}

/** There is no single expression for all of it, because for a long text it would need too much memory to go back. */
function endOfString(text: string, from: number): number | undefined {
  for (let at: number | undefined = from + 1; at !== undefined; at = endOf(escape, text, at)) {
    at = endOf(plainCharacters, text, at) ?? at;
    if (text[at] === '"') return at + 1;
  }
  return undefined;
}

/** What may come next. */
type State = "value" | "value or ]" | "key" | "key or }" | ":" | ", or end";

/** undefined when it is JSON. */
export function findJsonFault(text: string): JsonFault | undefined {
  const open: string[] = [];
  let state: State = "value";
  for (let at = 0; ;) {
    at = endOf(space, text, at) ?? at;
    const character = text[at];
    if (character === undefined && state === ", or end" && open.length === 0) return undefined;
    const end = character === undefined ? undefined : endOfToken(text, at, character);
    const next: State | undefined = end === undefined ? undefined : following(state, character ?? "", open);
    if (end === undefined || next === undefined) return placeOf(text, at);
    at = end;
    state = next;
  }
}

function endOfToken(text: string, at: number, character: string): number | undefined {
  if ("{}[],:".includes(character)) return at + 1;
  return character === '"' ? endOfString(text, at) : endOf(word, text, at);
}

/** @param kind the character that the token begins with */
function following(state: State, kind: string, open: string[]): State | undefined {
  const isValue = state === "value" || state === "value or ]";
  switch (kind) {
    case "{":
    case "[":
      if (!isValue) return undefined;
      open.push(kind);
      return kind === "{" ? "key or }" : "value or ]";
    case "}":
    case "]": {
      const isEmpty = state === (kind === "}" ? "key or }" : "value or ]");
      if (open.at(-1) !== (kind === "}" ? "{" : "[") || !(isEmpty || state === ", or end")) return undefined;
      open.pop();
      return ", or end";
    }
    case ",":
      if (state !== ", or end" || open.length === 0) return undefined;
      return open.at(-1) === "{" ? "key" : "value";
    case ":":
      return state === ":" ? "value" : undefined;
    case '"':
      if (state === "key" || state === "key or }") return ":";
      return isValue ? ", or end" : undefined;
    default:
      return isValue ? ", or end" : undefined;
  }
}

function placeOf(text: string, index: number): JsonFault {
  const before = text.slice(0, index).split("\n");
  return { line: before.length, column: (before.at(-1) ?? "").length + 1, isEnd: index === text.length };
}

/**
 * Makes text safe for logs. A log may contain what a caller sent, and people, terminals and programs read it. So
 * nothing here can end a line, control a terminal, reverse the order of words, hide a token, or fill the disk.
 */

// All characters except printable ASCII, and the two of these that JSON escapes. Most fields have none.
const needsCare = /[^ !#-[\]-~]/;

// Finds the secret and checksum after `isct_`, id, `_`, and the original's tokens of 512 hex digits. The look-behinds
// find a token even when it is glued to another one, and avoid 511 tries for a run of 511 digits.
const tokens = /(?<=isct_[0-9A-Za-z]{12}_)[0-9A-Za-z]{49,}|(?<![0-9A-Fa-f])[0-9A-Fa-f]{512,}/g;
const shortestToken = 67;
const longestToken = 512;

/** A JSON string with its quotes. At most `maxBytes` bytes are between the quotes. A mark follows if the text was cut. */
export function jsonText(text: unknown, maxBytes: number): string {
  if (typeof text !== "string") return text === null ? "null" : `"[${typeof text}]"`; // a throw here would end a run
  if (text.length < shortestToken && text.length <= maxBytes && !needsCare.test(text)) return `"${text}"`;
  return `"${escaped(text, maxBytes, true)}"`;
}

/** The same for a terminal, without quotes around it and without escaped quotes. */
export function terminalText(text: unknown, maxBytes: number): string {
  return typeof text === "string" ? escaped(text, maxBytes, false) : `[${typeof text}]`;
}

/** True when the text contains a token, so that logs would not show it as it is. */
export function holdsToken(text: string): boolean {
  return text.length >= shortestToken && text.search(tokens) !== -1;
}

/** JSON text that means the same, and in which no character can do harm. */
export function harmlessJson(json: string): string {
  return needsCare.test(json)
    ? json.replace(/[^ -~]/gu, (text) => escapeOf(text.codePointAt(0) ?? 0, false) ?? text)
    : json;
}

export function jsonNumber(value: number): string {
  return Number.isFinite(value) ? String(value) : "null";
}

let lastTimeMs = Number.NaN;
let lastTime = "null";

/** The time in ISO 8601 with milliseconds, UTC, as a JSON value. Many lines have the same millisecond. */
export function jsonTime(timeMs: number): string {
  if (timeMs === lastTimeMs) return lastTime;
  lastTimeMs = timeMs;
  lastTime = Math.abs(timeMs) <= 8.64e15 ? `"${new Date(timeMs).toISOString()}"` : "null"; // ECMA-262, 21.4.1.1
  return lastTime;
}

function escaped(text: string, maxBytes: number, inJson: boolean): string {
  const { shown, hidden } = withoutTokens(text, maxBytes);
  let result = "";
  let bytes = 0;
  for (let index = 0; index < shown.length;) {
    const code = shown.codePointAt(index) ?? 0;
    const units = code > 0xffff ? 2 : 1;
    const piece = escapeOf(code, inJson);
    bytes += piece?.length ?? utf8Length(code);
    if (bytes > maxBytes) return `${result}…[+${shown.length - index + hidden}]`;
    result += piece ?? shown.slice(index, index + units);
    index += units;
  }
  return hidden === 0 ? result : `${result}…[+${hidden}]`;
}

/** Tokens are removed before the text is cut, because a part of a token would not be recognised. */
function withoutTokens(text: string, maxBytes: number): { shown: string; hidden: number } {
  const window = text.slice(0, maxBytes + longestToken);
  const hidden = text.length - window.length;
  // A token that goes beyond the window begins in the last characters of the window. The rest of these is not shown.
  const sureEnd = hidden === 0 ? window.length : maxBytes;
  if (window.length < shortestToken) return { shown: window, hidden };
  let shown = "";
  let end = 0;
  for (const match of window.matchAll(tokens)) {
    const [token] = match;
    shown += window.slice(end, match.index) + (window[match.index - 1] === "_" ? "…" : "[token]");
    end = match.index + token.length;
  }
  const tail = window.slice(end, Math.max(end, sureEnd));
  return { shown: shown + tail, hidden: hidden + window.length - end - tail.length };
}

/** undefined when the character needs no escape. Every escape is ASCII, so its length is its number of bytes. */
function escapeOf(code: number, inJson: boolean): string | undefined {
  if (code < 0x7f) {
    if (code === 0x0a) return String.raw`\n`;
    if (code === 0x09) return String.raw`\t`;
    if (code < 0x20) return unicodeEscape(code);
    return inJson && (code === 0x22 || code === 0x5c) ? `\\${String.fromCharCode(code)}` : undefined;
  }
  return isUnsafe(code) ? unicodeEscape(code) : undefined;
}

function isUnsafe(code: number): boolean {
  return (
    code <= 0x9f || // DEL and C1, which some terminals obey as they obey ESC
    code === 0x061c ||
    code === 0x200e ||
    code === 0x200f ||
    (code >= 0x2028 && code <= 0x202e) || // line and paragraph separator, and marks of direction
    (code >= 0x2066 && code <= 0x2069) ||
    (code >= 0xd800 && code <= 0xdfff) // alone: no UTF-8 for it
  );
}

function unicodeEscape(code: number): string {
  return `\\u${code.toString(16).padStart(4, "0")}`;
}

function utf8Length(code: number): number {
  if (code < 0x80) return 1;
  if (code < 0x800) return 2;
  return code < 0x1_0000 ? 3 : 4;
}

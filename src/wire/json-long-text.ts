/**
 * JSON of objects with a long text in them, such as a file in base64. JSON.stringify looks at one character after another.
 * A look at four bytes at a time finds in a quarter of the time that nothing must be escaped (docs/PERFORMANCE.md).
 */

/** A shorter text costs less in JSON.stringify than a look at its bytes. */
const longText = 4 * 1024;

export function hasLongText(value: object): boolean {
  for (const key in value) {
    const member: unknown = (value as Record<string, unknown>)[key];
    if (typeof member === "string" && member.length >= longText) return true;
  }
  return false;
}

/** The same text as that of JSON.stringify, for an object whose members are texts, numbers and truth values. */
export function stringifyMembers(value: object): string {
  let text = "";
  for (const [key, member] of Object.entries(value)) {
    const json = typeof member === "string" && member.length >= longText ? quoted(member) : JSON.stringify(member);
    text += `${text === "" ? "{" : ","}${JSON.stringify(key)}:${json}`;
  }
  return `${text}}`;
}

function quoted(text: string): string {
  return needsNoEscape(text) ? `"${text}"` : JSON.stringify(text);
}

/** True for ASCII without quotes, backslashes and control characters. */
function needsNoEscape(text: string): boolean {
  const { length } = text;
  // A character beyond ASCII has bytes from 0x80 on, or has no room.
  const bytes = Buffer.allocUnsafeSlow(length);
  return bytes.write(text, "utf8") === length && bytesNeedNoEscape(bytes);
}

/** The same for the bytes of a text. False for anything that is not ASCII. */
export function bytesNeedNoEscape(bytes: Uint8Array): boolean {
  // Words begin at a multiple of four.
  const begin = -bytes.byteOffset & 3;
  if (bytes.length < begin) return areSimple(bytes, 0, bytes.length);
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + begin, (bytes.length - begin) >> 2);
  const end = begin + words.length * 4;
  if (!areSimple(bytes, 0, begin) || !areSimple(bytes, end, bytes.length)) return false;
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? 0;
    // A byte that is too small, or zero after the exclusive or, borrows from the highest bit of its own.
    const low = word - 0x20202020;
    const quote = (word ^ 0x22222222) - 0x01010101;
    const backslash = (word ^ 0x5c5c5c5c) - 0x01010101;
    if (((word | low | quote | backslash) & 0x80808080) !== 0) return false;
  }
  return true;
}

function areSimple(bytes: Uint8Array, begin: number, end: number): boolean {
  for (let index = begin; index < end; index++) {
    const byte = bytes[index] ?? 0;
    if (byte < 0x20 || byte === 0x22 || byte === 0x5c || byte >= 0x80) return false;
  }
  return true;
}

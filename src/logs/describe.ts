import { maskKnown } from "./known-secrets.js";
import { jsonText } from "./safe.js";
import { secretValue } from "../model/secrets.js";

/**
 * Describes arguments by name, type and length (secrets only by the word `secret`), never by value:
 * `{"world":"string(5)"}`. It is a JSON object, with the number of arguments that found no room. All names together
 * take at most `maxFieldBytes`.
 */
export function describeArguments(
  args: unknown,
  maxNames: number,
  maxFieldBytes: number,
): { readonly json: string; readonly omitted: number } {
  if (typeof args !== "object" || args === null) return { json: "{}", omitted: 0 };
  let json = "";
  let bytes = 0;
  let names = 0;
  let omitted = 0;
  try {
    for (const name in args) {
      if (!Object.hasOwn(args, name)) continue;
      if (names === maxNames) {
        omitted += 1;
        continue;
      }
      const type = typeWord((args as Record<string, unknown>)[name]);
      const entry = `${jsonText(name, maxFieldBytes)}:"${type}"`;
      const entryBytes = Buffer.byteLength(entry) + 1;
      if (bytes + entryBytes > maxFieldBytes) {
        omitted += 1;
        continue;
      }
      bytes += entryBytes;
      json += names === 0 ? entry : `,${entry}`;
      names += 1;
    }
  } catch {
    omitted += 1; // a getter or a proxy of the program itself must not end the run
  }
  return { json: `{${json}}`, omitted };
}

function typeWord(value: unknown): string {
  if (value === secretValue) return "secret";
  if (typeof value === "string") return `string(${value.length})`;
  if (value === null) return "null";
  if (typeof value !== "object") return typeof value;
  if (Array.isArray(value)) return `array(${value.length})`;
  if (ArrayBuffer.isView(value)) return `bytes(${value.byteLength})`;
  return `object(${Object.keys(value).length})`;
}

/**
 * What was thrown, with its stack and causes, as a JSON value: at most `maxErrors` errors, and each text at most
 * `maxFieldBytes`.
 */
export function describeError(thrown: unknown, maxErrors: number, maxFieldBytes: number): string {
  let left = maxErrors;
  return describe(thrown);

  function describe(value: unknown): string {
    if (left <= 0) return '"…"';
    left -= 1;
    if (!isError(value)) return faultText(typeof value === "string" ? value : `[${typeof value}]`, maxFieldBytes);
    let json = `{"name":${part(() => value.name)},"message":${part(() => value.message)}`;
    const code = read(() => ("code" in value ? value.code : undefined));
    if (typeof code === "string") json += `,"code":${faultText(code, maxFieldBytes)}`;
    json += `,"stack":${part(() => value.stack)}`;
    const cause = read(() => value.cause);
    if (cause !== undefined) json += `,"cause":${describe(cause)}`;
    const errors = read(() => (value instanceof AggregateError ? value.errors : undefined));
    if (Array.isArray(errors) && left > 0) json += `,"errors":[${errors.slice(0, left).map(describe).join(",")}]`;
    return `${json}}`;
  }

  function part(get: () => unknown): string {
    return faultText(read(get), maxFieldBytes);
  }
}

/**
 * The text of a fault, which may come from a command, without secrets. It is masked before it is cut, because a part of
 * a secret is not recognised.
 */
export function faultText(text: unknown, maxFieldBytes: number): string {
  return jsonText(typeof text === "string" ? maskKnown(text) : text, maxFieldBytes);
}

export function messageOf(thrown: unknown): unknown {
  return isError(thrown) ? read(() => thrown.message) : undefined;
}

/** A proxy may throw even here. */
function isError(value: unknown): value is Error {
  return read(() => value instanceof Error) === true;
}

/** Fields of an error may be getters that the command made. */
function read(get: () => unknown): unknown {
  try {
    return get();
  } catch {
    return "[unreadable]";
  }
}

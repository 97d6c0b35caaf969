/**
 * JSON as iscep speaks it: strict UTF-8, bounded depth and number of keys, and no number that JavaScript would change.
 * JSON.parse itself accepts a depth of a million and rounds integers silently. JSON.stringify turns NaN into null.
 */
import { isAscii, isUtf8 } from "node:buffer";
import { IscepError } from "../errors.js";
import { checkJson, isIntegerLiteral } from "./json-check.js";
import { hasLongText, stringifyMembers } from "./json-long-text.js";

export interface JsonLimits {
  readonly maxJsonDepth: number;
  readonly maxJsonKeys: number;
  /** Bounds values that are written. What is read is bounded by its bytes. */
  readonly maxJsonItems: number;
}

/** A JSON object as it came from a peer. The keys are the peer's, so `__proto__` is an ordinary own key. */
export type JsonObject = { [key: string]: unknown };

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * @throws IscepError `protocol` when the bytes are not UTF-8 or not JSON, nest too deep, have too many keys, or hold a
 *   number that cannot be kept exactly (an integer beyond 2^53 - 1, or one that overflows to Infinity).
 */
export function parseJson(bytes: Buffer, limits: JsonLimits): unknown {
  const text = textOf(bytes);
  let value: unknown;
  try {
    checkJson(bytes, limits);
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof IscepError) throw error;
    // The message of V8 quotes the text around the fault, and a secret may be there.
    throw new IscepError("protocol", "the content is not JSON");
  }
  return value;
}

function textOf(bytes: Buffer): string {
  // This is the common case, and the fastest: each byte is a character.
  if (isAscii(bytes)) return bytes.toString("latin1");
  if (!isUtf8(bytes)) throw new IscepError("protocol", "the content is not UTF-8");
  // A byte order mark is kept, so that JSON.parse refuses it, as the original does.
  return bytes.toString();
}

function endOfString(text: string, from: number): number {
  for (let quote = text.indexOf('"', from); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(quote - 1 - backslashes) === 0x5c && quote - 1 - backslashes >= from) backslashes++;
    if (backslashes % 2 === 0) return quote;
  }
  return text.length;
}

function endOfNumber(text: string, from: number): number {
  let end = from;
  while (end < text.length && isNumberCharacter(text.charCodeAt(end))) end++;
  return end;
}

/** Finds the end of digits, `+`, `-`, `.`, `e`, `E`. JSON.parse checks their order. */
function isNumberCharacter(character: number): boolean {
  if (character >= 0x30 && character <= 0x39) return true;
  return character === 0x2e || character === 0x2b || character === 0x2d || (character | 0x20) === 0x65;
}

/**
 * The JSON text of a value; undefined for undefined.
 * @param root what the message calls the value
 * @throws IscepError `invalid_arguments` when JSON cannot hold the value without changing it; the message says where
 */
export function encodeJson(value: unknown, limits: JsonLimits, root = "value"): string | undefined {
  try {
    if (isFlat(value, limits)) return hasLongText(value) ? stringifyMembers(value) : JSON.stringify(value);
    const { maxJsonKeys: keysLeft, maxJsonItems: itemsLeft } = limits;
    const findings = { keysLeft, itemsLeft, largeIntegers: false, path: [root] };
    checkValue(value, limits.maxJsonDepth, findings);
    const text = JSON.stringify(value);
    return findings.largeIntegers ? markDoubles(text) : text;
  } catch (error) {
    if (error instanceof IscepError) throw error;
    // The error's own text stays in its cause, because on a server it is not for the caller.
    throw new IscepError("invalid_arguments", `${root} cannot be sent as JSON: a getter or toJSON of it failed`, {
      cause: error,
    });
  }
}

interface Findings {
  keysLeft: number;
  itemsLeft: number;
  /** True when there is a number beyond 2^53 without a fraction. */
  largeIntegers: boolean;
  /** Where the value stands that is looked at: made into a text only when there is something to say of it. */
  readonly path: (string | number)[];
}

function checkValue(value: unknown, depthLeft: number, findings: Findings): void {
  switch (typeof value) {
    case "string":
    case "boolean":
    case "undefined":
      return;
    case "number":
      if (Number.isSafeInteger(value)) return;
      if (!Number.isFinite(value)) refuse(findings, `${value} is no JSON number`);
      if (Number.isInteger(value)) findings.largeIntegers = true;
      return;
    case "object":
      break;
    default:
      refuse(findings, `a ${typeof value} has no form in JSON`);
  }
  if (value === null) return;
  if (depthLeft === 0) refuse(findings, "it nests too deep, or holds itself");
  if (Array.isArray(value)) {
    findings.itemsLeft -= value.length;
    if (findings.itemsLeft < 0) refuse(findings, "its arrays have too many elements");
    for (let index = 0; index < value.length; index++) {
      const element: unknown = value[index];
      if (typeof element === "string" || Number.isSafeInteger(element)) continue;
      findings.path.push(index);
      // A member of an object is left out; here it would become null.
      if (element === undefined) refuse(findings, "undefined has no form in a JSON array; use null");
      checkValue(element, depthLeft - 1, findings);
      findings.path.pop();
    }
    return;
  }
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) refuseKind(findings, nameOf(value));
  if (writesItself(value)) {
    const json = value.toJSON();
    // Only an invalid date does this. null would hide it.
    if (json === null && "getTime" in value) refuse(findings, "it is an invalid date");
    if (json !== value) checkValue(json, depthLeft - 1, findings);
    return;
  }
  const keys = Object.keys(value);
  if (!isPlain(value)) checkInstance(value, keys.length, findings);
  for (const key of keys) {
    if (--findings.keysLeft < 0) refuse(findings, "it has too many keys");
    const member: unknown = Reflect.get(value, key);
    if (typeof member === "string" || typeof member === "boolean" || Number.isSafeInteger(member)) continue;
    findings.path.push(key);
    checkValue(member, depthLeft - 1, findings);
    findings.path.pop();
  }
}

/** Most arguments and results are such: an object in which nothing can be lost, without a value inside another one. */
function isFlat(value: unknown, { maxJsonKeys, maxJsonDepth }: JsonLimits): value is object {
  if (typeof value !== "object" || value === null || maxJsonDepth < 1) return false;
  if (Object.getPrototypeOf(value) !== Object.prototype || "toJSON" in value) return false;
  let keys = 0;
  // Unlike Object.keys, this makes no array. Keys that somebody added to the prototype are looked at too, which does no harm.
  for (const key in value) {
    const member: unknown = (value as Record<string, unknown>)[key];
    if (typeof member !== "string" && typeof member !== "boolean" && !Number.isSafeInteger(member)) return false;
    if (++keys > maxJsonKeys) return false;
  }
  return true;
}

function writesItself(value: object): value is { toJSON(): unknown } {
  return "toJSON" in value && typeof value.toJSON === "function";
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  // The last is an object of another realm, such as a vm context.
  return prototype === Object.prototype || prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** JSON.stringify would empty it, or leave out what matters, without a word. Instances with members of their own are data. */
function checkInstance(value: object, ownKeys: number, findings: Findings): void {
  if (value instanceof Error) refuseKind(findings, "Error", "its message");
  if ("then" in value && typeof value.then === "function")
    refuseKind(findings, "Promise", "what it resolves to: await it");
  if ("next" in value && typeof value.next === "function")
    refuseKind(findings, "iterator or generator", "an array of it");
  if (Symbol.asyncIterator in value) refuseKind(findings, "stream", "what it gives, or write that to context.output");
  if (Symbol.iterator in value || ownKeys === 0) refuseKind(findings, nameOf(value));
}

function nameOf(value: object): string {
  const { name }: { name?: unknown } = value.constructor;
  return typeof name === "string" && name !== "" ? name : "class instance";
}

function refuseKind(findings: Findings, kind: string, instead = "an array, an object or a text"): never {
  refuse(findings, `${/^[AEIO]/i.test(kind) ? "an" : "a"} ${kind} has no form in JSON; send ${instead}`);
}

function refuse({ path: [root, ...steps] }: Findings, reason: string): never {
  const place = steps.map((step) => (typeof step === "number" ? `[${step}]` : `.${step}`)).join("");
  throw new IscepError("invalid_arguments", `${root}${place}: ${reason}`);
}

/**
 * 1e16 becomes `10000000000000000.0`, because it is a double here. Without the point, a peer with exact integers would
 * read an integer, and our own reader would refuse it.
 */
function markDoubles(text: string): string {
  let marked = "";
  let copied = 0;
  for (let index = 0; index < text.length; index++) {
    const character = text.charCodeAt(index);
    if (character === 0x22 /* " */) {
      index = endOfString(text, index + 1);
    } else if (character >= 0x30 && character <= 0x39) {
      const end = endOfNumber(text, index + 1);
      const literal = text.slice(index, end);
      if (isIntegerLiteral(literal) && !Number.isSafeInteger(Number(literal))) {
        marked += `${text.slice(copied, end)}.0`;
        copied = end;
      }
      index = end - 1;
    }
  }
  return marked + text.slice(copied);
}

/** Makes the text of an argument for a program, or says why there can be none. */
import { IscepError } from "../../errors.js";
import { defaultLimits } from "../../limits/limits.js";

/** An argument of a call; undefined when it is absent. Values on the prototype were not given. */
export function givenValue(args: object, name: string): unknown {
  return Object.hasOwn(args, name) ? Reflect.get(args, name) : undefined;
}

export function textOf(value: unknown, argument: string): string {
  switch (typeof value) {
    case "string":
      return value;
    case "boolean":
      return value ? "true" : "false";
    case "number":
      if (Number.isFinite(value)) return decimal(value);
      throw refused(argument, "must be a finite number");
    default:
      throw refused(argument, "must be text, a number, or true or false");
  }
}

/**
 * A number without an exponent, because not every program reads exponents: 1e21 and 1e-7 have them in JavaScript. -0 becomes
 * 0.
 */
function decimal(value: number): string {
  const [, sign = "", whole = "", fraction = "", exponent] =
    /^(-?)(\d+)(?:\.(\d+))?e([+-]\d+)$/.exec(String(value)) ?? [];
  if (exponent === undefined) return String(value);
  const shift = Number(exponent);
  return shift > 0
    ? sign + whole + fraction.padEnd(shift, "0")
    : `${sign}0.${"0".repeat(-shift - 1)}${whole}${fraction}`;
}

/** Refuses text that the system would refuse, cut at a NUL, or change on its way to the program. */
export function checkedElement(text: string, argument: string): string {
  const fault = elementFault(text);
  if (fault !== undefined) throw refused(argument, fault);
  return text;
}

/** For standard input and descriptors, which accept any length and every byte. */
export function contentOf(value: unknown, argument: string): Buffer {
  const text = textOf(value, argument);
  if (!isWellFormed(text)) throw refused(argument, malformed);
  return Buffer.from(text);
}

export function elementFault(text: string): string | undefined {
  if (text.includes("\0")) return "must not contain NUL";
  if (!isWellFormed(text)) return malformed;
  const { maxArgvElementBytes } = defaultLimits;
  if (text.length * 3 > maxArgvElementBytes && Buffer.byteLength(text) > maxArgvElementBytes) {
    return `must be at most ${maxArgvElementBytes} bytes long, with what stands before it`;
  }
  return undefined;
}

const malformed = "must not contain halves of surrogate pairs, which have no form in UTF-8";

function isWellFormed(text: string): boolean {
  return !/\p{Cs}/u.test(text);
}

export function refused(argument: string, fault: string): IscepError {
  return new IscepError("invalid_arguments", `argument "${argument}" ${fault}`, { details: { argument } });
}
